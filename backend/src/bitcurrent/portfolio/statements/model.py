"""A month of an account, as values: what was there, what moved, what is left, and what that is worth. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from bitcurrent.kernel.errors import Conflict, Invalid
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger.model import StatementLine
from bitcurrent.portfolio.exports.model import Running, transaction_row
from bitcurrent.portfolio.model import sum_of
from bitcurrent.portfolio.wording import meaning_of
from bitcurrent.web.csv import Cell

SCHEMA: Final = "bitcurrent.statement.v1"
COLUMNS: Final = (
    "schema", "row", "at", "kind", "meaning", "reference", "asset", "part", "amount", "balance_after", "total_after",
    "worth_usd", "journal_id",
)  # fmt: skip
LINES_MAX: Final = 5_000
"""Longer months are exports."""

_MONTH = re.compile(r"(20\d{2})-(0[1-9]|1[0-2])", re.ASCII)


class StatementTooLong(Conflict):
    """More lines than an answer may have."""

    code = "statement_too_long"
    title = "Too long for a statement"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"This month has {count} lines; a statement has at most {LINES_MAX}. Ask for an export of the month by "
            "POST /api/exports.",
            details={"lines": str(count), "maximum": str(LINES_MAX), "instead": "/api/exports"},
        )


@dataclass(frozen=True, slots=True)
class Month:
    """One calendar month in UTC."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """The month written as 2026-01; raises Invalid."""
        found = _MONTH.fullmatch(text)
        if found is None:
            raise Invalid("A month is written as 2026-01.", field="month")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month of a moment."""
        at = moment.astimezone(UTC)
        return cls(at.year, at.month)

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment behind it."""
        return self.later(1).start

    def later(self, months: int) -> "Month":
        """So many months later, or earlier."""
        count = self.year * 12 + self.number - 1 + months
        return Month(count // 12, count % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetMonth:
    """One asset's month. `worth` is what is left, in USD, where that can be said."""

    asset: str
    opening: Decimal
    moved_in: Decimal
    moved_out: Decimal
    closing: Decimal
    fees: Decimal
    worth: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What one journal changed of one asset, its parts together, and what was there afterwards."""

    at: datetime
    meaning: str
    reference: str
    asset: str
    amount: Decimal
    total_after: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A month of somebody's account up to `until`; `is_complete` when the month is over."""

    holder: str
    account: str
    month: Month
    until: datetime
    made_at: datetime
    is_complete: bool
    assets: tuple[AssetMonth, ...]
    lines: tuple[StatementLine, ...]

    @property
    def worth(self) -> Decimal:
        """All that is left and can be valued, in USD."""
        return sum_of([asset.worth for asset in self.assets])

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What is left and cannot be valued."""
        return tuple(asset.asset for asset in self.assets if asset.closing and asset.worth is None)

    def bookings(self) -> list[Booking]:
        """The lines as one per journal and asset. What was only set aside, or given back, changed nothing."""
        running = Running({asset.asset: asset.opening for asset in self.assets})
        found: dict[tuple[object, str], Booking] = {}
        for line in self.lines:
            after = running.after(line)
            key = (line.journal_id, line.currency)
            before = found.get(key)
            found[key] = Booking(
                at=line.created_at,
                meaning=meaning_of(line.kind),
                reference=line.reference,
                asset=line.currency,
                amount=EXACT.add(before.amount, line.amount) if before else line.amount,
                total_after=after,
            )
        return [booking for booking in found.values() if booking.amount]


class BooksDiffer(Exception):
    """Opening and lines do not come to closing: no statement says so, somebody has to look."""


def assets_of(
    *,
    opening: Mapping[str, Decimal],
    closing: Mapping[str, Decimal],
    lines: Sequence[StatementLine],
    fees: Mapping[str, Decimal],
    worths: Mapping[str, Decimal],
) -> tuple[AssetMonth, ...]:
    """Each asset that was there or moved; raises BooksDiffer when it does not add up.

    What moved in and out is net for each journal: setting something aside is no movement.
    """
    net: dict[tuple[object, str], Decimal] = {}
    for line in lines:
        key = (line.journal_id, line.currency)
        net[key] = EXACT.add(net.get(key, Decimal(0)), line.amount)
    names = {code for code, amount in (*opening.items(), *closing.items()) if amount}
    found = []
    for asset in sorted(names | {code for _, code in net} | set(fees)):
        moves = [amount for (_, code), amount in net.items() if code == asset]
        moved_in, moved_out = _sum(moves, positive=True), _sum(moves, positive=False)
        first, last = opening.get(asset, Decimal(0)), closing.get(asset, Decimal(0))
        if EXACT.add(EXACT.add(first, moved_in), moved_out) != last:
            raise BooksDiffer(asset)
        found.append(
            AssetMonth(
                asset=asset,
                opening=first,
                moved_in=moved_in,
                moved_out=moved_out,
                closing=last,
                fees=fees.get(asset, Decimal(0)),
                worth=worths.get(asset) if last else Decimal(0),
            )
        )
    return tuple(found)


def rows(statement: Statement) -> list[tuple[Cell, ...]]:
    """The statement as rows of CSV: openings, every line of the books, closings with their worth, and fees."""
    start, until, assets = statement.month.start, statement.until, statement.assets
    running = Running({asset.asset: asset.opening for asset in assets})
    return [
        *(_row("opening", start, asset.asset, total_after=asset.opening) for asset in assets),
        *(_line(line, running) for line in statement.lines),
        *(_row("closing", until, asset.asset, total_after=asset.closing, worth=asset.worth) for asset in assets),
        *(_row("fees", until, asset.asset, amount=asset.fees) for asset in assets if asset.fees),
    ]


def _line(line: StatementLine, running: Running) -> tuple[Cell, ...]:
    schema, *cells, journal_id = transaction_row(line, running)
    del schema
    return (SCHEMA, "line", *cells, None, journal_id)


def _row(
    kind: str,
    at: datetime,
    asset: str,
    *,
    amount: Decimal | None = None,
    total_after: Decimal | None = None,
    worth: Decimal | None = None,
) -> tuple[Cell, ...]:
    return (SCHEMA, kind, at, None, None, None, asset, None, amount, None, total_after, worth, None)


def _sum(amounts: Sequence[Decimal], *, positive: bool) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        if (amount > 0) is positive:
            total = EXACT.add(total, amount)
    return total
