"""The SQL of approvals."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bitcurrent.identity.approvals.model import Approval, ApprovalFilter, State
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

# Names of our own fields, never somebody's input.
_APPROVAL = ", ".join(field.name for field in fields(Approval))
_OPEN = "granted_at IS NULL AND refused_at IS NULL AND expired_at IS NULL"
_STATES: dict[State, str] = {
    "open": f"{_OPEN} AND expires_at > now()",
    "granted": "granted_at IS NOT NULL",
    "refused": "refused_at IS NOT NULL",
    "expired": f"(expired_at IS NOT NULL OR ({_OPEN} AND expires_at <= now()))",
}


async def insert_approval(
    connection: Connection,
    *,
    approval_id: UUID,
    kind: str,
    subject: str,
    payload: Mapping[str, Any],
    reason: str,
    asked_by: UserId,
    lifetime: timedelta,
) -> Approval | None:
    """A new approval that waits; None when the same is asked for already."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO approvals (id, kind, subject, payload, reason, asked_by, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, now() + $7)
        ON CONFLICT (kind, subject) WHERE {_OPEN} DO NOTHING RETURNING {_APPROVAL}
        """,
        approval_id,
        kind,
        subject,
        dict(payload),
        reason,
        asked_by,
        lifetime,
    )
    return Approval(**dict(row)) if row else None


async def find_open(connection: Connection, kind: str, subject: str) -> UUID | None:
    """The approval about this that waits, if there is one."""
    found: UUID | None = await connection.fetchval(
        f"SELECT id FROM approvals WHERE kind = $1 AND subject = $2 AND {_OPEN}", kind, subject
    )
    return found


async def read_approval(connection: Connection, approval_id: UUID) -> Approval | None:
    """An approval by id."""
    row = await connection.fetchrow(f"SELECT {_APPROVAL} FROM approvals WHERE id = $1", approval_id)
    return Approval(**dict(row)) if row else None


async def lock_approval(connection: Connection, approval_id: UUID) -> tuple[Approval, datetime] | None:
    """An approval by id, locked until the transaction ends, and the database's moment."""
    row = await connection.fetchrow(
        f"SELECT {_APPROVAL}, clock_timestamp() AS moment FROM approvals WHERE id = $1 FOR UPDATE", approval_id
    )
    if row is None:
        return None
    values = dict(row)
    moment = values.pop("moment")
    return Approval(**values), moment


async def list_approvals(connection: Connection, which: ApprovalFilter) -> list[Approval]:
    """Approvals, newest first."""
    state = _STATES[which.state] if which.state else "true"
    rows = await connection.fetch(
        # nosemgrep: formatted-sql  the state is one of the texts of _STATES, the change one of this module
        f"""
        SELECT {_APPROVAL} FROM approvals
        WHERE {state} AND ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR subject = $2)
          AND ($3::uuid IS NULL OR asked_by = $3) AND ($4::uuid IS NULL OR id < $4)
        ORDER BY id DESC LIMIT $5
        """,
        which.kind,
        which.subject,
        which.asked_by,
        which.before,
        which.limit,
    )
    return [Approval(**dict(row)) for row in rows]


async def newest_about(connection: Connection, kind: str, subjects: Sequence[str]) -> list[Approval]:
    """The newest approval of a kind about each of these subjects, where there is one."""
    rows = await connection.fetch(
        f"""
        SELECT DISTINCT ON (subject) {_APPROVAL} FROM approvals WHERE kind = $1 AND subject = ANY ($2)
        ORDER BY subject, id DESC
        """,
        kind,
        list(subjects),
    )
    return [Approval(**dict(row)) for row in rows]


async def mark_granted(connection: Connection, approval_id: UUID, granted_by: UserId) -> Approval:
    """Write down who granted it; the approval must be locked."""
    return await _mark(connection, "granted_by = $2, granted_at = clock_timestamp()", approval_id, granted_by)


async def mark_executed(connection: Connection, approval_id: UUID) -> Approval:
    """Write down that it was done; once."""
    return await _mark(connection, "executed_at = clock_timestamp()", approval_id)


async def mark_refused(connection: Connection, approval_id: UUID, refused_by: UserId, reason: str | None) -> Approval:
    """Write down who refused it; the approval must be locked."""
    change = "refused_by = $2, refused_at = clock_timestamp(), refusal_reason = $3"
    return await _mark(connection, change, approval_id, refused_by, reason)


async def _mark(connection: Connection, change: str, approval_id: UUID, *values: object) -> Approval:
    row = await connection.fetchrow(
        # nosemgrep: formatted-sql  the state is one of the texts of _STATES, the change one of this module
        f"UPDATE approvals SET {change} WHERE id = $1 RETURNING {_APPROVAL}",
        approval_id,
        *values,
    )
    assert row is not None  # locked before
    return Approval(**dict(row))


async def expire_due(connection: Connection, *, limit: int) -> list[Approval]:
    """Write down that the time of some approvals is over; those."""
    rows = await connection.fetch(
        f"""
        UPDATE approvals SET expired_at = clock_timestamp() WHERE id IN (
            SELECT id FROM approvals WHERE {_OPEN} AND expires_at <= now()
            ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING {_APPROVAL}
        """,
        limit,
    )
    return [Approval(**dict(row)) for row in rows]
