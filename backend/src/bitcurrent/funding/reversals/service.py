"""Refunds' verbs: ask for one, and write down what the processor says of it. Each runs in the caller's transaction.

Locks are taken in one order: the deposit's lot, the refund or dispute, the customer's balances, debts.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from bitcurrent.audit.service import record
from bitcurrent.compliance.restrictions.service import require_free
from bitcurrent.funding.ports import ProcessorRefund
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import Lot
from bitcurrent.funding.reversals import foreign, repository
from bitcurrent.funding.reversals.model import (
    HOLDING,
    OPEN_REFUNDS,
    REFUND_DAYS_MAX,
    ZERO,
    DepositDisputed,
    DepositNotRefundable,
    Origin,
    Refund,
    RefundAmountInvalid,
    RefundNotFound,
    RefundState,
    RefundTooLate,
    RefundTooMuch,
    state_of,
)
from bitcurrent.funding.reversals.ports import DepositReversed
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import EXACT, places, plain
from bitcurrent.ledger.model import Journal, Move, available, held, house
from bitcurrent.ledger.service import post, read_balance

CARD_DECIMALS = 2
"""USD, EUR and GBP have cents."""


class UnknownDeposit(Exception):
    """The processor speaks of a payment that has not been credited so far: look again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A refund somebody asks for. Without an amount it is all that is left of the deposit."""

    user_id: UserId
    deposit_id: UUID
    amount: Decimal | None
    origin: Origin
    asked_by: UUID
    reason: str | None


class Refunds:
    """Asks for refunds and applies what became of them."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters
        self.bounced: Callable[[Connection, Refund], Awaitable[None]] | None = None
        """Told when a refund of a withdrawal that was taken has failed after all; set by the withdrawal desk."""
        self.reversed: DepositReversed | None = None
        """Told in the same transaction of every deposit that a refund touches."""

    async def ask(self, connection: Connection, wish: Wish, *, address: str | None = None) -> Refund:
        """Set the money aside and write the refund down; the worker sends it.

        Raises DepositNotRefundable, DepositDisputed, RefundTooLate, RefundTooMuch, RefundAmountInvalid, Restricted,
        InDebt, NotReleased, InsufficientFunds.
        """
        lot = await provenance.lot_of(connection, wish.deposit_id)
        if lot is None or lot.user_id != wish.user_id or lot.payment_intent is None:
            raise DepositNotRefundable
        amount = check_amount(lot, wish.amount)
        if wish.origin == "customer":
            await require_free(connection, wish.user_id, "withdrawals")
        await provenance.lock_money(connection, wish.user_id)
        await provenance.require_no_debt(connection, wish.user_id)
        if not lot.locked_at(now()):
            # Released money is as good as any other: what still stands for later card payments stays.
            await provenance.require_withdrawable(connection, wish.user_id, lot.currency, amount, prices={})
        refund = await self._insert(connection, lot, amount, wish=wish)
        moves = (
            Move(source=available(wish.user_id, lot.currency), target=held(wish.user_id, lot.currency), amount=amount),
        )
        await post(connection, Journal(kind="refund_hold", reference=f"refund_hold:{refund.id}", moves=moves))
        await _tell(connection, refund, "refund_requested")
        await self._write(connection, refund, "refund_requested", when=f"{now():%Y-%m-%d %H:%M} UTC")
        await record(
            connection,
            actor_id=wish.asked_by,
            action="refund.asked",
            subject=f"refund:{refund.id}",
            address=address,
            reason=wish.reason,
            details={"deposit": str(lot.id), "amount": plain(amount), "currency": lot.currency, "by": wish.origin},
        )
        crash_point("refund.asked")
        return refund

    async def refund_for_withdrawal(
        self, connection: Connection, *, withdrawal_id: UUID, user_id: UserId, currency: str, amount: Decimal
    ) -> list[Refund]:
        """Pay a withdrawal back to the cards that paid: what is not released, then the newest. The withdrawal holds it.

        The withdrawal books held→processor when `refunds_of_withdrawal` says that they have succeeded, and gives back
        what failed. Asking again for the same withdrawal gives the same refunds. Raises RefundTooMuch when the cards
        cannot take so much.
        """
        known = await self.refunds_of_withdrawal(connection, withdrawal_id)
        if known:
            return known
        left, made = amount, []
        moment = now()
        lots = await self._refundable_lots(connection, user_id, currency)
        # What may not leave otherwise goes first: the card could take it back anyway.
        for lot in sorted(lots, key=lambda lot: not lot.locked_at(moment)):
            locked = await provenance.lot_of(connection, lot.id)
            part = min(left, locked.refundable) if locked and not locked.blocked else ZERO
            if locked is None or part <= 0:
                continue
            wish = Wish(
                user_id=user_id, deposit_id=lot.id, amount=part, origin="withdrawal", asked_by=user_id, reason=None
            )
            made.append(await self._insert(connection, locked, part, wish=wish, withdrawal_id=withdrawal_id))
            left = EXACT.subtract(left, part)
            if left == 0:
                return made
        raise RefundTooMuch(limit=EXACT.subtract(amount, left), currency=currency)

    async def refunds_of_withdrawal(self, connection: Connection, withdrawal_id: UUID) -> list[Refund]:
        """The refunds that a withdrawal is paid by; each says its state, amount and failure."""
        return await repository.list_refunds(connection, withdrawal_id=withdrawal_id, limit=1_000)

    async def refundable(
        self,
        connection: Connection,
        user_id: UserId,
        currency: str,
        *,
        days: int = REFUND_DAYS_MAX,
        untried: bool = False,
    ) -> Decimal:
        """How much could go back to the customer's cards now, whatever there is in the balance.

        Of the deposits of the last `days`; with `untried` without those whose card has refused a refund before.
        """
        tried = await repository.lots_with_failures(connection, user_id) if untried else frozenset()
        oldest = now() - timedelta(days=days)
        total = ZERO
        for lot in await self._refundable_lots(connection, user_id, currency):
            if lot.created_at > oldest and lot.id not in tried:
                total = EXACT.add(total, lot.refundable)
        return total

    async def _refundable_lots(self, connection: Connection, user_id: UserId, currency: str) -> list[Lot]:
        oldest = now() - timedelta(days=REFUND_DAYS_MAX)
        return [
            lot
            for lot in await provenance.lots_of(connection, user_id, currency)
            if lot.payment_intent and not lot.blocked and lot.created_at > oldest and lot.refundable > 0
        ]

    async def read(self, connection: Connection, refund_id: UUID, *, user_id: UserId | None = None) -> Refund:
        """One refund, of this customer; raises RefundNotFound."""
        found = await repository.find_refund(connection, refund_id)
        if found is None or (user_id is not None and found.user_id != user_id):
            raise RefundNotFound
        return found

    async def search(
        self,
        connection: Connection,
        *,
        user_id: UserId | None = None,
        deposit_id: UUID | None = None,
        before: UUID | None = None,
        limit: int,
    ) -> list[Refund]:
        """Refunds, newest first."""
        return await repository.list_refunds(connection, user_id=user_id, lot_id=deposit_id, before=before, limit=limit)

    async def _insert(
        self, connection: Connection, lot: Lot, amount: Decimal, *, wish: Wish, withdrawal_id: UUID | None = None
    ) -> Refund:
        """The intent, and so much less of the lot for everybody else."""
        await provenance.change_lot(connection, replace(lot, refunded=EXACT.add(lot.refunded, amount)))
        await self._reversed(connection, wish.user_id, lot.id)
        return await repository.insert_refund(
            connection,
            refund_id=new_id(),
            user_id=wish.user_id,
            lot_id=lot.id,
            currency=lot.currency,
            amount=amount,
            origin=wish.origin,
            state=RefundState.REQUESTED,
            held=amount if wish.origin in HOLDING else ZERO,
            withdrawal_id=withdrawal_id,
            asked_by=wish.asked_by,
            reason=wish.reason,
        )

    async def _reversed(self, connection: Connection, user_id: UserId, deposit_id: UUID) -> None:
        if self.reversed is not None:
            await self.reversed(connection, user_id, deposit_id)

    async def apply(self, connection: Connection, truth: ProcessorRefund) -> Refund:
        """Write down what the processor says of a refund, ours or one made there; the same or older words do nothing.

        Raises UnknownDeposit for a payment that we have not credited.
        """
        lot = await provenance.lot_of_payment(connection, truth.payment_intent)
        if lot is None:
            raise UnknownDeposit(truth.payment_intent)
        refund = await self._find(connection, truth)
        if refund is None:
            refund = await self._insert_foreign(connection, lot, truth)
        state = state_of(truth.status)
        if state is RefundState.FAILED:
            return await self._fail(connection, lot, refund, truth) if refund.may_become(state) else refund
        taken = truth.taken and not refund.taken and refund.state is not RefundState.FAILED
        if not taken and not refund.may_become(state):
            return refund
        shortfall = await self._book(connection, refund) if taken else refund.shortfall
        crash_point("refund.booked")
        changed = await self._change(
            connection,
            refund,
            state if refund.may_become(state) else refund.state,
            taken=taken or refund.taken,
            processor_refund_id=truth.id,
            shortfall=shortfall,
        )
        if changed.state is RefundState.SUCCEEDED:
            await _tell(connection, changed, "refund_succeeded")
            await self._write(connection, changed, "refund_outside" if refund.origin == "processor" else "refund_sent")
        return changed

    async def refused(self, connection: Connection, refund_id: UUID, code: str) -> None:
        """The processor did not take it: the money is free again."""
        refund = await self.read(connection, refund_id)
        lot = await provenance.lot_of(connection, refund.lot_id)
        locked = await repository.find_refund(connection, refund_id, lock=True)
        if lot is not None and locked is not None and locked.state in OPEN_REFUNDS:
            await self._fail(connection, lot, locked, None, code=code)

    async def _find(self, connection: Connection, truth: ProcessorRefund) -> Refund | None:
        by_processor = await repository.find_by_processor(connection, truth.id)
        if by_processor is not None or truth.our_id is None:
            return by_processor
        return await repository.find_refund(connection, truth.our_id, lock=True)

    async def _insert_foreign(self, connection: Connection, lot: Lot, truth: ProcessorRefund) -> Refund:
        """Somebody refunded it at the processor; nothing has moved in our books so far."""
        return await repository.insert_refund(
            connection,
            refund_id=new_id(),
            user_id=lot.user_id,
            lot_id=lot.id,
            currency=lot.currency,
            amount=truth.amount,
            origin="processor",
            state=RefundState.PENDING,
            held=ZERO,
            processor_refund_id=truth.id,
        )

    async def _book(self, connection: Connection, refund: Refund) -> Decimal:
        """The processor has taken it; what was not there for it. A withdrawal books its own refunds."""
        user_id, currency = UserId(refund.user_id), refund.currency
        if refund.origin == "processor":
            shortfall = await foreign.book(connection, refund)
            await self._reversed(connection, user_id, refund.lot_id)
            return shortfall
        if refund.origin in HOLDING:
            move = Move(source=held(user_id, currency), target=house("processor", currency), amount=refund.amount)
            await post(connection, Journal(kind="refund", reference=f"refund:{refund.id}", moves=(move,)))
        return ZERO

    async def _fail(
        self, connection: Connection, lot: Lot, refund: Refund, truth: ProcessorRefund | None, *, code: str = "failed"
    ) -> Refund:
        """It did not happen, or the bank sent it back: the money is the customer's again."""
        user_id, currency = UserId(refund.user_id), refund.currency
        failure = (truth.failure_reason or truth.status) if truth else code
        if refund.origin != "processor":
            await provenance.change_lot(connection, replace(lot, refunded=EXACT.subtract(lot.refunded, refund.amount)))
        elif refund.taken:
            await foreign.undo(connection, lot, refund)
        if refund.origin in HOLDING:
            source = house("processor", currency) if refund.taken else held(user_id, currency)
            kind = "refund_failed" if refund.taken else "refund_release"
            move = Move(source=source, target=available(user_id, currency), amount=refund.amount)
            await post(connection, Journal(kind=kind, reference=f"{kind}:{refund.id}", moves=(move,)))
        changed = await self._change(
            connection,
            refund,
            RefundState.FAILED,
            taken=refund.taken,
            processor_refund_id=truth.id if truth else refund.processor_refund_id,
            failure=failure,
        )
        paid = refund.taken or refund.state is RefundState.SUCCEEDED
        if refund.origin == "withdrawal" and paid and self.bounced is not None:
            # The withdrawal may be settled by it: whoever booked that books it back.
            await self.bounced(connection, refund)
        if refund.taken or refund.origin != "processor":
            await _tell(connection, changed, "refund_failed")
            await self._write(connection, changed, "refund_failed", reason=failure)
        await provenance.collect(connection, self._letters, user_id, currency)
        return changed

    async def _change(
        self,
        connection: Connection,
        refund: Refund,
        state: RefundState,
        *,
        taken: bool,
        processor_refund_id: str | None,
        shortfall: Decimal = ZERO,
        failure: str | None = None,
    ) -> Refund:
        still_held = refund.held if state in OPEN_REFUNDS and not taken else ZERO
        await repository.change_refund(
            connection,
            refund.id,
            state=state,
            taken=taken,
            held=still_held,
            shortfall=shortfall,
            processor_refund_id=processor_refund_id,
            failure=failure[:200] if failure else None,
        )
        return await self.read(connection, refund.id)

    async def _write(self, connection: Connection, refund: Refund, template: str, **more: str) -> None:
        if refund.origin == "withdrawal":
            return  # the withdrawal tells its own story
        await self._letters.queue(
            connection,
            user_id=UserId(refund.user_id),
            template=template,
            values={"amount": plain(refund.amount), "asset": refund.currency, **more},
        )


def check_amount(lot: Lot, wanted: Decimal | None) -> Decimal:
    """What is refunded of a lot, all of it when nothing else is said; raises why it cannot be."""
    if lot.blocked:
        raise DepositDisputed
    if lot.created_at < now() - timedelta(days=REFUND_DAYS_MAX):
        raise RefundTooLate
    amount = lot.refundable if wanted is None else wanted
    if amount > lot.refundable or lot.refundable <= 0:
        raise RefundTooMuch(limit=lot.refundable, currency=lot.currency)
    if amount <= 0 or places(amount) > CARD_DECIMALS:
        raise RefundAmountInvalid(decimals=CARD_DECIMALS, currency=lot.currency)
    return amount


async def _tell(connection: Connection, refund: Refund, kind: str) -> None:
    balance = await read_balance(connection, UserId(refund.user_id), refund.currency)
    await append_event(
        connection,
        user_id=refund.user_id,
        kind=kind,
        subject=refund.id,
        payload={
            "deposit_id": str(refund.lot_id),
            "currency": refund.currency,
            "amount": plain(refund.amount),
            "state": refund.state.value,
            "balances": [
                {
                    "currency": balance.currency,
                    "available": plain(balance.available),
                    "held": plain(balance.held),
                }
            ],
        },
    )
