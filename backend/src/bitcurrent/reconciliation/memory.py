"""What one look adds to what reconciliation remembers; written together at the end of a run, or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from bitcurrent.funding.ports import BalanceLine
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import HouseName, Journal
from bitcurrent.reconciliation import repository
from bitcurrent.reconciliation.model import NOTHING, Look

OUTSIDE: Final[tuple[HouseName, ...]] = ("venue", "processor", "bank")
"""House accounts that stand for what lies elsewhere: negative by what is there."""
BEGINNING: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
ROLL_AFTER: Final = timedelta(hours=2)
BEHIND: Final = timedelta(hours=1)
"""No transaction that began so long ago still runs: statements end after seconds."""


@dataclass(slots=True, kw_only=True)
class Memory:
    """What was read and decided: cursors, doubts to add and to drop, lines of the processor and what they are tied to,
    journals of what only the other side decides, and sums that no running transaction can change any more."""

    cursors: dict[str, str] = field(default_factory=dict)
    doubts: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    lines: list[BalanceLine] = field(default_factory=list)
    bindings: dict[str, str] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)
    totals: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    through: datetime | None = None

    async def write(self, connection: Connection) -> None:
        """Write it all in the open transaction. Twice is once: everything has a name for good."""
        if self.lines:
            await repository.insert_lines(connection, self.lines)
        for journal in self.journals:
            await ledger.post(connection, journal)
        if self.bindings:
            await repository.bind_lines(connection, self.bindings)
        if self.cursors:
            await repository.write_cursors(connection, self.cursors)
        if self.doubts:
            await repository.add_doubts(connection, self.doubts)
        if self.dropped:
            await repository.drop_doubts(connection, self.dropped)
        if self.through is not None:
            await repository.write_totals(connection, self.totals, self.through)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A look, and what is to be remembered of it."""

    look: Look
    memory: Memory


async def what_lies_outside(
    connection: Connection, memory: Memory, *, wholly: bool
) -> dict[tuple[HouseName, str], Decimal]:
    """What our books say lies at venue, processor and bank, by (account, currency), positive.

    Sums what was posted since the remembered totals, or all entries when `wholly`; call it in a snapshot.
    """
    known = {} if wholly else await repository.read_totals(connection)
    through = min((moment for _, moment in known.values()), default=BEGINNING)
    totals = {key: balance for key, (balance, _) in known.items()}
    horizon = now() - BEHIND
    if through < now() - ROLL_AFTER:
        _add(totals, await ledger.sum_house(connection, OUTSIDE, since=through, until=horizon))
        memory.totals, memory.through = dict(totals), horizon
        for account in OUTSIDE:
            memory.totals.setdefault((account, "USD"), NOTHING)
        through = horizon
    _add(totals, await ledger.sum_house(connection, OUTSIDE, since=through))
    return {
        (account, currency): balance.copy_negate()
        for account in OUTSIDE
        for (name, currency), balance in totals.items()
        if name == account
    }


def _add(totals: dict[tuple[str, str], Decimal], moved: Mapping[tuple[str, str], Decimal]) -> None:
    for key, amount in moved.items():
        totals[key] = EXACT.add(totals.get(key, NOTHING), amount)


def of_account(balances: Mapping[tuple[HouseName, str], Decimal], account: HouseName) -> dict[str, Decimal]:
    """The balances of one account, by currency."""
    return {currency: balance for (name, currency), balance in balances.items() if name == account}


def oldest_first(doubts: Sequence[repository.Doubt], kind: str) -> list[repository.Doubt]:
    """Doubts of one kind."""
    return [doubt for doubt in doubts if doubt.kind == kind]
