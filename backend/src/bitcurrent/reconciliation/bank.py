"""The bank account against the statements that were read in: every line of theirs has its journal.

Statements come as files, days late: what is compared is what moved, line by line. A line names the withdrawal that it
pays; money that came from the processor or went to the venue names nothing, so it is matched with a journal of the same
amount. Where statements say what the account closed with, what it held before the first line follows from the first of
these balances (the opening, named in the table), and every later one has to be the opening and the lines: otherwise a
statement is missing.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import HouseMove
from bitcurrent.reconciliation import breaks_repository
from bitcurrent.reconciliation.memory import Compared, Memory
from bitcurrent.reconciliation.model import NOTHING, BreakKind, Finding, Look, Party, Reason, Row

LINES_MAX: Final = 20_000
MOVES_MAX: Final = 20_000
CLOSINGS_MAX: Final = 5_000
UNNAMED: Final = frozenset({"payout", "venue_funding"})
"""Kinds of journals that move the bank account without a statement naming them."""
UNDER_WAY: Final = timedelta(days=10)
"""A payout of the processor takes some working days to arrive."""
CHECKED: Final = frozenset({BreakKind.STATEMENT_LINE, BreakKind.JOURNAL_UNSEEN, BreakKind.STATEMENT_BALANCE})
OPENING: Final = "what the account held before the first statement (opening)"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One line of the bank's statements: positive came in, negative went out.

    `references` are the journals that may stand for it, when the line says whose it is.
    """

    id: str
    booked_on: date
    currency: str
    amount: Decimal
    references: tuple[str, ...] = ()


Statements = Callable[[Connection, int], Awaitable[Sequence[StatementLine]]]
"""The newest lines of the statements that were read in, at most so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What an account closed with on a day, as the bank says."""

    currency: str
    closed_on: date
    amount: Decimal


Closings = Callable[[Connection, int], Awaitable[Sequence[Closing]]]
"""The newest closing balances of the statements that were read in, at most so many, oldest first."""


async def no_closings(connection: Connection, limit: int) -> Sequence[Closing]:
    """Statements that say nothing of balances."""
    return ()


class BankCheck:
    """Compares with the bank's statements."""

    party = Party.BANK

    def __init__(self, database: Database, statements: Statements, closings: Closings = no_closings) -> None:
        self._database = database
        self._closings = closings
        self._statements = statements

    async def look(self, *, wholly: bool = False) -> Compared:
        """Look once; nobody outside is asked, and a look is always at every statement."""
        del wholly
        async with (
            self._database.read() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            lines = await self._statements(connection, LINES_MAX)
            if not lines:
                return Compared(look=Look(party=self.party, checked=CHECKED), memory=Memory())
            closings = await self._closings(connection, CLOSINGS_MAX)
            first = datetime.combine(min(line.booked_on for line in lines), time.min, UTC) - UNDER_WAY
            journals = await ledger.list_moves(connection, "bank", since=first, until=now(), limit=MOVES_MAX)
            named = [reference for line in lines for reference in line.references]
            moves = await ledger.moves_of(connection, named, "bank")
            subjects = [_line_subject(line) for line in lines] + [_journal_subject(each) for each in journals]
            resolved = await breaks_repository.resolving_journals(connection, subjects)
        unnamed = [each for each in journals if each.kind in UNNAMED]
        left, open_lines = _match(lines, moves, resolved, unnamed)
        newest = datetime.combine(max(line.booked_on for line in lines), time.min, UTC)
        late = [
            each for each in left if each.created_at < newest - UNDER_WAY and _journal_subject(each) not in resolved
        ]
        findings = [*(_line_finding(line, moves) for line in open_lines), *(_journal_finding(each) for each in late)]
        rows = []
        for currency in sorted({line.currency for line in lines}):
            told = _chain(currency, lines, closings)
            rows.append(_row(currency, lines, open_lines, moves, told))
            if told is not None and told.missing:
                findings.append(_balance_finding(currency, told))
        look = Look(party=self.party, rows=tuple(rows), findings=tuple(findings), checked=CHECKED)
        return Compared(look=look, memory=Memory())


def _match(
    lines: Sequence[StatementLine],
    moves: Mapping[str, Mapping[str, Decimal]],
    resolved: Mapping[str, str],
    unnamed: Sequence[HouseMove],
) -> tuple[list[HouseMove], list[StatementLine]]:
    """Journals that no line was found for, and lines that no journal was found for."""
    left = list(unnamed)
    open_lines: list[StatementLine] = []
    for line in lines:
        if _line_subject(line) in resolved or _booked(line, moves) == line.amount:
            continue
        found = None if line.references else next((each for each in left if _fits(each, line)), None)
        if found is not None:
            left.remove(found)
        else:
            open_lines.append(line)
    return left, open_lines


def _fits(journal: HouseMove, line: StatementLine) -> bool:
    apart = abs(journal.created_at.date() - line.booked_on)
    same = journal.currency == line.currency and journal.amount.copy_negate() == line.amount
    return same and apart <= UNDER_WAY


def _booked(line: StatementLine, moves: Mapping[str, Mapping[str, Decimal]]) -> Decimal:
    """What the journals that the line names moved at the bank; the one that moved what the line says, first."""
    amounts = [
        moves[reference].get(line.currency, NOTHING).copy_negate()
        for reference in line.references
        if reference in moves
    ]
    return line.amount if line.amount in amounts else next(iter(amounts), NOTHING)


def _line_finding(line: StatementLine, moves: Mapping[str, Mapping[str, Decimal]]) -> Finding:
    booked = _booked(line, moves)
    return Finding(
        kind=BreakKind.STATEMENT_LINE,
        subject=_line_subject(line),
        party=Party.BANK,
        asset=line.currency,
        account="bank",
        expected=line.amount,
        found=booked,
        text=f"The bank's statement has {plain(line.amount)} {line.currency} on {line.booked_on} ({line.id}); "
        f"our journals say {plain(booked)}.",
    )


def _journal_finding(journal: HouseMove) -> Finding:
    amount = journal.amount.copy_negate()
    return Finding(
        kind=BreakKind.JOURNAL_UNSEEN,
        subject=_journal_subject(journal),
        party=Party.BANK,
        asset=journal.currency,
        account="bank",
        expected=NOTHING,
        found=amount,
        text=f"No statement of the bank shows our journal {journal.reference} ({plain(amount)} {journal.currency}).",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """What the bank's balances make of its lines: the opening, the last balance, and what no line explains of it."""

    opening: Decimal
    last: Closing
    missing: Decimal


def _chain(currency: str, lines: Sequence[StatementLine], closings: Sequence[Closing]) -> _Chain | None:
    own = [line for line in lines if line.currency == currency]
    # Where there are more lines than are read, the oldest day may be there by half.
    since = min(line.booked_on for line in own) if len(lines) >= LINES_MAX else date.min
    told = [each for each in closings if each.currency == currency and each.closed_on > since]
    if not told:
        return None
    opening = EXACT.subtract(told[0].amount, _sum_until(own, told[0].closed_on))
    last = told[-1]
    expected = EXACT.add(opening, _sum_until(own, last.closed_on))
    return _Chain(opening=opening, last=last, missing=EXACT.subtract(last.amount, expected))


def _sum_until(lines: Sequence[StatementLine], day: date) -> Decimal:
    total = NOTHING
    for line in lines:
        if line.booked_on <= day:
            total = EXACT.add(total, line.amount)
    return total


def _balance_finding(currency: str, chain: _Chain) -> Finding:
    last = chain.last
    expected = EXACT.subtract(last.amount, chain.missing)
    return Finding(
        kind=BreakKind.STATEMENT_BALANCE,
        subject=f"bank:{currency}",
        party=Party.BANK,
        asset=currency,
        account="bank",
        expected=last.amount,
        found=expected,
        text=f"The bank closed with {plain(last.amount)} {currency} on {last.closed_on}; its lines that we have make "
        f"{plain(expected)}. A statement is missing, or one of them was read in that is not this account's.",
    )


def _row(
    currency: str,
    lines: Sequence[StatementLine],
    open_lines: Sequence[StatementLine],
    moves: Mapping[str, Mapping[str, Decimal]],
    chain: _Chain | None,
) -> Row:
    """What the statements moved, and what of it our journals moved; with balances, also what the account began with."""
    missing = Counter(line.id for line in open_lines)
    told, booked = NOTHING, NOTHING
    for line in lines:
        if line.currency == currency:
            told = EXACT.add(told, line.amount)
            booked = EXACT.add(booked, _booked(line, moves) if missing[line.id] else line.amount)
    if chain is None:
        return Row(party=Party.BANK, asset=currency, ours=booked, theirs=told, difference=EXACT.subtract(booked, told))
    there = EXACT.add(EXACT.add(chain.opening, told), chain.missing)
    difference = EXACT.subtract(EXACT.add(booked, chain.opening), there)
    reasons = (Reason(what=OPENING, amount=chain.opening.copy_negate()),) if chain.opening else ()
    return Row(party=Party.BANK, asset=currency, ours=booked, theirs=there, difference=difference, reasons=reasons)


def _line_subject(line: StatementLine) -> str:
    return f"statement-line:{line.id}"


def _journal_subject(journal: HouseMove) -> str:
    return f"bank-journal:{journal.reference}"
