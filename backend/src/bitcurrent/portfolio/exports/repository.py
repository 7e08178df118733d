"""All the SQL of exports."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.portfolio.exports.model import ATTEMPTS_MAX, KEPT_DAYS, Export, Kind

_COLUMNS = (
    "id, user_id, kind, from_at, until_at, state, rows_total, rows_done, bytes, attempts, trouble, created_at,"
    " finished_at, expires_at"
)


async def lock_customer(connection: Connection, user_id: UserId) -> None:
    """Until the transaction ends nobody else counts this customer's exports."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('exports ' || $1::text, 0))", str(user_id))


async def count_waiting(connection: Connection, user_id: UserId) -> int:
    """How many of a customer's exports have not ended."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM exports WHERE user_id = $1 AND state IN ('asked', 'running')", user_id
    )
    return found


async def insert_export(
    connection: Connection, export_id: UUID, user_id: UserId, kind: Kind, *, from_at: datetime, until_at: datetime
) -> Export:
    """Ask for a list."""
    row = await connection.fetchrow(
        f"INSERT INTO exports (id, user_id, kind, from_at, until_at) VALUES ($1, $2, $3, $4, $5) RETURNING {_COLUMNS}",
        export_id,
        user_id,
        kind,
        from_at,
        until_at,
    )
    assert row is not None
    return Export(**dict(row))


async def find_export(connection: Connection, export_id: UUID, user_id: UserId) -> Export | None:
    """One of a customer's exports, unless its time is over."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM exports WHERE id = $1 AND user_id = $2 AND (expires_at IS NULL OR expires_at > now())",
        export_id,
        user_id,
    )
    return None if row is None else Export(**dict(row))


async def list_exports(
    connection: Connection, user_id: UserId, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Export]:
    """A customer's exports, newest first."""
    at, last = before or (None, None)
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM exports
        WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > now())
            AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
        ORDER BY created_at DESC, id DESC LIMIT $4
        """,
        user_id,
        at,
        last,
        limit,
    )
    return [Export(**dict(row)) for row in rows]


async def claim_export(connection: Connection, *, lease: timedelta) -> Export | None:
    """Take the oldest list that waits, or whose writer has been silent for the lease; its pieces begin anew."""
    row = await connection.fetchrow(
        f"""
        UPDATE exports SET state = 'running', attempts = attempts + 1, claimed_at = clock_timestamp(),
            rows_total = NULL, rows_done = 0, bytes = 0
        WHERE id = (
            SELECT id FROM exports
            WHERE (state = 'asked' OR state = 'running' AND claimed_at < now() - $1::interval) AND attempts < $2
            ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING {_COLUMNS}
        """,
        lease,
        ATTEMPTS_MAX,
    )
    if row is None:
        return None
    await connection.execute("DELETE FROM export_pieces WHERE export_id = $1", row["id"])
    return Export(**dict(row))


async def give_up(connection: Connection, *, lease: timedelta) -> int:
    """End as failed what nobody finished in all its attempts; how many."""
    done: str = await connection.execute(
        """
        UPDATE exports SET state = 'failed', trouble = coalesce(trouble, 'gave up'), finished_at = now(),
            expires_at = now() + make_interval(days => $3)
        WHERE state = 'running' AND claimed_at < now() - $1::interval AND attempts >= $2
        """,
        lease,
        ATTEMPTS_MAX,
        KEPT_DAYS,
    )
    return int(done.rpartition(" ")[2])


async def set_total(connection: Connection, export: Export, total: int) -> None:
    """How many rows there will be."""
    await connection.execute(
        "UPDATE exports SET rows_total = $3 WHERE id = $1 AND attempts = $2", export.id, export.attempts, total
    )


async def add_piece(connection: Connection, export: Export, *, number: int, body: bytes, rows: int) -> bool:
    """Keep one piece and move the progress; False when somebody else has taken the list over."""
    done: str = await connection.execute(
        """
        UPDATE exports SET rows_done = $3, bytes = bytes + $4, claimed_at = clock_timestamp()
        WHERE id = $1 AND attempts = $2 AND state = 'running'
        """,
        export.id,
        export.attempts,
        rows,
        len(body),
    )
    if done != "UPDATE 1":
        return False
    await connection.execute(
        "INSERT INTO export_pieces (export_id, number, body) VALUES ($1, $2, $3)", export.id, number, body
    )
    return True


async def finish(connection: Connection, export: Export) -> bool:
    """The file is whole; whether it was still ours to finish."""
    done: str = await connection.execute(
        """
        UPDATE exports SET state = 'done', trouble = NULL, finished_at = now(),
            expires_at = now() + make_interval(days => $3)
        WHERE id = $1 AND attempts = $2 AND state = 'running'
        """,
        export.id,
        export.attempts,
        KEPT_DAYS,
    )
    return done == "UPDATE 1"


async def note_trouble(connection: Connection, export: Export, trouble: str) -> None:
    """Let it be tried again at once, or end it after the last attempt."""
    await connection.execute(
        """
        UPDATE exports SET trouble = $3, state = CASE WHEN attempts < $4 THEN 'asked' ELSE 'failed' END,
            finished_at = CASE WHEN attempts < $4 THEN NULL ELSE now() END,
            expires_at = CASE WHEN attempts < $4 THEN NULL ELSE now() + make_interval(days => $5) END
        WHERE id = $1 AND attempts = $2 AND state = 'running'
        """,
        export.id,
        export.attempts,
        trouble,
        ATTEMPTS_MAX,
        KEPT_DAYS,
    )


async def read_piece(connection: Connection, export_id: UUID, number: int) -> bytes | None:
    """One piece of a file; None behind the last."""
    found: bytes | None = await connection.fetchval(
        "SELECT body FROM export_pieces WHERE export_id = $1 AND number = $2", export_id, number
    )
    return found


async def purge(connection: Connection) -> int:
    """Forget what is over, with its pieces; how many."""
    done: str = await connection.execute(
        "DELETE FROM exports WHERE id IN (SELECT id FROM exports WHERE expires_at < now() LIMIT 100)"
    )
    return int(done.rpartition(" ")[2])
