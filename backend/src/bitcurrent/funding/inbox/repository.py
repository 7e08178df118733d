"""All of the inbox's SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bitcurrent.funding.inbox.model import EventState, StoredEvent
from bitcurrent.kernel.database import Connection

_COLUMNS = (
    "id, event_id, type, object_id, payment_intent, created_at, received_at, state, attempts, trouble, applied_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to store; `state` is what it will be when the transaction commits."""

    id: UUID
    event_id: str
    type: str
    object_id: str | None
    payment_intent: str | None
    created_at: datetime
    state: EventState
    data_key: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent:
    """An event that could not be applied so far, with its encrypted body."""

    id: UUID
    event_id: str
    type: str
    attempts: int
    data_key: bytes
    body: bytes


async def insert_events(connection: Connection, source: str, events: Sequence[NewEvent]) -> set[str]:
    """Store events; the ids of those that were not there before."""
    rows = await connection.fetch(
        """
        INSERT INTO processor_events (id, source, event_id, type, object_id, payment_intent, created_at, state,
            applied_at, data_key, body)
        SELECT e.id, $1, e.event_id, e.type, e.object_id, e.payment_intent, e.created_at, e.state,
            CASE e.state WHEN 'applied' THEN now() END, e.data_key, e.body
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[],
            $9::bytea[], $10::bytea[])
            AS e (id, event_id, type, object_id, payment_intent, created_at, state, data_key, body)
        ON CONFLICT (source, event_id) DO NOTHING RETURNING event_id
        """,
        source,
        [event.id for event in events],
        [event.event_id for event in events],
        [event.type for event in events],
        [event.object_id for event in events],
        [event.payment_intent for event in events],
        [event.created_at for event in events],
        [event.state for event in events],
        [event.data_key for event in events],
        [event.body for event in events],
    )
    return {row["event_id"] for row in rows}


async def postpone(connection: Connection, row_id: UUID, *, pause: timedelta, trouble: str) -> None:
    """It could not be applied: it waits, and is tried again after a pause."""
    await connection.execute(
        """
        UPDATE processor_events SET state = 'waiting', applied_at = NULL, attempts = attempts + 1, next_at = now() + $2,
            trouble = $3
        WHERE id = $1 AND body IS NOT NULL
        """,
        row_id,
        pause,
        trouble,
    )


async def claim_waiting(connection: Connection, *, limit: int, lease: timedelta) -> list[WaitingEvent]:
    """Events whose time has come, oldest first; nobody else gets them until the lease is over."""
    rows = await connection.fetch(
        """
        WITH due AS (
            SELECT id FROM processor_events WHERE state = 'waiting' AND next_at <= now()
            ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE processor_events e SET next_at = now() + $2 FROM due WHERE e.id = due.id
        RETURNING e.id, e.event_id, e.type, e.attempts, e.data_key, e.body
        """,
        limit,
        lease,
    )
    return sorted((WaitingEvent(**dict(row)) for row in rows), key=lambda event: event.id)


async def lock_waiting(connection: Connection, row_id: UUID) -> bool:
    """Whether the event still waits; it is ours until the transaction ends."""
    found = await connection.fetchval(
        "SELECT true FROM processor_events WHERE id = $1 AND state = 'waiting' FOR UPDATE", row_id
    )
    return bool(found)


async def mark_applied(connection: Connection, row_id: UUID, state: EventState) -> None:
    """It waits no longer."""
    await connection.execute(
        """
        UPDATE processor_events SET state = $2, applied_at = CASE $2 WHEN 'applied' THEN now() END, trouble = NULL
        WHERE id = $1
        """,
        row_id,
        state,
    )


async def count_waiting(connection: Connection, troubled_attempts: int) -> tuple[int, int]:
    """How many wait, and how many of them have failed so often."""
    row = await connection.fetchrow(
        "SELECT count(*) AS waiting, count(*) FILTER (WHERE attempts >= $1) AS troubled "
        "FROM processor_events WHERE state = 'waiting'",
        troubled_attempts,
    )
    assert row is not None  # an aggregate gives one row
    return row["waiting"], row["troubled"]


async def list_about(
    connection: Connection, *, object_id: str | None, payment_intent: str | None, limit: int
) -> list[StoredEvent]:
    """Events about a thing or a payment, oldest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM processor_events WHERE object_id = $1 OR payment_intent = $2
        ORDER BY created_at, id LIMIT $3
        """,
        object_id,
        payment_intent,
        limit,
    )
    return [StoredEvent(**dict(row)) for row in rows]


async def forget_bodies(connection: Connection, *, days: int, limit: int) -> int:
    """Bodies of events that were applied and came so many days ago go, some thousands at a time; how many went."""
    result = await connection.execute(
        """
        UPDATE processor_events SET data_key = NULL, body = NULL WHERE id IN (
            SELECT id FROM processor_events WHERE body IS NOT NULL AND state <> 'waiting'
                AND received_at < now() - make_interval(days => $1) ORDER BY received_at LIMIT $2)
        """,
        days,
        limit,
    )
    return int(result.rpartition(" ")[2])
