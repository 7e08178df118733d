"""The rail `card_refund`: money goes back to the cards that paid it, as refunds, which have a machine of their own."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.ports import Processor
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.reversals.model import RefundState, RefundTooMuch
from bitcurrent.funding.reversals.service import Refunds
from bitcurrent.funding.withdrawals.model import RailName, RailNotReady, Withdrawal
from bitcurrent.funding.withdrawals.ports import Destination, Outcome, Quote
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT

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
        """Settled when every refund has ended; what of them failed goes back to the balance."""
        async with self._database.read() as connection:
            refunds = await self._refunds.refunds_of_withdrawal(connection, withdrawal.id)
        if not refunds:
            return Outcome(kind="nothing_there")
        if any(refund.state not in {RefundState.SUCCEEDED, RefundState.FAILED} for refund in refunds):
            return Outcome(kind="sent")
        paid = Decimal(0)
        for refund in refunds:
            if refund.state is RefundState.SUCCEEDED:
                paid = EXACT.add(paid, refund.amount)
        if not paid:
            return Outcome(kind="failed", reason="card_refused")
        reason = "partly_paid" if paid < withdrawal.amount else None
        return Outcome(kind="settled", paid=paid, reason=reason)
