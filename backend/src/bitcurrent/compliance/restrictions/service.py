"""Restricting, lifting, and asking whether a customer is free. Never cached: it counts from its commit on.

Orders ask in the SQL that places them, which costs no round trip; logging in asks through identity's gate.
"""

from collections.abc import Sequence
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.restrictions import repository
from bitcurrent.compliance.restrictions.model import (
    BY_OPERATOR,
    Ended,
    Restricted,
    Restriction,
    RestrictionEnded,
    RestrictionFilter,
    RestrictionNotFound,
    Scope,
    check_code,
    read_words,
)
from bitcurrent.identity.approvals.service import read_reason
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import Permission, check_permission
from bitcurrent.identity.shutting_out import shut_out
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, new_id

FREEZE: Permission = "customers.freeze"
"""Who may restrict a customer and lift that."""
OF_ONE_MAX = 500


async def require_free(connection: Connection, user_id: UserId, scope: Scope) -> None:
    """Raise Restricted, with the words for the customer, while something stands."""
    standing = await repository.find_standing(connection, user_id, scope)
    if standing is not None:
        raise Restricted(standing)


async def may_log_in(connection: Connection, user_id: UserId) -> None:
    """Identity's gate: raise Restricted when this customer may not log in."""
    await require_free(connection, user_id, "login")


async def restrict(
    connection: Connection,
    *,
    user_id: UserId,
    scope: Scope,
    reason: str,
    code: str = BY_OPERATOR,
    words: str | None = None,
    case_id: UUID | None = None,
    actor: Actor | None = None,
    address: str | None = None,
) -> tuple[Restriction, Ended]:
    """Take something from a customer; without an actor it is the house itself that does.

    Again for the same cause gives the one that stands. Taking the login ends sessions and API keys for good: announce
    what is given back after the commit.
    """
    if actor is not None:
        actor.require_operator()
        check_permission(actor.role, FREEZE)
    restriction, fresh = await repository.insert(
        connection,
        restriction_id=new_id(),
        user_id=user_id,
        scope=scope,
        code=check_code(code),
        words=read_words(words, scope),
        reason=read_reason(reason),
        case_id=case_id,
        started_by=actor.user_id if actor else None,
    )
    if not fresh:
        return restriction, Ended()
    ended = Ended()
    if scope == "login":
        sessions, keys = await shut_out(connection, user_id)
        ended = Ended(tuple(sessions), tuple(keys))
    await _tell(connection, restriction, "restriction_started")
    await _note(connection, "restriction.started", restriction, actor=actor, reason=restriction.reason, address=address)
    return restriction, ended


async def lift(
    connection: Connection,
    restriction_id: UUID,
    *,
    reason: str,
    actor: Actor | None = None,
    decided_by: UserId | None = None,
    address: str | None = None,
) -> Restriction:
    """Give it back. Raises RestrictionNotFound, RestrictionEnded.

    With an actor somebody does it by hand; `decided_by` names who confirmed what it follows from (a closed case).
    """
    if actor is not None:
        actor.require_operator()
        check_permission(actor.role, FREEZE)
    found = await repository.read(connection, restriction_id, lock=True)
    if found is None:
        raise RestrictionNotFound
    if found.ended_at is not None:
        raise RestrictionEnded
    by = actor.user_id if actor else decided_by
    ended = await repository.end(connection, restriction_id, ended_by=by, reason=read_reason(reason))
    await _tell(connection, ended, "restriction_ended")
    await _note(connection, "restriction.ended", ended, actor=actor, by=by, reason=reason, address=address)
    return ended


async def lift_of_case(connection: Connection, case_id: UUID, *, decided_by: UserId) -> list[Restriction]:
    """Give back all that was taken because of a case: two people found nothing in it."""
    standing = await repository.search(connection, RestrictionFilter(case_id=case_id, standing=True, limit=OF_ONE_MAX))
    return [
        await lift(connection, each.id, reason=f"Nothing was found in case {case_id}", decided_by=decided_by)
        for each in standing
    ]


async def read(connection: Connection, restriction_id: UUID) -> Restriction:
    """One restriction; raises RestrictionNotFound."""
    found = await repository.read(connection, restriction_id)
    if found is None:
        raise RestrictionNotFound
    return found


async def search(connection: Connection, which: RestrictionFilter) -> Sequence[Restriction]:
    """Restrictions, newest first."""
    return await repository.search(connection, which)


async def standing_of(connection: Connection, user_id: UserId) -> Sequence[Restriction]:
    """What stands for one customer now, newest first."""
    return await repository.search(connection, RestrictionFilter(user_id=user_id, standing=True, limit=OF_ONE_MAX))


async def _tell(connection: Connection, restriction: Restriction, kind: str) -> None:
    """The customer's own words: neither the cause nor the reason."""
    await append_event(
        connection,
        user_id=restriction.user_id,
        kind=kind,
        subject=restriction.id,
        payload={"scope": restriction.scope, "words": restriction.words},
    )


async def _note(
    connection: Connection,
    action: str,
    restriction: Restriction,
    *,
    actor: Actor | None,
    reason: str,
    address: str | None,
    by: UserId | None = None,
) -> None:
    who = actor.user_id if actor else by
    await record(
        connection,
        actor_id=who,
        actor_kind=ActorKind.SYSTEM if who is None else ActorKind.OPERATOR,
        actor_role=actor.role if actor else None,
        action=action,
        subject=f"user:{restriction.user_id}",
        address=address,
        reason=reason,
        details={
            "restriction": str(restriction.id),
            "scope": restriction.scope,
            "code": restriction.code,
            "case": str(restriction.case_id) if restriction.case_id else None,
        },
    )
