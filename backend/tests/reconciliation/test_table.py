"""`bitcurrent reconcile`: the table for people, JSON for programs, and an exit code that a monitor can trust."""

import contextlib
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import Console

from bitcurrent.compliance.stops.service import Stops
from bitcurrent.funding.ports import NotSent
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.reconciliation.bank import BankCheck, StatementLine
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.reconciliation.memory import Compared
from bitcurrent.reconciliation.model import Party
from bitcurrent.reconciliation.reconciling import Check
from bitcurrent.reconciliation.table_commands import Books, Opener, reconcile

UNKNOWN = StatementLine(
    id="bank-1", booked_on=datetime.now(UTC).date(), currency="EUR", amount=Decimal("12.5"), references=()
)


class Silent:
    """A processor that does not answer."""

    party = Party.PROCESSOR

    async def look(self, *, wholly: bool = False) -> Compared:
        raise NotSent(f"no connection ({wholly})")


def opener(urls: DatabaseUrls, *lines: StatementLine, silent: bool = False) -> Opener:
    async def statements(_: Connection, limit: int) -> Sequence[StatementLine]:
        return lines[:limit]

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Books]:
        database = await Database.connect(urls.app, connections_min=1, connections_max=2)
        approvals = Approvals()
        checks: list[Check] = [BankCheck(database, statements), *([Silent()] if silent else [])]
        yield Books(database=database, breaks=Breaks(approvals, Stops(approvals)), checks=checks)
        await database.close()

    return opened


@pytest.mark.parametrize(
    ("lines", "silent", "code", "told"),
    [
        ((), False, 0, "Everything agrees."),
        ((), True, 2, "The processor could not be asked"),
        ((UNKNOWN,), False, 1, "12.5 EUR"),
        ((UNKNOWN,), True, 1, "statement_line"),
    ],
)
def test_the_exit_code_says_how_it_is(
    database_urls: DatabaseUrls, lines: tuple[StatementLine, ...], silent: bool, code: int, told: str
) -> None:
    paper = io.StringIO()
    console = Console(file=paper, width=160)
    assert reconcile(opener(database_urls, *lines, silent=silent), looks=1, console=console) == code
    assert told in paper.getvalue()


def test_programs_read_json(database_urls: DatabaseUrls) -> None:
    paper = io.StringIO()
    assert reconcile(opener(database_urls, UNKNOWN), looks=1, as_json=True, console=Console(file=paper)) == 1
    told = json.loads(paper.getvalue())
    assert told["agrees"] is False
    assert told["table"] == [
        {"party": "bank", "asset": "EUR", "ours": "0", "theirs": "12.5", "difference": "-12.5", "reasons": []}
    ]
    assert told["findings"][0]["difference"] == "-12.5"


def test_books_that_cannot_be_read_are_said(database_urls: DatabaseUrls) -> None:
    away = DatabaseUrls(owner=database_urls.owner, app="postgresql://nobody:x@127.0.0.1:9/none")
    paper = io.StringIO()
    assert reconcile(opener(away), console=Console(file=paper)) == 2
    assert "cannot be read" in paper.getvalue()
