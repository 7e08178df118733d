"""Freezing a customer at once, and letting them go: by one person what support froze, by two what compliance did."""

from typing import Any, Final
from uuid import UUID

from bitcurrent.compliance.restrictions import service as restrictions
from bitcurrent.compliance.restrictions.model import BY_OPERATOR, Ended, Restriction, RestrictionEnded, Scope
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Forbidden
from bitcurrent.kernel.ids import UserId

KIND: Final = "restriction.lift"


class OwnRestriction(Forbidden):
    """Nobody freezes themselves or lets themselves go."""

    code = "own_restriction"

    def __init__(self) -> None:
        super().__init__("This is about your own account: somebody else has to do it.")


class Restricting:
    """What operators do with restrictions."""

    def __init__(self, identity: Identity, approvals: Approvals) -> None:
        self._identity = identity
        self._approvals = approvals
        approvals.register(Kind(name=KIND, ask="customers.freeze", grant="customers.freeze", handler=self._execute))

    async def restrict(
        self,
        connection: Connection,
        actor: Actor,
        user_id: UserId,
        scope: Scope,
        *,
        reason: str,
        words: str | None,
        address: str,
    ) -> tuple[Restriction, Ended]:
        """Take something from a customer at once. Announce what ended after the commit. Raises NotFound."""
        if user_id == actor.user_id:
            raise OwnRestriction
        await self._identity.user(connection, user_id)
        return await restrictions.restrict(
            connection, user_id=user_id, scope=scope, reason=reason, words=words, actor=actor, address=address
        )

    async def lift(
        self, connection: Connection, actor: Actor, restriction_id: UUID, *, reason: str, address: str
    ) -> Restriction | Approval:
        """Give it back, or, where compliance or a rule took it, ask for that. Raises RestrictionNotFound,
        RestrictionEnded, AlreadyAsked, OwnRestriction.
        """
        found = await restrictions.read(connection, restriction_id)
        if found.user_id == actor.user_id:
            raise OwnRestriction
        if not await self._needs_two(connection, found):
            return await restrictions.lift(connection, restriction_id, reason=reason, actor=actor, address=address)
        if found.ended_at is not None:
            raise RestrictionEnded
        return await self._approvals.ask(
            connection,
            actor,
            kind=KIND,
            subject=f"restriction:{restriction_id}",
            payload={
                "restriction_id": str(restriction_id),
                "user_id": str(found.user_id),
                "scope": found.scope,
                "code": found.code,
            },
            reason=reason,
            address=address,
        )

    async def _needs_two(self, connection: Connection, found: Restriction) -> bool:
        """Whether compliance stands behind it: a rule, a case, or somebody of compliance."""
        if found.code != BY_OPERATOR or found.case_id is not None or found.started_by is None:
            return True
        return (await self._identity.user(connection, found.started_by)).role == "compliance"

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload: dict[str, Any] = dict(approval.payload)
        if payload["user_id"] == str(granted_by):
            raise OwnRestriction
        await restrictions.lift(
            connection, UUID(payload["restriction_id"]), reason=approval.reason, decided_by=granted_by
        )
