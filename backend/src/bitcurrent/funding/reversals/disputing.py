"""Disputes' verbs: what the processor took is locked, taken or owed, whichever word of it came first.

Each runs in the caller's transaction. The processor's newest truth decides; events are only hints to read it.
"""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.funding.ports import ProcessorDispute
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import Lot
from bitcurrent.funding.reversals import disputes_repository as repository
from bitcurrent.funding.reversals.model import (
    DISPUTE_WAYS,
    ZERO,
    Cover,
    DebtNotFound,
    Dispute,
    DisputeNotFound,
    DisputeState,
    Steps,
    dispute_state,
    level,
)
from bitcurrent.funding.reversals.ports import DepositReversed
from bitcurrent.funding.reversals.service import UnknownDeposit
from bitcurrent.identity.model import Actor
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.ledger.model import Account, Journal, Move, available, held, house
from bitcurrent.ledger.service import post, read_balance

LETTERS = {
    DisputeState.OPEN: "dispute_opened",
    DisputeState.WON: "dispute_won",
    DisputeState.LOST: "dispute_lost",
    DisputeState.CLOSED: "dispute_closed",
}


class Disputes:
    """Applies what became of disputes; operators note and write off."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters
        self.reversed: DepositReversed | None = None
        """As `Refunds.reversed`."""

    async def apply(self, connection: Connection, truth: ProcessorDispute) -> Dispute:
        """Write down what the processor says of a dispute and let the books follow; the same or older words do nothing.

        Raises UnknownDeposit for a payment that we have not credited.
        """
        lot = await provenance.lot_of_payment(connection, truth.payment_intent)
        if lot is None:
            raise UnknownDeposit(truth.payment_intent)
        known = await repository.find_by_processor(connection, truth.id)
        before = known or await self._insert(connection, lot, truth)
        after = _told(before, truth)
        user_id = UserId(lot.user_id)
        balances = await provenance.lock_money(connection, user_id)
        there = next((b.available for b in balances if b.currency == lot.currency), ZERO)
        debt = await provenance.debt_of(connection, "dispute", before.id)
        owed = (debt.amount, debt.collected, debt.written_off) if debt else (ZERO, ZERO, ZERO)
        steps = level(
            Cover(
                locked=before.locked,
                taken=before.taken,
                debt=owed[0],
                collected=owed[1],
                written_off=owed[2],
            ),
            claim=after.claim,
            there=there,
            final=after.state is DisputeState.LOST,
        )
        after = await _book(connection, before, after, steps)
        await repository.change_dispute(connection, after)
        await provenance.set_debt(
            connection,
            user_id=user_id,
            currency=lot.currency,
            cause="dispute",
            cause_id=before.id,
            amount=steps.cover.debt,
            collected=steps.cover.collected,
            written_off=steps.cover.written_off,
        )
        claims = EXACT.add(EXACT.subtract(lot.disputed, before.claim), after.claim)
        blocked = await repository.any_open(connection, lot.id)
        await provenance.change_lot(connection, replace(lot, disputed=claims, blocked=blocked))
        if self.reversed is not None:
            await self.reversed(connection, user_id, lot.id)
        crash_point("dispute.applied")
        if known is None or (after.state, after.claim) != (before.state, before.claim):
            await self._tell(connection, after, new=known is None, changed=after.state is not before.state)
            await provenance.collect(connection, self._letters, user_id, lot.currency)
        return await self.read(connection, before.id)

    async def _insert(self, connection: Connection, lot: Lot, truth: ProcessorDispute) -> Dispute:
        dispute_id = new_id()
        state = dispute_state(truth.status)
        await repository.insert_dispute(
            connection,
            Dispute(
                id=dispute_id,
                processor_dispute_id=truth.id,
                user_id=lot.user_id,
                lot_id=lot.id,
                currency=lot.currency,
                amount=truth.amount,
                reason=truth.reason[:100],
                status=truth.status[:100],
                state=state,
                withdrawn=ZERO,
                reinstated=ZERO,
                fee=ZERO,
                locked=ZERO,
                taken=ZERO,
                steps=0,
                respond_by=truth.respond_by,
                note=None,
                noted_by=None,
                created_at=lot.created_at,
                updated_at=lot.created_at,
                closed_at=None,
            ),
        )
        return await self.read(connection, dispute_id)

    async def _tell(self, connection: Connection, dispute: Dispute, *, new: bool, changed: bool) -> None:
        user_id = UserId(dispute.user_id)
        debt = await provenance.debt_of(connection, "dispute", dispute.id)
        owed = debt.open if debt else ZERO
        balance = await read_balance(connection, user_id, dispute.currency)
        kind = "dispute_opened" if new else "dispute_changed" if dispute.closed_at is None else "dispute_closed"
        await append_event(
            connection,
            user_id=user_id,
            kind=kind,
            subject=dispute.id,
            payload={
                "deposit_id": str(dispute.lot_id),
                "currency": dispute.currency,
                "amount": plain(dispute.amount),
                "state": dispute.state.value,
                "locked": plain(dispute.locked),
                "owed": plain(owed),
                "balances": [
                    {
                        "currency": balance.currency,
                        "available": plain(balance.available),
                        "held": plain(balance.held),
                    }
                ],
            },
        )
        if new or changed:
            await self._letters.queue(
                connection,
                user_id=user_id,
                template=LETTERS[dispute.state],
                values={"amount": plain(dispute.amount), "asset": dispute.currency},
            )

    async def read(self, connection: Connection, dispute_id: UUID) -> Dispute:
        """One dispute; raises DisputeNotFound."""
        found = await repository.find_dispute(connection, dispute_id)
        if found is None:
            raise DisputeNotFound
        return found

    async def search(
        self,
        connection: Connection,
        *,
        user_id: UserId | None = None,
        deposit_id: UUID | None = None,
        state: DisputeState | None = None,
        before: UUID | None = None,
        limit: int,
    ) -> list[Dispute]:
        """Disputes, newest first."""
        return await repository.list_disputes(
            connection, user_id=user_id, lot_id=deposit_id, state=state, before=before, limit=limit
        )

    async def note(self, connection: Connection, actor: Actor, dispute_id: UUID, note: str, *, address: str) -> Dispute:
        """Write down what there is as evidence, or what was done. Raises DisputeNotFound."""
        if await repository.find_dispute(connection, dispute_id, lock=True) is None:
            raise DisputeNotFound
        await repository.set_note(connection, dispute_id, note, actor.user_id)
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action="dispute.noted",
            subject=f"dispute:{dispute_id}",
            address=address,
            details={"characters": str(len(note))},
        )
        return await self.read(connection, dispute_id)

    async def write_off(self, connection: Connection, debt_id: UUID) -> Decimal:
        """Give up what is still owed: it becomes a loss of the house. Four eyes come before. Raises DebtNotFound."""
        debt = await provenance.find_debt(connection, debt_id)
        if debt is None:
            raise DebtNotFound
        amount = await provenance.write_off(connection, debt)
        if amount == 0:
            raise DebtNotFound
        crash_point("debt.written_off")
        await append_event(
            connection,
            user_id=debt.user_id,
            kind="debt_written_off",
            subject=debt.id,
            payload={"currency": debt.currency, "amount": plain(amount)},
        )
        return amount


def _told(before: Dispute, truth: ProcessorDispute) -> Dispute:
    """The dispute with the processor's words in it. What moved only grows; older words change nothing."""
    state = dispute_state(truth.status)
    newer = state is before.state or state in DISPUTE_WAYS[before.state]
    return replace(
        before,
        status=truth.status[:100] if newer else before.status,
        state=state if newer else before.state,
        withdrawn=max(before.withdrawn, truth.withdrawn),
        reinstated=max(before.reinstated, truth.reinstated),
        fee=truth.fee if newer else before.fee,
        respond_by=truth.respond_by or before.respond_by,
    )


async def _book(connection: Connection, before: Dispute, after: Dispute, steps: Steps) -> Dispute:
    """Post what moved, each in a journal of its own; the dispute with its new cover."""
    user_id, currency = UserId(before.user_id), before.currency
    own, aside = available(user_id, currency), held(user_id, currency)
    disputes, outside = house("disputes", currency), house("processor", currency)
    costs, losses = house("processor_fees", currency), house("losses", currency)
    fee = EXACT.subtract(after.fee, before.fee)
    taken = EXACT.subtract(after.withdrawn, before.withdrawn)
    given = EXACT.subtract(after.reinstated, before.reinstated)
    wanted: tuple[tuple[str, tuple[tuple[Account, Account, Decimal], ...]], ...] = (
        ("dispute_withdrawn", ((disputes, outside, taken), (costs, outside, fee), (outside, costs, fee.copy_negate()))),
        ("dispute_reinstated", ((outside, disputes, given),)),
        ("dispute_lock", ((own, aside, steps.lock),)),
        ("dispute_unlock", ((aside, own, steps.unlock),)),
        ("dispute_lost", ((aside, disputes, steps.take),)),
        ("debt_returned", ((disputes, own, steps.give_back), (disputes, losses, steps.regain))),
    )
    number = before.steps
    for kind, lines in wanted:
        moves = tuple(Move(source=a, target=b, amount=amount) for a, b, amount in lines if amount > 0)
        if moves:
            number += 1
            reference = f"dispute:{before.processor_dispute_id}:{number}"
            await post(connection, Journal(kind=kind, reference=reference, moves=moves))
    return replace(after, locked=steps.cover.locked, taken=steps.cover.taken, steps=number)
