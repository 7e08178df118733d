"""The SQL of lost-factor requests."""

from datetime import datetime
from uuid import UUID

import asyncpg

from bitcurrent.identity.factors.model import LostFactor, LostState
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

# Constants of this module, never somebody's input.
_REQUEST = (
    "id, user_id, requested_at, ends_at, state, reason, address, decided_by, decided_at, decision, ended_at,"
    " reminded_at"
)
_OPEN = "state IN ('approved', 'waiting')"


async def insert_request(connection: Connection, request: LostFactor) -> bool:
    """A new request; False when the user has an open one."""
    result = await connection.execute(
        f"""
        INSERT INTO lost_factor_requests (id, user_id, requested_at, ends_at, reason, address)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) WHERE {_OPEN} DO NOTHING
        """,
        request.id,
        request.user_id,
        request.requested_at,
        request.ends_at,
        request.reason,
        request.address,
    )
    return result == "INSERT 0 1"


async def lock_request(connection: Connection, request_id: UUID) -> LostFactor | None:
    """A request by id, locked until the transaction ends."""
    row = await connection.fetchrow(f"SELECT {_REQUEST} FROM lost_factor_requests WHERE id = $1 FOR UPDATE", request_id)
    return _request_of(row) if row else None


async def lock_open_request(connection: Connection, user_id: UserId) -> LostFactor | None:
    """A user's open request, locked until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_REQUEST} FROM lost_factor_requests WHERE user_id = $1 AND {_OPEN} FOR UPDATE", user_id
    )
    return _request_of(row) if row else None


async def find_open_request(connection: Connection, user_id: UserId) -> LostFactor | None:
    """A user's open request, only to look at."""
    row = await connection.fetchrow(
        f"SELECT {_REQUEST} FROM lost_factor_requests WHERE user_id = $1 AND {_OPEN}", user_id
    )
    return _request_of(row) if row else None


async def requests(
    connection: Connection, *, state: LostState | None, before: UUID | None, limit: int
) -> list[LostFactor]:
    """Requests, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_REQUEST} FROM lost_factor_requests
        WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        state,
        before,
        limit,
    )
    return [_request_of(row) for row in rows]


async def decide(
    connection: Connection, request_id: UUID, *, state: LostState, by: UserId, decision: str, at: datetime
) -> None:
    """Support has approved or refused; a refusal is the end."""
    await connection.execute(
        """
        UPDATE lost_factor_requests
        SET state = $2, decided_by = $3, decision = $4, decided_at = $5,
            ended_at = CASE WHEN $2 = 'refused' THEN $5 ELSE ended_at END
        WHERE id = $1
        """,
        request_id,
        state,
        by,
        decision,
        at,
    )


async def end(connection: Connection, request_id: UUID, *, state: LostState, at: datetime) -> None:
    """The request has ended."""
    await connection.execute(
        "UPDATE lost_factor_requests SET state = $2, ended_at = $3 WHERE id = $1", request_id, state, at
    )


async def note_reminder(connection: Connection, request_id: UUID, at: datetime) -> None:
    """The second letter was written."""
    await connection.execute("UPDATE lost_factor_requests SET reminded_at = $2 WHERE id = $1", request_id, at)


async def open_request_ids(connection: Connection, *, after: UUID | None, limit: int) -> list[UUID]:
    """Open requests, oldest first: what time may do something to."""
    rows = await connection.fetch(
        f"SELECT id FROM lost_factor_requests WHERE {_OPEN} AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2",
        after,
        limit,
    )
    return [row["id"] for row in rows]


def _request_of(row: asyncpg.Record) -> LostFactor:
    values = dict(row)
    return LostFactor(**{**values, "state": LostState(values["state"])})
