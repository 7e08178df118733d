"""Operators: who looks after the house, in which role; roles change by four eyes.

The first operator comes from the command line: whoever may run it there owns the house anyway.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.identity import operators_repository as repository
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor, Role, User, normalise_email
from bitcurrent.identity.operators_model import Operator
from bitcurrent.identity.service import Identity, Registration
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Conflict, Forbidden, NotFound
from bitcurrent.kernel.ids import SessionId, UserId

ROLE_CHANGE = "operator.role"
COMMAND_LINE = "command line"


class OwnRole(Forbidden):
    """Nobody changes what they may do themselves."""

    code = "own_role"

    def __init__(self) -> None:
        super().__init__("This is about your own role: two other people have to ask for it and grant it.")


class LastAdmin(Conflict):
    """Somebody must be left who can change roles."""

    code = "last_admin"

    def __init__(self) -> None:
        super().__init__("This is the last admin who can log in. Make another one first.")


class RoleUnchanged(Conflict):
    """They have this role already."""

    code = "role_unchanged"

    def __init__(self, role: Role) -> None:
        super().__init__(f"They are {role} already.", details={"role": role})


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed role, and the sessions and keys that ended with the old one: announce them after the commit."""

    user_id: UserId
    before: Role
    after: Role
    sessions: tuple[SessionId, ...]
    keys: tuple[str, ...]


class Operators:
    """Keeps operators and their roles."""

    def __init__(self, identity: Identity, approvals: Approvals) -> None:
        self._identity = identity
        self._approvals = approvals
        approvals.register(
            Kind(name=ROLE_CHANGE, ask="operators.change", grant="operators.change", handler=self._execute)
        )

    async def everybody(self, connection: Connection, *, before: UUID | None, limit: int) -> list[Operator]:
        """Everybody whose role is not a customer's, newest account first."""
        return await repository.list_operators(connection, self._identity.vault, before=before, limit=limit)

    async def role_of(self, connection: Connection, user_id: UserId) -> Role | None:
        """What somebody is here; None for nobody."""
        return await repository.read_role(connection, user_id)

    async def ask_for_role(
        self, connection: Connection, actor: Actor, user_id: UserId, role: Role, *, reason: str, address: str
    ) -> Approval:
        """Ask that somebody gets a role (customer: no operator any more); another admin has to grant it.

        Raises NotFound, OwnRole, RoleUnchanged, AlreadyAsked.
        """
        if user_id == actor.user_id:
            raise OwnRole
        present = await repository.read_role(connection, user_id)
        if present is None:
            raise NotFound("There is no such user.")
        if present == role:
            raise RoleUnchanged(role)
        return await self._approvals.ask(
            connection,
            actor,
            kind=ROLE_CHANGE,
            subject=f"user:{user_id}",
            payload={"user_id": str(user_id), "from": present, "to": role},
            reason=reason,
            address=address,
        )

    async def _execute(
        self, connection: Connection, approval: Approval, granted_by: UserId
    ) -> Callable[[], Awaitable[None]]:
        payload: dict[str, Any] = dict(approval.payload)
        user_id, role = UserId(UUID(payload["user_id"])), _role(payload["to"])
        if user_id == granted_by:
            raise OwnRole
        changed = await self._change(connection, user_id, role, expected=_role(payload["from"]))
        await _note(
            connection,
            changed,
            actor_id=granted_by,
            kind=ActorKind.OPERATOR,
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
        )

        async def finish() -> None:
            await self._identity.announce(sessions=changed.sessions, keys=changed.keys)

        return finish

    async def _change(
        self, connection: Connection, user_id: UserId, role: Role, *, expected: Role | None = None
    ) -> Changed:
        """Set a role and end every session: what somebody may do is never older than their login."""
        # All admins first, in order: two changes at once must not each believe that the other one stays.
        admins = await repository.lock_admins(connection)
        before = await repository.lock_role(connection, user_id)
        if before is None:
            raise NotFound("There is no such user.")
        if expected is not None and before != expected:
            raise SubjectGone(f"They are {before} now, not {expected}. Ask again.", details={"role": before})
        if before == "admin" and role != "admin" and admins == [user_id]:
            raise LastAdmin
        await repository.set_role(connection, user_id, role)
        sessions, keys = await repository.end_everything(connection, user_id)
        return Changed(user_id, before, role, tuple(sessions), tuple(keys))

    # ---- from the command line

    async def registration(self, *, email: str, password: str, role: Role) -> Registration:
        """A checked wish to become an operator; raises Invalid for a weak password."""
        name = normalise_email(email).partition("@")[0][:100]
        return await self._identity.registration_of(email=email, display_name=name, password=password, role=role)

    async def find(self, connection: Connection, email: str) -> User | None:
        """Whoever has this address."""
        return await self._identity.user_by_email(connection, email)

    async def add(self, connection: Connection, wish: Registration) -> User:
        """A new person who is an operator and no customer; raises EmailTaken."""
        user = await self._identity.register(connection, wish, address=COMMAND_LINE)
        await record(
            connection,
            actor_id=None,
            actor_kind=ActorKind.SYSTEM,
            action="operator.added",
            subject=f"user:{user.id}",
            address=COMMAND_LINE,
            after={"role": user.role},
        )
        return user

    async def change_from_command_line(self, connection: Connection, user_id: UserId, role: Role) -> Changed:
        """Give somebody known another role; a customer stays one. Raises NotFound, RoleUnchanged, LastAdmin."""
        present = await repository.read_role(connection, user_id)
        if present == role:
            raise RoleUnchanged(role)
        changed = await self._change(connection, user_id, role)
        await _note(connection, changed, actor_id=None, kind=ActorKind.SYSTEM, reason=COMMAND_LINE, details={})
        return changed


async def _note(
    connection: Connection,
    changed: Changed,
    *,
    actor_id: UserId | None,
    kind: ActorKind,
    reason: str,
    details: dict[str, object],
) -> None:
    await record(
        connection,
        actor_id=actor_id,
        actor_kind=kind,
        action="operator.role_changed",
        subject=f"user:{changed.user_id}",
        reason=reason,
        details={**details, "sessions_ended": len(changed.sessions)},
        before={"role": changed.before},
        after={"role": changed.after},
    )


def _role(text: str) -> Role:
    for role in get_args(Role):
        if role == text:
            found: Role = role
            return found
    raise SubjectGone(f"There is no role {text[:20]!r}.")
