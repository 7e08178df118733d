"""The rail `card_refund`: money goes back to the cards that paid it, as refunds, which have a machine of their own."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.ports import Processor
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.reversals.model import Refund, RefundState, RefundTooMuch
from bitcurrent.funding.reversals.service import Refunds
from bitcurrent.funding.withdrawals import journals, repository
from bitcurrent.funding.withdrawals.changing import Changes, Facts
from bitcurrent.funding.withdrawals.model import RailName, RailNotReady, State, Withdrawal
from bitcurrent.funding.withdrawals.ports import Destination, Outcome, Quote
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.ledger.service import post

LABEL = "the cards that paid"


class CardRail:
    """See ports.Rail. A withdrawal is sent when its refunds are written down; their own worker sends those."""

    name: RailName = "card_refund"
    automatic = True

    def __init__(self, *, database: Database, refunds: Refunds, processor: Processor) -> None:
        self._database = database
        self._refunds = refunds
        self._processor = processor

    async def find_destination(
        self, connection: Any, *, user_id: UserId, asset: str, destination: UUID | None, amount: Decimal
    ) -> Destination:
        """The customer's cards, if they can take so much. Raises RailNotReady, RefundTooMuch."""
        if not self._processor.configured:
            raise RailNotReady(self.name)
        limit = await self._refunds.refundable(connection, user_id, asset)
        if amount > limit:
            raise RefundTooMuch(limit=limit, currency=asset)
        moment = now()
        locked = Decimal(0)
        for lot in await provenance.lots_of(connection, user_id, asset):
            if lot.payment_intent and not lot.blocked and lot.locked_at(moment):
                locked = EXACT.add(locked, lot.refundable)
        # What goes back to the card that may still take it back anyway needs no release.
        return Destination(id=None, label=LABEL, returns=min(amount, locked))

    async def due(self, connection: Any, *, user_id: UserId, asset: str, days: int) -> Decimal:
        """See ports.Cards. What a card did not take before is not asked of it again."""
        if not self._processor.configured:
            return Decimal(0)
        return await self._refunds.refundable(connection, user_id, asset, days=days, untried=True)

    async def quote(self, *, user_id: UserId, asset: str, destination: UUID | None, amount: Decimal) -> Quote:
        """The processor keeps the fee of the deposit, and takes none for a refund."""
        return Quote()

    async def send(self, withdrawal: Withdrawal) -> Outcome:
        """Write the refunds down. Doing it again finds the same ones."""
        try:
            async with self._database.transaction() as connection:
                await self._refunds.refund_for_withdrawal(
                    connection,
                    withdrawal_id=withdrawal.id,
                    user_id=withdrawal.user_id,
                    currency=withdrawal.asset,
                    amount=withdrawal.amount,
                )
        except RefundTooMuch:
            return Outcome(kind="failed", reason="not_refundable")
        return Outcome(kind="sent")

    async def ask(self, withdrawal: Withdrawal) -> Outcome:
        """Settled when the processor has taken every refund, or it has failed; what failed goes back to the balance.

        Taken is paid: it has left our balance there, whenever the card's bank is done with it.
        """
        async with self._database.read() as connection:
            refunds = await self._refunds.refunds_of_withdrawal(connection, withdrawal.id)
        if not refunds:
            return Outcome(kind="nothing_there")
        ended = {RefundState.SUCCEEDED, RefundState.FAILED}
        if any(not refund.taken and refund.state not in ended for refund in refunds):
            return Outcome(kind="sent")
        paid = Decimal(0)
        for refund in refunds:
            if refund.state is not RefundState.FAILED:
                paid = EXACT.add(paid, refund.amount)
        if not paid:
            return Outcome(kind="failed", reason="card_refused")
        reason = "partly_paid" if paid < withdrawal.amount else None
        return Outcome(kind="settled", paid=paid, reason=reason)


class Bounces:
    """Hears of refunds that were taken and came back, and books what their withdrawal had booked."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def hear(self, connection: Connection, refund: Refund) -> None:
        """In the transaction in which the refund fails; again is no error."""
        assert refund.withdrawal_id is not None  # a withdrawal's
        withdrawal = await repository.lock(connection, refund.withdrawal_id)
        assert withdrawal is not None  # refunds of withdrawals have one
        if withdrawal.state is not State.SETTLED:
            # Not booked so far. Whoever asked before this sees that something has changed, and asks again.
            facts: dict[str, str] = {"bounced": str(refund.id)}
            await repository.note_facts(connection, withdrawal.id, reference=None, details=facts, network_fee_paid=None)
        elif refund.amount == withdrawal.paid:
            await self._changes.move(connection, withdrawal, State.RETURNED, Facts(reason="card_returned"))
        elif await post(connection, journals.part_back(withdrawal, refund.amount, refund.id)):
            amount = plain(refund.amount)
            await self._changes.write(connection, withdrawal, "withdrawal_returned", amount=amount)
            await self._changes.collect(connection, withdrawal)
