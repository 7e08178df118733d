"""All the SQL of the audit log."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from bitcurrent.audit.model import Act, ActFilter, Seal
from bitcurrent.kernel.database import Connection

READ_SECONDS_MAX = 1800
"""The proof of the whole log may take longer than any other statement; half an hour means that something is stuck."""
ROWS_AT_ONCE = 1_000

_ACT = (
    "a.id, a.transaction_id::text::bigint AS transaction_id, a.created_at, a.actor_kind, a.actor_id, a.actor_role,"
    " a.action, a.subject, a.address, a.reason, a.details, a.before, a.after"
)


async def insert_act(
    connection: Connection,
    *,
    actor_kind: str,
    actor_id: UUID | None,
    actor_role: str | None,
    action: str,
    subject: str,
    address: str | None,
    reason: str | None,
    details: dict[str, object],
    before: dict[str, object] | None,
    after: dict[str, object] | None,
) -> None:
    """Add one act."""
    await connection.execute(
        """
        INSERT INTO audit_logs
            (actor_kind, actor_id, actor_role, action, subject, address, reason, details, before, after)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        actor_kind,
        actor_id,
        actor_role,
        action,
        subject,
        address,
        reason,
        details,
        before,
        after,
    )


async def read_acts_about(connection: Connection, user_id: UUID, *, after_id: int, limit: int) -> list[Act]:
    """Acts by a user or on them, oldest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_ACT} FROM audit_logs a WHERE (a.actor_id = $1 OR a.subject = $2) AND a.id > $3
        ORDER BY a.id LIMIT $4
        """,
        user_id,
        f"user:{user_id}",
        after_id,
        limit,
    )
    return [Act(**dict(row)) for row in rows]


async def try_lock_sealing(connection: Connection) -> bool:
    """Take the sealer's lock until the end of the transaction; false when another has it."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('audit_seals'))"))


async def read_last_seal(connection: Connection) -> Seal | None:
    """The end of the chain."""
    row = await connection.fetchrow("SELECT sequence, audit_id, hash FROM audit_seals ORDER BY sequence DESC LIMIT 1")
    return None if row is None else Seal(**dict(row))


async def read_sealed_position(connection: Connection) -> tuple[int, int]:
    """Transaction and id of the last act that has a seal, passing over those that somebody deleted; (0, 0) for none."""
    row = await connection.fetchrow(
        """
        SELECT a.transaction_id::text::bigint, a.id
        FROM audit_seals s JOIN audit_logs a ON a.id = s.audit_id ORDER BY s.sequence DESC LIMIT 1
        """
    )
    return (row[0], row[1]) if row else (0, 0)


async def read_settled_acts(connection: Connection, *, after: tuple[int, int], limit: int) -> list[Act]:
    """Acts behind (transaction, id) that are older than every running transaction, in that order.

    Nothing can come between them any more: whoever began later has a higher number.
    """
    rows = await connection.fetch(
        f"""
        SELECT {_ACT} FROM audit_logs a
        WHERE (a.transaction_id, a.id) > ($1::text::xid8, $2)
          AND a.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY a.transaction_id, a.id LIMIT $3
        """,
        str(after[0]),
        after[1],
        limit,
    )
    return [Act(**dict(row)) for row in rows]


async def append_seals(connection: Connection, seals: Sequence[Seal]) -> None:
    """Put seals behind the last; raises asyncpg.SerializationError when it is not the last any more."""
    await connection.execute(
        "SELECT seal_audit_logs($1, $2, $3)",
        seals[0].sequence - 1,
        [seal.audit_id for seal in seals],
        [seal.hash for seal in seals],
    )


async def count_seals(connection: Connection, *, after_sequence: int = 0, up_to: int) -> int:
    """How many seals there are behind one and up to another."""
    value = await connection.fetchval(
        "SELECT count(*) FROM audit_seals WHERE sequence > $1 AND sequence <= $2",
        after_sequence,
        up_to,
        timeout=READ_SECONDS_MAX,
    )
    return int(value)


async def count_unsealed(connection: Connection, *, after: tuple[int, int]) -> int:
    """How many acts wait behind (transaction, id)."""
    value = await connection.fetchval(
        "SELECT count(*) FROM audit_logs WHERE (transaction_id, id) > ($1::text::xid8, $2)", str(after[0]), after[1]
    )
    return int(value)


async def stream_chain(connection: Connection) -> AsyncIterator[tuple[Seal, Act | None]]:
    """Every seal in order with its act, None where that is gone; needs a transaction, holds a thousand at a time."""
    query = f"""
        SELECT s.sequence AS seal_sequence, s.audit_id AS seal_audit_id, s.hash AS seal_hash, {_ACT}
        FROM audit_seals s LEFT JOIN audit_logs a ON a.id = s.audit_id ORDER BY s.sequence
    """
    async for row in connection.cursor(query, prefetch=ROWS_AT_ONCE, timeout=READ_SECONDS_MAX):
        values = dict(row)
        sequence, audit_id, digest = (values.pop(f"seal_{name}") for name in ("sequence", "audit_id", "hash"))
        seal = Seal(sequence=sequence, audit_id=audit_id, hash=digest)
        yield seal, None if values["id"] is None else Act(**values)


async def count_acts_without_seal(connection: Connection, *, up_to: tuple[int, int]) -> tuple[int, int, int | None]:
    """Acts without a seal: how many behind (transaction, id) wait, how many before it never get one, and the first."""
    row = await connection.fetchrow(
        """
        SELECT count(*) FILTER (WHERE NOT passed) AS waiting, count(*) FILTER (WHERE passed) AS slipped,
            min(id) FILTER (WHERE passed) AS first
        FROM (
            SELECT id, (transaction_id, id) <= ($1::text::xid8, $2) AS passed FROM audit_logs a
            WHERE NOT EXISTS (SELECT FROM audit_seals s WHERE s.audit_id = a.id)
        ) AS unsealed
        """,
        str(up_to[0]),
        up_to[1],
        timeout=READ_SECONDS_MAX,
    )
    assert row is not None
    return row["waiting"], row["slipped"], row["first"]


async def read_hashes(connection: Connection, sequences: Sequence[int]) -> dict[int, bytes]:
    """The hashes at some places of the chain; places that do not exist are missing."""
    rows = await connection.fetch(
        "SELECT sequence, hash FROM audit_seals WHERE sequence = ANY($1)", sequences, timeout=READ_SECONDS_MAX
    )
    return {row["sequence"]: row["hash"] for row in rows}


async def search_acts(connection: Connection, which: ActFilter) -> list[Act]:
    """Acts, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_ACT} FROM audit_logs a
        WHERE ($1::uuid IS NULL OR a.actor_id = $1) AND ($2::text IS NULL OR a.actor_kind = $2)
          AND ($3::text IS NULL OR a.action = $3 OR ($3 LIKE '%.' AND starts_with(a.action, $3)))
          AND ($4::text IS NULL OR a.subject = $4)
          AND ($5::timestamptz IS NULL OR a.created_at >= $5) AND ($6::timestamptz IS NULL OR a.created_at < $6)
          AND ($7::bigint IS NULL OR a.id < $7)
        ORDER BY a.id DESC LIMIT $8
        """,
        which.actor_id,
        which.actor_kind,
        which.action,
        which.subject,
        which.since,
        which.until,
        which.before,
        which.limit,
    )
    return [Act(**dict(row)) for row in rows]


async def acts_on(connection: Connection, user_id: UUID, *, limit: int) -> list[Act]:
    """The newest acts by a user or on them, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_ACT} FROM audit_logs a WHERE a.actor_id = $1 OR a.subject = $2 ORDER BY a.id DESC LIMIT $3
        """,
        user_id,
        f"user:{user_id}",
        limit,
    )
    return [Act(**dict(row)) for row in rows]


async def newest_seal_at(connection: Connection) -> datetime | None:
    """When the newest sealed act was done."""
    found: datetime | None = await connection.fetchval(
        """
        SELECT a.created_at FROM audit_seals s JOIN audit_logs a ON a.id = s.audit_id ORDER BY s.sequence DESC LIMIT 1
        """
    )
    return found
