"""`bitcurrent sanctions`: import a list from files, and see which are in force."""

import asyncio
import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg
from rich.console import Console
from rich.table import Table

from bitcurrent.compliance.screening import lists_repository
from bitcurrent.compliance.screening.lists import Read, import_list, read_files
from bitcurrent.compliance.screening.model import BadList, Rescreening, SanctionsList, Source
from bitcurrent.compliance.screening.reading import FILE_BYTES_MAX
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database

EXIT_DONE, EXIT_REFUSED, EXIT_NO_DATABASE = 0, 1, 2
SECONDS_MAX: Final = 120
RUNS_SHOWN: Final = 3


def import_files(
    database_url: str,
    paths: Sequence[Path],
    *,
    source: Source | None = None,
    may_shrink: bool = False,
    console: Console | None = None,
) -> int:
    """Import a list whole or not at all: 0 done (or in force already), 1 refused, 2 no database."""
    console = console or Console()
    try:
        files = {path.name: _bytes_of(path) for path in paths}
        console.print(f"Reading {', '.join(files)} …", markup=False, highlight=False)
        read = read_files(files, source)
        return asyncio.run(_import(database_url, read, may_shrink=may_shrink, console=console))
    except BadList as error:
        console.print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
        return EXIT_REFUSED
    except OSError as error:
        console.print(f"{error.filename}: {error.strerror}", style="red", markup=False, highlight=False)
        return EXIT_REFUSED
    except (asyncpg.PostgresError, TimeoutError) as error:
        console.print(f"The database does not take it: {error}. Nothing was imported.", style="red", markup=False)
        return EXIT_NO_DATABASE


def status(database_url: str, *, console: Console | None = None) -> int:
    """Print which lists are in force, how old they are, and how far everybody was compared: 1 without any list."""
    console = console or Console()
    try:
        lists, runs = asyncio.run(_status(database_url))
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        console.print(f"The database does not answer: {error}", style="red", markup=False)
        return EXIT_NO_DATABASE
    if not lists:
        console.print("No sanctions list is in force: every withdrawal goes to people. Import one:", style="yellow")
        console.print("  bitcurrent sanctions import SDN.CSV ALT.CSV ADD.CSV", markup=False, highlight=False)
        return EXIT_REFUSED
    console.print(_table(lists))
    for run in runs:
        state = "done" if run.finished_at else "under way"
        console.print(
            f"  Everybody compared ({state}): {run.screened:,} customers, {run.matched:,} to look at",
            markup=False, highlight=False,
        )  # fmt: skip
    return EXIT_DONE


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise BadList(f"A list has at most {FILE_BYTES_MAX} bytes.", file=path.name)
    return data


async def _import(database_url: str, read: Read, *, may_shrink: bool, console: Console) -> int:
    database = await Database.connect(database_url, connections_min=1, connections_max=1, timeout_seconds=SECONDS_MAX)
    try:
        async with database.transaction() as connection:
            version, fresh = await import_list(
                connection,
                read,
                imported_by=f"{getpass.getuser()} on the command line",
                may_shrink=may_shrink,
                progress=lambda words: console.print(f"  {words}", markup=False, highlight=False),
            )
    finally:
        await database.close()
    if not fresh:
        console.print(f"This list is in force already, since {version.imported_at:%Y-%m-%d %H:%M} UTC.", markup=False)
    else:
        console.print(f"In force now: {version.source}, sha256 {version.sha256[:16]}…", style="green", markup=False)
        console.print(
            "The worker compares every customer with what is new; see `bitcurrent sanctions status`.", soft_wrap=True
        )
    return EXIT_DONE


async def _status(database_url: str) -> tuple[list[SanctionsList], list[Rescreening]]:
    database = await Database.connect(database_url, connections_min=1, connections_max=1)
    try:
        async with database.read() as connection:
            lists = await lists_repository.in_force(connection)
            return lists, await lists_repository.list_rescreenings(connection, before=None, limit=RUNS_SHOWN)
    finally:
        await database.close()


def _table(lists: Sequence[SanctionsList]) -> Table:
    table = Table(title="Sanctions lists in force", title_justify="left")
    for heading in ("list", "entries", "names", "imported", "age", "sha256"):
        table.add_column(heading)
    for one in lists:
        hours = int((now() - one.imported_at).total_seconds()) // 3600
        table.add_row(
            one.source,
            f"{one.entries:,}",
            f"{one.aliases:,}",
            f"{one.imported_at:%Y-%m-%d %H:%M}",
            f"{hours // 24} d {hours % 24} h",
            one.sha256[:16],
        )
    return table
