"""The SQL of what time does to submissions: they end, are warned of, and are asked for again."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bitcurrent.compliance.kyc.model import Submission
from bitcurrent.kernel.database import Connection

# Names of our own fields, never somebody's input.
_SUBMISSION: Final = ", ".join(field.name for field in fields(Submission))


async def shorten(connection: Connection, submission_id: UUID, *, left: timedelta) -> datetime:
    """An approval ends after so long at the latest, and leaves nothing; when that is."""
    ends: datetime = await connection.fetchval(
        """
        UPDATE kyc_submissions SET expires_at = least(expires_at, now() + $2), falls_to = 'none', warned = NULL
        WHERE id = $1 RETURNING expires_at
        """,
        submission_id,
        left,
    )
    return ends


async def next_expired(connection: Connection, *, draft_kept: timedelta) -> Submission | None:
    """An approval or a draft whose time is over, locked; those that somebody else has are passed over."""
    row = await connection.fetchrow(
        f"""
        SELECT {_SUBMISSION} FROM kyc_submissions
        WHERE (state = 'approved' AND expires_at <= now()) OR (state = 'draft' AND created_at <= now() - $1::interval)
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
        """,
        draft_kept,
    )
    return _submission(row) if row else None


async def mark_expired(connection: Connection, submission_id: UUID) -> None:
    """Its time is over; it must be locked."""
    await connection.execute("UPDATE kyc_submissions SET state = 'expired' WHERE id = $1", submission_id)


async def soon_expired(connection: Connection, *, warnings: Sequence[int], limit: int) -> list[Submission]:
    """Approvals whose next warning (so many days before the end) is due, without those that a later one replaces."""
    rows = await connection.fetch(
        f"""
        SELECT {_SUBMISSION} FROM kyc_submissions s
        WHERE state = 'approved' AND expires_at > now() AND EXISTS (
            SELECT FROM unnest($1::int[]) AS w (days)
            WHERE s.expires_at <= now() + make_interval(days => w.days) AND (s.warned IS NULL OR w.days < s.warned))
          AND NOT EXISTS (
            SELECT FROM kyc_submissions o WHERE o.user_id = s.user_id AND o.state = 'approved' AND o.level = s.level
                AND (o.expires_at IS NULL OR o.expires_at > s.expires_at))
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        list(warnings),
        limit,
    )
    return [_submission(row) for row in rows]


async def mark_warned(connection: Connection, submission_id: UUID, days: int) -> None:
    """The customer was told so many days before the end."""
    await connection.execute("UPDATE kyc_submissions SET warned = $2 WHERE id = $1", submission_id, days)


async def forget_draft(connection: Connection, submission_id: UUID) -> None:
    """What a draft says that was never sent in goes with its key."""
    await connection.execute(
        "UPDATE kyc_submissions SET data_key = NULL, declaration = NULL, profile = NULL WHERE id = $1", submission_id
    )


def _submission(row: Any) -> Submission:
    return Submission(**dict(row))
