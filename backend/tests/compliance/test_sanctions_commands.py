"""`bitcurrent sanctions` as people run it: import, status, and what it says when a file is no list."""

import io
from pathlib import Path

import asyncpg
import pytest
from rich.console import Console

from bitcurrent.compliance.screening.commands import import_files, status
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.compliance.list_files import OFAC, SDN, UK


def files(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]


class Screen:
    """What was printed."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.console = Console(file=self.text, width=100)

    def said(self, *words: str) -> bool:
        return all(word in self.text.getvalue() for word in words)


def test_a_list_is_imported_from_the_command_line_whole_or_not_at_all(
    module_database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    url = module_database_urls.app
    empty = Screen()
    assert status(url, console=empty.console) == 1
    assert empty.said("No sanctions list is in force", "bitcurrent sanctions import SDN.CSV ALT.CSV ADD.CSV")
    done = Screen()
    assert import_files(url, files(tmp_path, OFAC), console=done.console) == 0
    assert done.said("5 entries with 8 names; 5 new or changed, 0 gone", "In force now: ofac")
    again = Screen()
    assert import_files(url, files(tmp_path, OFAC), console=again.console) == 0
    assert again.said("in force already")
    cut = Screen()
    assert import_files(url, files(tmp_path, {**OFAC, "SDN.CSV": SDN[:200]}), console=cut.console) == 1
    assert cut.said("the file was cut", "the list before")
    uk = Screen()
    assert import_files(url, files(tmp_path, {"list.csv": UK}), source="demo", console=uk.console) == 0
    shown = Screen()
    assert status(url, console=shown.console) == 0
    assert shown.said("ofac", "demo", "Everybody compared (under way): 0 customers")


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    screen = Screen()
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    assert status(nowhere, console=screen.console) == 2
    assert import_files(nowhere, files(tmp_path, OFAC), console=screen.console) != 0


@pytest.mark.asyncio
async def test_the_application_may_not_rewrite_a_list(module_database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(module_database_urls.app)
    try:
        for statement in (
            "UPDATE sanctions_lists SET sha256 = repeat('0', 64)",
            "UPDATE sanctions_entries SET removed_by = added_by",
            "TRUNCATE sanctions_lists CASCADE",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement)
    finally:
        await connection.close()
