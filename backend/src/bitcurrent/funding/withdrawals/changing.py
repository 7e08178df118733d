"""A withdrawal's next state with all that belongs to it: the books, the event, the letter. In the caller's transaction.

Whoever comes here holds the withdrawal's row lock. Money that comes back pays debts before it can be used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.withdrawals import journals, repository
from bitcurrent.funding.withdrawals.model import ENDED, TOLD, State, Withdrawal, WrongState, may_follow
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.ledger.service import post

LETTERS: Mapping[State, str] = {
    State.SCREENING: "withdrawal_requested",
    State.CANCELED: "withdrawal_cancelled",
    State.SENT: "withdrawal_sent",
    State.SETTLED: "withdrawal_settled",
    State.FAILED: "withdrawal_failed",
    State.RETURNED: "withdrawal_returned",
    State.REFUSED: "withdrawal_refused",
    State.EXPIRED: "withdrawal_expired",
}
"""Which states a customer is written about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known with a new state."""

    reason: str | None = None
    reference: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    paid: Decimal | None = None
    network_fee_paid: Decimal | None = None
    screening: str | None = None
    screening_reference: str | None = None
    batch_id: UUID | None = None


NOTHING_NEW = Facts()


class Changes:
    """Moves withdrawals on."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def move(
        self, connection: Connection, withdrawal: Withdrawal, state: State, facts: Facts = NOTHING_NEW
    ) -> Withdrawal:
        """The next state. Raises WrongState when it may not follow, and nothing is done."""
        if not may_follow(withdrawal.state, state):
            raise WrongState(withdrawal.state)
        paid = withdrawal.amount if state is State.SETTLED and facts.paid is None else facts.paid
        fee_paid = facts.network_fee_paid if withdrawal.network_fee_paid is None else withdrawal.network_fee_paid
        if state is State.SETTLED:
            assert paid is not None  # given, or all of it
            await post(connection, journals.settlement(withdrawal, paid=paid, network_fee=fee_paid))
        elif state is State.RETURNED:
            assert withdrawal.paid is not None  # settled before
            await post(connection, journals.comeback(withdrawal, withdrawal.paid))
        elif state in ENDED:
            await post(connection, journals.release(withdrawal))
        crash_point("withdrawal.booked")
        changed = await repository.move(
            connection,
            withdrawal.id,
            state,
            ended=state in ENDED,
            reason=facts.reason,
            reference=facts.reference,
            details=dict(withdrawal.details) | dict(facts.details) if facts.details else None,
            paid=paid if state is State.SETTLED else None,
            network_fee_paid=fee_paid,
            screening=facts.screening,
            screening_reference=facts.screening_reference,
            batch_id=facts.batch_id,
        )
        await self.tell(connection, changed)
        if state in ENDED and (state is not State.SETTLED or changed.paid != changed.amount):
            await self.collect(connection, changed)
        return changed

    async def collect(self, connection: Connection, withdrawal: Withdrawal) -> None:
        """Money has come back from it: what its owner owes is paid first."""
        await provenance.collect(connection, self._letters, withdrawal.user_id, withdrawal.asset)

    async def tell(
        self, connection: Connection, withdrawal: Withdrawal, *, more: Mapping[str, str] | None = None
    ) -> None:
        """The event for the customer's screens (and for monitoring: `more`), and the letter where there is one."""
        await append_event(
            connection,
            user_id=withdrawal.user_id,
            kind=f"withdrawal_{withdrawal.state}",
            subject=withdrawal.id,
            payload={**summary(withdrawal), **(more or {})},
        )
        if template := LETTERS.get(withdrawal.state):
            await self.write(connection, withdrawal, template)

    async def write(self, connection: Connection, withdrawal: Withdrawal, template: str, **more: str) -> None:
        """A letter about a withdrawal."""
        values = {
            "amount": plain(withdrawal.amount),
            "asset": withdrawal.asset,
            "fee": plain(EXACT.subtract(withdrawal.total, withdrawal.amount)),
            "destination": withdrawal.destination_label,
            **more,
        }
        await self._letters.queue(connection, user_id=withdrawal.user_id, template=template, values=values)


def summary(withdrawal: Withdrawal) -> dict[str, Any]:
    """What an event tells of a withdrawal."""
    return {
        "asset": withdrawal.asset,
        "amount": plain(withdrawal.amount),
        "fee": plain(withdrawal.fee),
        "network_fee": plain(withdrawal.network_fee),
        "rail": withdrawal.rail,
        "destination": withdrawal.destination_label,
        "state": withdrawal.state.value,
        "reason": withdrawal.reason,
        "told": TOLD[withdrawal.state],
    }
