"""Writing to the log of acts, always in the transaction of the act itself; sealing what is settled, aside."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from bitcurrent.audit import repository
from bitcurrent.audit.model import NOTHING_BEFORE, Act, ActFilter, ActorKind, Head, chain, plain_facts
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection

ADDRESS_LENGTH_MAX = 64
BATCH = 1_000
PAGE_MAX = 500


async def record(
    connection: Connection,
    *,
    actor_id: UUID | None,
    action: str,
    subject: str,
    address: str | None = None,
    details: Mapping[str, object] | None = None,
    actor_kind: ActorKind | None = None,
    actor_role: str | None = None,
    reason: str | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Remember who did what to what, from where, why, and what it was before and after.

    `action` reads like "session.opened", `subject` like "user:<id>". Without a kind, somebody with an id is a user and
    nobody is anonymous. `details`, `before` and `after` hold facts, not secrets and not personal data (ids instead):
    nothing here can be taken back. Amounts and moments become text; raises TypeError for a float.
    """
    kind = actor_kind or (ActorKind.ANONYMOUS if actor_id is None else ActorKind.USER)
    await repository.insert_act(
        connection,
        actor_kind=kind.value,
        actor_id=actor_id,
        actor_role=actor_role,
        action=action,
        subject=subject,
        address=address[:ADDRESS_LENGTH_MAX] if address else None,
        reason=reason,
        details=plain_facts(details or {}),
        before=None if before is None else plain_facts(before),
        after=None if after is None else plain_facts(after),
    )


async def acts_about(connection: Connection, user_id: UUID, *, after_id: int = 0, limit: int = 50) -> list[Act]:
    """Acts by a user or on their account, oldest first, behind an id; at most 500."""
    return await repository.read_acts_about(connection, user_id, after_id=after_id, limit=min(limit, PAGE_MAX))


async def search_acts(connection: Connection, which: ActFilter) -> list[Act]:
    """Acts, newest first."""
    return await repository.search_acts(connection, which)


async def newest_acts_about(connection: Connection, user_id: UUID, *, limit: int) -> list[Act]:
    """The newest acts by a user or on their account, newest first."""
    return await repository.acts_on(connection, user_id, limit=min(limit, PAGE_MAX))


async def newest_sealed_at(connection: Connection) -> datetime | None:
    """When the newest act that has a seal was done; None when none has."""
    return await repository.newest_seal_at(connection)


async def seal_batch(connection: Connection, *, limit: int = BATCH) -> int:
    """Seal the next acts that are older than every running transaction, in the open transaction; how many.

    One sealer at a time: 0 while another is at it. Raises asyncpg.SerializationError when it came in between.
    """
    if not await repository.try_lock_sealing(connection):
        return 0
    last = await repository.read_last_seal(connection)
    position = await repository.read_sealed_position(connection)
    acts = await repository.read_settled_acts(connection, after=position, limit=limit)
    if acts:
        await repository.append_seals(connection, chain(acts, after=last))
        crash_point("audit.before_seal_commit")
    return len(acts)


async def count_unsealed(connection: Connection) -> int:
    """How many acts wait for their seal."""
    position = await repository.read_sealed_position(connection)
    return await repository.count_unsealed(connection, after=position)


async def is_in_chain(connection: Connection, head: Head) -> bool:
    """Whether the chain still has the hash that a head saw."""
    if head.sequence == 0:
        return head.hash == NOTHING_BEFORE
    return (await repository.read_hashes(connection, [head.sequence])).get(head.sequence) == head.hash


async def read_head(connection: Connection, time: datetime, *, counted: Head | None = None) -> Head:
    """Where the chain ends now. With an earlier head only the seals since then are counted."""
    last = await repository.read_last_seal(connection)
    sequence, digest = (last.sequence, last.hash) if last else (0, NOTHING_BEFORE)
    if counted is None:
        count = await repository.count_seals(connection, up_to=sequence)
    else:
        added = await repository.count_seals(connection, after_sequence=counted.sequence, up_to=sequence)
        count = counted.count + added
    return Head(sequence=sequence, hash=digest, time=time, count=count)
