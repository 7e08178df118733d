"""Two people decide about a transfer that the venue's list lacks: send it again, or give the money back.

Their decision counts when the worker has read the list without the transfer once more; one that is found after all is
bound, and the decision forgotten.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.funding.addresses.model import Decision, KeptTransfer, NothingToDecide, TransferState
from bitcurrent.funding.wallets import repository
from bitcurrent.funding.withdrawals.model import WithdrawalNotFound
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import Permission
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import plain

KIND: Final = "wallet_transfer"
ASK: Permission = "money.read"
LOOKS_MIN: Final = 3
"""So often the list must have been read without it."""


class LostTransfers:
    """What people see of transfers without an end, and what they decide."""

    def __init__(self, approvals: Approvals, *, missing_seconds: int) -> None:
        self._approvals = approvals
        self._missing_seconds = Decimal(missing_seconds)
        approvals.register(Kind(name=KIND, ask=ASK, grant="money.approve", handler=self._granted))

    async def open(
        self, connection: Connection, *, missing: bool | None, before: UUID | None, limit: int
    ) -> Sequence[KeptTransfer]:
        """Transfers without an end, newest first."""
        return await repository.list_open(connection, missing=missing, before=before, limit=limit)

    async def ask(
        self,
        connection: Connection,
        actor: Actor,
        withdrawal_id: UUID,
        decision: Decision,
        *,
        reason: str,
        address: str,
    ) -> Approval:
        """One person asks, another grants. Raises WithdrawalNotFound, NothingToDecide, and what approvals raise."""
        kept = await repository.lock(connection, withdrawal_id)
        if kept is None:
            raise WithdrawalNotFound
        if why := self._not_lost(kept):
            raise NothingToDecide(why)
        return await self._approvals.ask(
            connection,
            actor,
            kind=KIND,
            subject=f"wallet_transfer:{withdrawal_id}",
            payload={
                "withdrawal_id": str(withdrawal_id),
                "decision": decision,
                "asset": kept.asset,
                "amount": plain(kept.amount),
                "network": kept.network,
                "looks": kept.looks,
            },
            reason=reason,
            address=address,
        )

    def _not_lost(self, kept: KeptTransfer) -> str | None:
        """Why it is not for people; None when it is."""
        if kept.state is not TransferState.ASKED:
            return f"it is {kept.state}."
        if kept.looks < LOOKS_MIN or kept.missing_seconds < self._missing_seconds:
            return (
                f"the venue's list was read {kept.looks} times without it, since {int(kept.missing_seconds)} seconds; "
                f"it takes {LOOKS_MIN} times and {int(self._missing_seconds)} seconds."
            )
        return None

    async def _granted(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        withdrawal_id = UUID(approval.payload["withdrawal_id"])
        decision: Decision = "send_again" if approval.payload["decision"] == "send_again" else "give_back"
        kept = await repository.lock(connection, withdrawal_id)
        if kept is None or (why := self._not_lost(kept)):
            raise SubjectGone(f"This transfer needs no decision any more: {why if kept else 'it is gone'}")
        await repository.decide(connection, withdrawal_id, decision)
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action=f"wallet_transfer.{decision}",
            subject=f"withdrawal:{withdrawal_id}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by), "looks": kept.looks},
        )
