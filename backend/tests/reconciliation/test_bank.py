"""The bank's statements against our books: what a line names, what only its amount tells, and what nobody knows."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import pytest_asyncio

from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import post
from bitcurrent.reconciliation.bank import OPENING, BankCheck, Closing, StatementLine
from bitcurrent.reconciliation.model import BreakKind, Look

TODAY = datetime.now(UTC).date()


def line(amount: str, *references: str, days_ago: int = 0, currency: str = "USD") -> StatementLine:
    """A line of a statement."""
    return StatementLine(
        id=f"bank-{new_id().hex[-8:]}",
        booked_on=TODAY - timedelta(days=days_ago),
        currency=currency,
        amount=Decimal(amount),
        references=references,
    )


@pytest_asyncio.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(database_urls.app, connections_min=1, connections_max=2)
    yield opened
    await opened.close()


async def look(database: Database, *lines: StatementLine, closings: Sequence[Closing] = ()) -> Look:
    async def statements(_: Connection, limit: int) -> Sequence[StatementLine]:
        return lines[:limit]

    async def balances(_: Connection, limit: int) -> Sequence[Closing]:
        return closings[:limit]

    return (await BankCheck(database, statements, balances).look()).look


def closing(amount: str, *, days_ago: int = 0) -> Closing:
    """What the account closed with."""
    return Closing(currency="USD", closed_on=TODAY - timedelta(days=days_ago), amount=Decimal(amount))


async def book(database: Database, kind: str, reference: str, amount: str, currency: str = "USD") -> None:
    """A journal by which so much more (or less) lies at the bank."""
    value = Decimal(amount)
    bank, other = house("bank", currency), available(UserId(new_id()), currency)
    if kind in {"payout", "venue_funding"} or value < 0:
        other = house("processor" if kind == "payout" else "venue", currency)
    source, target = (bank, other) if value > 0 else (other, bank)
    async with database.transaction() as connection:
        move = Move(source=source, target=target, amount=abs(value))
        await post(connection, Journal(kind=kind, reference=reference, moves=(move,)))


async def test_a_withdrawal_that_the_statement_names_agrees(database: Database) -> None:
    await book(database, "withdrawal", "withdrawal:1", "-250")
    found = await look(database, line("-250", "withdrawal:1"))
    assert found.findings == ()
    (row,) = found.rows
    assert row.asset == "USD"
    assert row.ours == row.theirs == -250
    assert row.difference == 0


async def test_a_payout_and_the_venue_s_cash_are_known_by_their_amounts(database: Database) -> None:
    await book(database, "payout", "stripe_payout:po_1", "480")
    await book(database, "payout", "stripe_payout:po_2", "480")
    await book(database, "venue_funding", "venue_funding:1", "-10000")
    found = await look(database, line("480"), line("-10000"))
    assert found.findings == ()
    # A third payout of the same amount is nobody's: each journal stands for one line.
    third = await look(database, line("480"), line("480"), line("480"), line("-10000"))
    assert [each.kind for each in third.findings] == [BreakKind.STATEMENT_LINE]


@pytest.mark.parametrize(
    ("amount", "references"), [("99", ()), ("-99", ("withdrawal:unknown",)), ("-251", ("withdrawal:1",))]
)
async def test_a_line_that_no_journal_stands_for_is_found(
    database: Database, amount: str, references: tuple[str, ...]
) -> None:
    await book(database, "withdrawal", "withdrawal:1", "-250")
    found = await look(database, line(amount, *references))
    (finding,) = found.findings
    assert (finding.kind, finding.asset, finding.expected) == (BreakKind.STATEMENT_LINE, "USD", Decimal(amount))
    assert [row.difference for row in found.rows] == [finding.difference]


async def test_a_payout_that_never_arrives_is_found(database: Database) -> None:
    await book(database, "payout", "stripe_payout:po_1", "480")
    await book(database, "withdrawal", "withdrawal:1", "-250")
    # The statements reach from today to twelve days beyond the journal.
    found = await look(database, line("-250", "withdrawal:1"), line("-1", "withdrawal:x", days_ago=-12))
    assert {each.kind for each in found.findings} == {BreakKind.STATEMENT_LINE, BreakKind.JOURNAL_UNSEEN}


async def test_without_statements_there_is_nothing_to_compare(database: Database) -> None:
    assert (await look(database)).rows == ()


async def test_closing_balances_are_the_opening_and_the_lines(database: Database) -> None:
    await book(database, "withdrawal", "withdrawal:1", "-250")
    await book(database, "withdrawal", "withdrawal:2", "-50")
    lines = (line("-250", "withdrawal:1", days_ago=2), line("-50", "withdrawal:2", days_ago=1))
    found = await look(database, *lines, closings=[closing("750", days_ago=2), closing("700", days_ago=1)])
    (row,) = found.rows
    assert (row.ours, row.theirs, row.difference) == (Decimal(-300), Decimal(700), Decimal(0))
    assert [(each.what, each.amount) for each in row.reasons] == [(OPENING, Decimal(-1000))]
    assert found.findings == ()


async def test_a_statement_that_is_missing_is_a_break_of_its_balance(database: Database) -> None:
    await book(database, "withdrawal", "withdrawal:1", "-250")
    named = line("-250", "withdrawal:1", days_ago=2)
    found = await look(database, named, closings=[closing("750", days_ago=2), closing("700", days_ago=1)])
    (row,), (broken,) = found.rows, found.findings
    assert (broken.kind, broken.expected, broken.found) == (BreakKind.STATEMENT_BALANCE, Decimal(700), Decimal(750))
    assert row.difference == Decimal(50)
