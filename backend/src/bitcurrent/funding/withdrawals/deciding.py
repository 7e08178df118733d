"""Screening, and the two operators behind what is not cleared by itself."""

from decimal import Decimal
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.funding.withdrawals import repository
from bitcurrent.funding.withdrawals.changing import Changes, Facts
from bitcurrent.funding.withdrawals.model import State, Withdrawal, WithdrawalNotFound, WrongState
from bitcurrent.funding.withdrawals.ports import Screened, Screening
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals, read_reason
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import Permission, check_permission
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import plain

KIND = "withdrawal"
REVIEW: Permission = "money.read"
"""Who may look at one and propose it: compliance, finance, admin. Granting it needs finance."""

NOBODY_SCREENS = Screened(result="review", reference="none", reason="not_screened")


class Deciding:
    """Decides what happens to confirmed withdrawals. Without a screening every one goes to people."""

    def __init__(
        self, *, changes: Changes, approvals: Approvals, screening: Screening | None, automatic_usd: Decimal
    ) -> None:
        self._changes = changes
        self._approvals = approvals
        self._screening = screening
        self._automatic_usd = automatic_usd
        approvals.register(Kind(name=KIND, ask=REVIEW, grant="money.approve", handler=self._granted))

    async def screen(self, connection: Connection, withdrawal_id: UUID) -> Withdrawal:
        """Screen one that is confirmed and decide: approved by itself, for people, or refused. Again is no error.

        Raises Unavailable when the screening cannot say; then it is asked again later.
        """
        withdrawal = await self._lock(connection, withdrawal_id)
        if withdrawal.state is not State.SCREENING:
            return withdrawal
        found = await self._screening.screen(connection, withdrawal) if self._screening else NOBODY_SCREENS
        word = found.result if self._screening else "none"
        facts = Facts(reason=found.reason, screening=word, screening_reference=found.reference)
        if found.result == "block":
            return await self._changes.move(connection, withdrawal, State.REFUSED, facts)
        if found.result == "review":
            return await self._changes.move(connection, withdrawal, State.REVIEW, facts)
        if withdrawal.worth > self._automatic_usd:
            facts = Facts(reason="above_limit", screening=word, screening_reference=found.reference)
            return await self._changes.move(connection, withdrawal, State.REVIEW, facts)
        return await self._changes.move(connection, withdrawal, State.APPROVED, facts)

    async def propose(
        self, connection: Connection, actor: Actor, withdrawal_id: UUID, *, reason: str, address: str
    ) -> Approval:
        """One operator has looked at it and proposes it; another one of finance grants it.

        Raises WithdrawalNotFound, WrongState, AlreadyAsked, PermissionMissing, Invalid.
        """
        withdrawal = await self._lock(connection, withdrawal_id)
        if withdrawal.state is not State.REVIEW:
            raise WrongState(withdrawal.state)
        return await self._approvals.ask(
            connection,
            actor,
            kind=KIND,
            subject=f"withdrawal:{withdrawal.id}",
            payload={
                "withdrawal_id": str(withdrawal.id),
                "user_id": str(withdrawal.user_id),
                "asset": withdrawal.asset,
                "amount": plain(withdrawal.amount),
                "worth_usd": plain(withdrawal.worth),
                "rail": withdrawal.rail,
                "destination": withdrawal.destination_label,
                "why": withdrawal.reason,
            },
            reason=reason,
            address=address,
        )

    async def refuse(
        self, connection: Connection, actor: Actor, withdrawal_id: UUID, *, reason: str, address: str
    ) -> Withdrawal:
        """Say no before it is sent; the money goes back. One person is enough. The reason stays in the house.

        Raises WithdrawalNotFound, WrongState, PermissionMissing, Invalid.
        """
        actor.require_operator()
        check_permission(actor.role, REVIEW)
        words = read_reason(reason)
        withdrawal = await self._lock(connection, withdrawal_id)
        if withdrawal.state not in {State.REQUESTED, State.SCREENING, State.REVIEW, State.APPROVED}:
            raise WrongState(withdrawal.state)
        refused = await self._changes.move(connection, withdrawal, State.REFUSED, Facts(reason="refused_by_operator"))
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action="withdrawal.refused",
            subject=f"withdrawal:{withdrawal.id}",
            address=address,
            reason=words,
            before={"state": withdrawal.state.value},
            after={"state": refused.state.value},
        )
        return refused

    async def _granted(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        """What a grant does: it is approved, and sent by the worker or with the next batch."""
        withdrawal = await self._lock(connection, UUID(approval.payload["withdrawal_id"]))
        if withdrawal.state is not State.REVIEW:
            raise SubjectGone(f"This withdrawal is {withdrawal.state} by now.")
        approved = await self._changes.move(connection, withdrawal, State.APPROVED, Facts(reason="approved_by_people"))
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="withdrawal.approved",
            subject=f"withdrawal:{withdrawal.id}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
            before={"state": withdrawal.state.value},
            after={"state": approved.state.value},
        )

    async def _lock(self, connection: Connection, withdrawal_id: UUID) -> Withdrawal:
        found = await repository.lock(connection, withdrawal_id)
        if found is None:
            raise WithdrawalNotFound
        return found
