"""What operators do with refunds and debts: small refunds at once, larger ones and every write-off by four eyes."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.reversals.disputing import Disputes
from bitcurrent.funding.reversals.model import DebtNotFound, DepositNotRefundable, Refund
from bitcurrent.funding.reversals.service import Refunds, Wish, check_amount
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals, read_reason
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import permissions_of
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import plain

REFUND_KIND = "refund.operator"
WRITE_OFF_KIND = "debt.write_off"


class Reversals:
    """Refunds, disputes, and what operators may do about them."""

    def __init__(self, letters: Letters, approvals: Approvals, *, four_eyes_above: Decimal) -> None:
        self.refunds = Refunds(letters)
        self.disputes = Disputes(letters)
        self._letters = letters
        self._approvals = approvals
        self._four_eyes_above = four_eyes_above
        approvals.register(
            Kind(name=REFUND_KIND, ask="money.read", grant="money.approve", handler=self._refund_granted)
        )
        approvals.register(
            Kind(name=WRITE_OFF_KIND, ask="money.read", grant="money.approve", handler=self._write_off_granted)
        )

    async def refund(
        self,
        connection: Connection,
        actor: Actor,
        deposit_id: UUID,
        amount: Decimal | None,
        *,
        reason: str,
        address: str,
    ) -> Refund | Approval:
        """Refund for a customer; above the limit, or without `money.approve`, somebody else has to grant it.

        Raises what `Refunds.ask` raises, and Invalid for a reason that says nothing.
        """
        words = read_reason(reason)
        lot = await provenance.lot_of(connection, deposit_id)
        if lot is None:
            raise DepositNotRefundable
        exact = check_amount(lot, amount)
        if exact <= self._four_eyes_above and "money.approve" in permissions_of(actor.role):
            return await self._do_refund(connection, UserId(lot.user_id), deposit_id, exact, actor.user_id, words)
        return await self._approvals.ask(
            connection,
            actor,
            kind=REFUND_KIND,
            subject=f"deposit:{deposit_id}",
            payload={
                "deposit_id": str(deposit_id),
                "user_id": str(lot.user_id),
                "amount": plain(exact),
                "currency": lot.currency,
            },
            reason=words,
            address=address,
        )

    async def give_back(
        self,
        connection: Connection,
        *,
        user_id: UserId,
        deposit_id: UUID,
        amount: Decimal,
        asked_by: UserId,
        reason: str,
    ) -> Refund:
        """A refund that two operators have decided on elsewhere; raises what `Refunds.ask` raises."""
        wish = Wish(
            user_id=user_id, deposit_id=deposit_id, amount=amount, origin="operator", asked_by=asked_by, reason=reason
        )
        return await self.refunds.ask(connection, wish)

    async def collect_due(self, connection: Connection, *, limit: int) -> int:
        """Collect from customers who owe and have money again; how many paid."""
        return await provenance.collect_due(connection, self._letters, limit=limit)

    async def ask_write_off(
        self, connection: Connection, actor: Actor, debt_id: UUID, *, reason: str, address: str
    ) -> Approval:
        """Ask that nobody waits for a debt any more. Raises DebtNotFound, AlreadyAsked, Invalid."""
        debt = await provenance.find_debt(connection, debt_id)
        if debt is None or debt.open <= 0:
            raise DebtNotFound
        return await self._approvals.ask(
            connection,
            actor,
            kind=WRITE_OFF_KIND,
            subject=f"debt:{debt_id}",
            payload={
                "debt_id": str(debt_id),
                "user_id": str(debt.user_id),
                "open": plain(debt.open),
                "currency": debt.currency,
            },
            reason=reason,
            address=address,
        )

    async def _refund_granted(self, connection: Any, approval: Approval, granted_by: UserId) -> None:
        del granted_by  # the approval keeps who
        wanted = approval.payload
        await self._do_refund(
            connection,
            UserId(UUID(wanted["user_id"])),
            UUID(wanted["deposit_id"]),
            Decimal(wanted["amount"]),
            approval.asked_by,
            approval.reason,
        )

    async def _write_off_granted(self, connection: Any, approval: Approval, granted_by: UserId) -> None:
        debt_id = UUID(approval.payload["debt_id"])
        amount = await self.disputes.write_off(connection, debt_id)
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="debt.written_off",
            subject=f"debt:{debt_id}",
            reason=approval.reason,
            details={"amount": plain(amount), "currency": approval.payload["currency"]},
        )

    async def _do_refund(
        self, connection: Connection, user_id: UserId, deposit_id: UUID, amount: Decimal, asked_by: UUID, reason: str
    ) -> Refund:
        wish = Wish(
            user_id=user_id,
            deposit_id=deposit_id,
            amount=amount,
            origin="operator",
            asked_by=asked_by,
            reason=reason,
        )
        return await self.refunds.ask(connection, wish)
