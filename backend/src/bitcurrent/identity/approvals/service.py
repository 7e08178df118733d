"""Asking, granting, refusing: what needs four eyes is done in the transaction in which the second pair says yes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.identity.approvals import repository
from bitcurrent.identity.approvals.model import (
    PAYLOAD_BYTES_MAX,
    REASON_LENGTH_MAX,
    REASON_LENGTH_MIN,
    AlreadyAsked,
    Approval,
    ApprovalEnded,
    ApprovalFilter,
    ApprovalNotFound,
    Kind,
    SamePerson,
)
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import check_permission
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import new_id

EXPIRE_BATCH = 100
AfterCommit = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Granted:
    """A granted and executed approval. `finish` tells other processes: call it after the commit."""

    approval: Approval
    finish: AfterCommit


class Approvals:
    """Keeps what waits for a second pair of eyes. Rooms bring their kinds when the house is built."""

    def __init__(self, kinds: Sequence[Kind] = ()) -> None:
        self._kinds: dict[str, Kind] = {}
        for kind in kinds:
            self.register(kind)

    def register(self, kind: Kind) -> None:
        """Take one more kind; each name once."""
        if kind.name in self._kinds:
            raise ValueError(f"there is a kind {kind.name} already")
        self._kinds[kind.name] = kind

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Every kind by its name."""
        return self._kinds

    async def ask(
        self,
        connection: Connection,
        actor: Actor,
        *,
        kind: str,
        subject: str,
        payload: Mapping[str, Any],
        reason: str,
        address: str,
    ) -> Approval:
        """Ask for something that another person must grant; `payload` (JSON, no secrets) is what will be done.

        Raises AlreadyAsked while the same waits, PermissionMissing, Invalid. Unknown kinds are a KeyError: our fault.
        """
        known = self._kinds[kind]
        actor.require_operator()
        check_permission(actor.role, known.ask)
        if len(msgspec.json.encode(payload)) > PAYLOAD_BYTES_MAX:
            raise Invalid("There is too much in this request to be looked at by a person.", field="payload")
        words = read_reason(reason)
        # One whose time is over must not stand in the way until the clock's chore comes round.
        await self.expire_due(connection)
        approval = await repository.insert_approval(
            connection,
            approval_id=new_id(),
            kind=kind,
            subject=subject,
            payload=payload,
            reason=words,
            asked_by=actor.user_id,
            lifetime=known.lifetime,
        )
        if approval is None:
            raise AlreadyAsked(await repository.find_open(connection, kind, subject))
        await _note(connection, actor, "approval.asked", approval, address, reason=words, after=dict(payload))
        return approval

    async def grant(self, connection: Connection, actor: Actor, approval_id: UUID, *, address: str) -> Granted:
        """Grant and do it, in this transaction. Call `finish` after the commit.

        Raises ApprovalNotFound, ApprovalEnded, SamePerson, PermissionMissing, and whatever the kind's handler refuses:
        then nothing was granted either.
        """
        approval = await self._open(connection, approval_id)
        kind = self._kinds[approval.kind]
        actor.require_operator()
        check_permission(actor.role, kind.grant)
        if approval.asked_by == actor.user_id:
            raise SamePerson
        approval = await repository.mark_granted(connection, approval_id, actor.user_id)
        await _note(connection, actor, "approval.granted", approval, address)
        finish = await kind.handler(connection, approval, actor.user_id)
        approval = await repository.mark_executed(connection, approval_id)
        return Granted(approval, finish or _nothing)

    async def refuse(
        self, connection: Connection, actor: Actor, approval_id: UUID, *, reason: str, address: str
    ) -> Approval:
        """Say no; who asked may take it back so. Raises ApprovalNotFound, ApprovalEnded, PermissionMissing, Invalid."""
        approval = await self._open(connection, approval_id)
        actor.require_operator()
        if approval.asked_by != actor.user_id:
            check_permission(actor.role, self._kinds[approval.kind].grant)
        words = read_reason(reason)
        approval = await repository.mark_refused(connection, approval_id, actor.user_id, words)
        await _note(connection, actor, "approval.refused", approval, address, reason=words)
        return approval

    async def read(self, connection: Connection, approval_id: UUID) -> Approval:
        """One approval; raises ApprovalNotFound."""
        found = await repository.read_approval(connection, approval_id)
        if found is None:
            raise ApprovalNotFound
        return found

    async def search(self, connection: Connection, which: ApprovalFilter) -> Sequence[Approval]:
        """Approvals, newest first."""
        return await repository.list_approvals(connection, which)

    async def newest_about(self, connection: Connection, kind: str, subjects: Sequence[str]) -> Sequence[Approval]:
        """The newest approval of a kind about each of these subjects, where there is one; at most 500 subjects."""
        return await repository.newest_about(connection, kind, subjects)

    async def expire_due(self, connection: Connection) -> int:
        """Write down whose time is over, some at a time; how many."""
        expired = await repository.expire_due(connection, limit=EXPIRE_BATCH)
        for approval in expired:
            await record(
                connection,
                actor_id=None,
                actor_kind=ActorKind.SYSTEM,
                action="approval.expired",
                subject=f"approval:{approval.id}",
                details={"kind": approval.kind, "about": approval.subject},
            )
        return len(expired)

    async def _open(self, connection: Connection, approval_id: UUID) -> Approval:
        found = await repository.lock_approval(connection, approval_id)
        if found is None or found[0].kind not in self._kinds:
            raise ApprovalNotFound
        approval, moment = found
        state = approval.state_at(moment)
        if state != "open":
            raise ApprovalEnded(state)
        return approval


def read_reason(text: str) -> str:
    """A reason as it is kept; raises Invalid."""
    words = " ".join(text.split())
    if not REASON_LENGTH_MIN <= len(words) <= REASON_LENGTH_MAX or not words.isprintable():
        raise Invalid(f"Say why, in {REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} characters.", field="reason")
    return words


async def _nothing() -> None:
    return


async def _note(
    connection: Connection,
    actor: Actor,
    action: str,
    approval: Approval,
    address: str,
    *,
    reason: str | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    await record(
        connection,
        actor_id=actor.user_id,
        actor_kind=ActorKind.OPERATOR,
        actor_role=actor.role,
        action=action,
        subject=f"approval:{approval.id}",
        address=address,
        reason=reason,
        details={"kind": approval.kind, "about": approval.subject},
        after=after,
    )
