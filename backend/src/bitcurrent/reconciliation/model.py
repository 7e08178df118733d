"""What reconciliation compares and finds: rows of the table, findings, breaks and their life. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from bitcurrent.kernel.money import EXACT, plain

NOTHING: Final = Decimal(0)


class Party(StrEnum):
    """Who else knows what we have: the venue, the card processor, the bank."""

    VENUE = "venue"
    PROCESSOR = "processor"
    BANK = "bank"


class BreakKind(StrEnum):
    """What does not agree."""

    HOLDINGS = "holdings"  # what lies there is not what our books say
    FILLS = "fills"  # an order's executions there are not those we booked
    FOREIGN_ORDER = "foreign_order"  # an order that nobody here placed
    FEE_UNPOSTED = "fee_unposted"  # the venue charged a fee that the books do not have
    MOVEMENT = "movement"  # cash or coins came or went there, and no journal says why
    LINE_UNBOUND = "line_unbound"  # a line of the processor that no journal stands for
    LINE_AMOUNT = "line_amount"  # a line whose journal moved another amount
    JOURNAL_UNSEEN = "journal_unseen"  # a journal that the processor or bank knows nothing of
    PAYOUT = "payout"  # the processor paid out, and nobody here is to pay out
    STATEMENT_LINE = "statement_line"  # a line of the bank's statement that no journal stands for
    STATEMENT_BALANCE = "statement_balance"  # the bank closed with another balance than its own lines make


STANDING: Final = frozenset(BreakKind) - {BreakKind.HOLDINGS, BreakKind.STATEMENT_BALANCE}
"""Kinds that are about one thing that happened: resolved once, they stay so. A balance may go wrong again."""


class BreakState(StrEnum):
    """Suspected until it has been seen often enough; then open until a person has resolved it."""

    SUSPECTED = "suspected"
    CLEARED = "cleared"
    OPEN = "open"
    ASSIGNED = "assigned"
    RESOLVED = "resolved"


ACTIVE: Final = (BreakState.SUSPECTED, BreakState.OPEN, BreakState.ASSIGNED)
TRANSITIONS: Final[Mapping[BreakState, frozenset[BreakState]]] = {
    BreakState.SUSPECTED: frozenset({BreakState.CLEARED, BreakState.OPEN}),
    BreakState.OPEN: frozenset({BreakState.ASSIGNED, BreakState.RESOLVED}),
    BreakState.ASSIGNED: frozenset({BreakState.ASSIGNED, BreakState.RESOLVED}),
    BreakState.CLEARED: frozenset(),
    BreakState.RESOLVED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A named part of a difference that is no mistake: something on its way, with its amount."""

    what: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: an asset at one party. `difference` is ours less theirs less what `reasons` explain."""

    party: Party
    asset: str
    ours: Decimal
    theirs: Decimal
    difference: Decimal
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not agree now. `subject` names it for good; `looks` is how often until it is a break."""

    kind: BreakKind
    subject: str
    party: Party
    asset: str
    expected: Decimal
    """What the other side says."""
    found: Decimal
    """What our books say."""
    text: str
    account: str | None = None
    looks: int = 1

    @property
    def difference(self) -> Decimal:
        """Ours less theirs: positive when our books have too much there."""
        return EXACT.subtract(self.found, self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A difference with its life: how long it has been there, who looks after it, how it ended."""

    id: UUID
    kind: BreakKind
    subject: str
    party: Party
    asset: str
    account: str | None
    expected: Decimal
    found: Decimal
    difference: Decimal
    text: str
    state: BreakState
    looks: int
    first_seen: datetime
    last_seen: datetime
    gone_since: datetime | None
    opened_at: datetime | None
    owner: UUID | None
    assigned_at: datetime | None
    resolved_by: UUID | None
    resolved_at: datetime | None
    note: str | None
    journal_reference: str | None

    def age_seconds(self, moment: datetime) -> int:
        """Since it was first seen until it was resolved, or until now."""
        return int(((self.resolved_at or moment) - self.first_seen).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakFilter:
    """Which breaks to list; by default all that were ever opened. `before` is the keyset: the last id seen."""

    state: BreakState | None = None
    party: Party | None = None
    asset: str | None = None
    owner: UUID | None = None
    older_than_seconds: int | None = None
    before: UUID | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One time that everything was compared. `table` holds the rows as they are told, `troubles` what was not asked."""

    id: UUID
    wholly: bool
    started_at: datetime
    finished_at: datetime
    table: Sequence[Mapping[str, Any]]
    findings: int
    troubles: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at one party gave.

    `checked` are the kinds whose findings are complete: a break of these that is not among them is gone, except for
    the subjects in `undecided`.
    """

    party: Party
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()
    checked: frozenset[BreakKind] = frozenset()
    undecided: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient reconciliation is, in seconds and looks."""

    every: float = 60.0
    settle: float = 3.0
    """Between reading the other side and reading ours: what was on its way has arrived by then."""
    skew: float = 2.0
    """How far the other side's clock may be from ours."""
    young: float = 20.0
    """A fill younger than this is not missed yet."""
    grace: float = 180.0
    """How long a fee or movement may wait for its journal."""
    line_grace: float = 900.0
    """How long a line of the processor or bank may wait for its journal, and a journal for its line."""
    looks: int = 3
    """A balance has to differ so many times in a row."""


def run_of(candidates: Sequence[tuple[datetime, Decimal]], *, certain_after: datetime, total: Decimal) -> list[Decimal]:
    """What we had at a moment that is known only roughly.

    `candidates` are our movements since well before that moment, oldest first; `total` is what we have with all of
    them. Those after `certain_after` had surely not happened; each of the others may or may not have, in their order.
    """
    found: list[Decimal] = []
    left = total
    for moment, amount in reversed(candidates):
        if moment <= certain_after:
            found.append(left)
        left = EXACT.subtract(left, amount)
    found.append(left)
    return found


def nearest(candidates: Iterable[Decimal], *, theirs: Decimal, allowed: Decimal) -> tuple[Decimal, Decimal]:
    """The best reading of a difference: (what is explained, what is not).

    `allowed` is how much more than theirs ours may be, for a known reason; negative: how much less.
    """
    best: tuple[Decimal, Decimal] | None = None
    low, high = min(NOTHING, allowed), max(NOTHING, allowed)
    for ours in candidates:
        difference = EXACT.subtract(ours, theirs)
        explained = min(max(difference, low), high)
        rest = EXACT.subtract(difference, explained)
        if best is None or (abs(rest), abs(explained)) < (abs(best[1]), abs(best[0])):
            best = (explained, rest)
    assert best is not None  # there is always the total itself
    return best


def say(finding: Finding) -> str:
    """A finding in one line, for logs and letters."""
    return f"{finding.party} {finding.asset}: {finding.text} (difference {plain(finding.difference)})"
