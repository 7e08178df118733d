"""The bank account against the statements that were read in: every line of theirs has its journal.

Statements come as files, days late, and do not say what the account began with: what is compared is what moved, line by
line. A line names the withdrawal that it pays; money that came from the processor or went to the venue names nothing,
so it is matched with a journal of the same amount.
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
from bitcurrent.reconciliation.model import NOTHING, BreakKind, Finding, Look, Party, Row

LINES_MAX: Final = 20_000
MOVES_MAX: Final = 20_000
UNNAMED: Final = frozenset({"payout", "venue_funding"})
"""Kinds of journals that move the bank account without a statement naming them."""
UNDER_WAY: Final = timedelta(days=10)
"""A payout of the processor takes some working days to arrive."""
CHECKED: Final = frozenset({BreakKind.STATEMENT_LINE, BreakKind.JOURNAL_UNSEEN})


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


class BankCheck:
    """Compares with the bank's statements."""

    party = Party.BANK

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database = database
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
        rows = [_row(currency, lines, open_lines, moves) for currency in sorted({line.currency for line in lines})]
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


def _row(
    currency: str,
    lines: Sequence[StatementLine],
    open_lines: Sequence[StatementLine],
    moves: Mapping[str, Mapping[str, Decimal]],
) -> Row:
    """What the statements moved, and what of it our journals moved."""
    missing = Counter(line.id for line in open_lines)
    told, booked = NOTHING, NOTHING
    for line in lines:
        if line.currency == currency:
            told = EXACT.add(told, line.amount)
            booked = EXACT.add(booked, _booked(line, moves) if missing[line.id] else line.amount)
    return Row(party=Party.BANK, asset=currency, ours=booked, theirs=told, difference=EXACT.subtract(booked, told))


def _line_subject(line: StatementLine) -> str:
    return f"statement-line:{line.id}"


def _journal_subject(journal: HouseMove) -> str:
    return f"bank-journal:{journal.reference}"
