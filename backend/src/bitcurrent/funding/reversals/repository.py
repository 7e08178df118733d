"""The SQL of refunds, and of what is to be looked up at the processor."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from bitcurrent.funding.reversals.model import LookSubject, Origin, Refund, RefundState
from bitcurrent.kernel.database import Connection

# Column lists are made of field names of our own classes, never of somebody's input.
_NAMES = tuple(field.name for field in fields(Refund))
_REFUND = ", ".join(_NAMES)
_R_REFUND = ", ".join(f"r.{name}" for name in _NAMES)
_SELECT = f"SELECT {_REFUND} FROM refunds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Something to read anew at the processor."""

    subject: LookSubject
    object_id: str
    hints: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRefund:
    """A claimed refund and the payment that it goes back on."""

    refund: Refund
    payment_intent: str


async def insert_refund(
    connection: Connection,
    *,
    refund_id: UUID,
    user_id: UUID,
    lot_id: UUID,
    currency: str,
    amount: Decimal,
    origin: Origin,
    state: RefundState,
    held: Decimal,
    withdrawal_id: UUID | None = None,
    asked_by: UUID | None = None,
    reason: str | None = None,
    processor_refund_id: str | None = None,
) -> Refund:
    """A new refund; one that is requested is sent at once."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO refunds (id, user_id, lot_id, currency, amount, origin, state, held, withdrawal_id, asked_by,
            reason, processor_refund_id, next_at, finished_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, CASE $7 WHEN 'requested' THEN now() END,
            CASE $7 WHEN 'succeeded' THEN now() END)
        RETURNING {_REFUND}
        """,
        refund_id,
        user_id,
        lot_id,
        currency,
        amount,
        origin,
        state.value,
        held,
        withdrawal_id,
        asked_by,
        reason,
        processor_refund_id,
    )
    assert row is not None
    return _refund(row)


async def find_refund(connection: Connection, refund_id: UUID, *, lock: bool = False) -> Refund | None:
    """A refund by our id."""
    # nosemgrep: formatted-sql  words of this module, nobody's input
    row = await connection.fetchrow(f"{_SELECT} WHERE id = $1{' FOR UPDATE' if lock else ''}", refund_id)
    return _refund(row) if row else None


async def find_by_processor(connection: Connection, processor_refund_id: str) -> Refund | None:
    """A refund by the processor's id, locked."""
    row = await connection.fetchrow(f"{_SELECT} WHERE processor_refund_id = $1 FOR UPDATE", processor_refund_id)
    return _refund(row) if row else None


async def list_refunds(
    connection: Connection,
    *,
    user_id: UUID | None = None,
    lot_id: UUID | None = None,
    withdrawal_id: UUID | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[Refund]:
    """Refunds, newest first."""
    rows = await connection.fetch(
        f"""
        {_SELECT} WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::uuid IS NULL OR lot_id = $2)
            AND ($3::uuid IS NULL OR withdrawal_id = $3) AND ($4::uuid IS NULL OR id < $4)
        ORDER BY id DESC LIMIT $5
        """,
        user_id,
        lot_id,
        withdrawal_id,
        before,
        limit,
    )
    return [_refund(row) for row in rows]


async def lots_with_failures(connection: Connection, user_id: UUID) -> frozenset[UUID]:
    """A customer's card deposits whose card did not take a refund."""
    rows = await connection.fetch(
        "SELECT DISTINCT lot_id FROM refunds WHERE user_id = $1 AND state = 'failed'", user_id
    )
    return frozenset(row["lot_id"] for row in rows)


async def list_holding(connection: Connection, user_id: UUID, currency: str | None, *, limit: int) -> list[Refund]:
    """Refunds that hold something, oldest first."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE user_id = $1 AND held > 0 AND ($2::text IS NULL OR currency = $2) ORDER BY id LIMIT $3",
        user_id,
        currency,
        limit,
    )
    return [_refund(row) for row in rows]


async def change_refund(
    connection: Connection,
    refund_id: UUID,
    *,
    state: RefundState,
    taken: bool,
    held: Decimal,
    shortfall: Decimal,
    processor_refund_id: str | None,
    failure: str | None,
) -> None:
    """Write down what the processor has said."""
    await connection.execute(
        """
        UPDATE refunds SET state = $2, held = $3, shortfall = $4, processor_refund_id = $5, failure = $6, taken = $7,
            unknown_since = NULL, updated_at = now(),
            finished_at = CASE WHEN $2 IN ('succeeded', 'failed') THEN now() END,
            -- One that the bank has not finished is looked at again by and by.
            next_at = CASE $2 WHEN 'pending' THEN now() + interval '1 hour' END
        WHERE id = $1
        """,
        refund_id,
        state.value,
        held,
        shortfall,
        processor_refund_id,
        failure,
        taken,
    )


async def claim_due(connection: Connection, *, limit: int, lease: timedelta) -> list[DueRefund]:
    """Refunds whose time has come; nobody else gets them until the lease is over. What was not sent is `sending`."""
    rows = await connection.fetch(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        WITH due AS (
            SELECT r.id, l.payment_intent FROM refunds r JOIN lots l ON l.id = r.lot_id
            WHERE r.next_at <= now() AND r.state IN ('requested', 'sending', 'pending')
            ORDER BY r.next_at LIMIT $1 FOR UPDATE OF r SKIP LOCKED
        )
        UPDATE refunds r SET next_at = now() + $2, attempts = attempts + 1, updated_at = now(),
            state = CASE state WHEN 'requested' THEN 'sending' ELSE state END
        FROM due WHERE r.id = due.id RETURNING {_R_REFUND}, due.payment_intent
        """,
        limit,
        lease,
    )
    return [
        DueRefund(refund=_refund({name: row[name] for name in _NAMES}), payment_intent=row["payment_intent"] or "")
        for row in rows
    ]


async def postpone(connection: Connection, refund_id: UUID, *, pause: timedelta, sent: bool) -> None:
    """Not known to be done: `sent` says whether it may have happened (then it is asked for), else it is sent again."""
    await connection.execute(
        """
        UPDATE refunds SET next_at = now() + $2, updated_at = now(),
            state = CASE WHEN state = 'sending' AND unknown_since IS NULL AND NOT $3 THEN 'requested' ELSE state END,
            unknown_since = CASE WHEN state = 'sending' AND $3 THEN coalesce(unknown_since, now())
                ELSE unknown_since END
        WHERE id = $1 AND state IN ('sending', 'pending')
        """,
        refund_id,
        pause,
        sent,
    )


async def want_look(connection: Connection, subject: LookSubject, object_id: str) -> None:
    """Something was said about it: read it anew."""
    await connection.execute(
        """
        INSERT INTO looks AS l (subject, object_id) VALUES ($1, $2)
        ON CONFLICT (subject, object_id) DO UPDATE SET hints = l.hints + 1, next_at = now(), attempts = 0
        """,
        subject,
        object_id,
    )


async def claim_looks(connection: Connection, *, limit: int, lease: timedelta) -> list[Look]:
    """What is to be read now; nobody else gets it until the lease is over."""
    rows = await connection.fetch(
        """
        WITH due AS (
            SELECT subject, object_id FROM looks WHERE next_at <= now() ORDER BY next_at LIMIT $1
            FOR UPDATE SKIP LOCKED
        )
        UPDATE looks l SET next_at = now() + $2, attempts = l.attempts + 1 FROM due
        WHERE l.subject = due.subject AND l.object_id = due.object_id
        RETURNING l.subject, l.object_id, l.hints, l.attempts
        """,
        limit,
        lease,
    )
    return [Look(**dict(row)) for row in rows]


async def end_look(connection: Connection, look: Look) -> None:
    """It was read and applied; not forgotten when it was spoken of again meanwhile."""
    await connection.execute(
        "DELETE FROM looks WHERE subject = $1 AND object_id = $2 AND hints = $3",
        look.subject,
        look.object_id,
        look.hints,
    )


async def look_again(connection: Connection, look: Look, *, pause: timedelta, trouble: str | None) -> None:
    """Read it again later; unless it was spoken of meanwhile: then it is due already."""
    await connection.execute(
        """
        UPDATE looks SET next_at = now() + $4, trouble = $5
        WHERE subject = $1 AND object_id = $2 AND hints = $3
        """,
        look.subject,
        look.object_id,
        look.hints,
        pause,
        trouble,
    )


async def count_open(connection: Connection) -> tuple[int, int, int]:
    """Refunds that are not finished, those of them whose outcome nobody knows, and looks that fail."""
    row = await connection.fetchrow(
        """
        SELECT count(*) FILTER (WHERE state IN ('requested', 'sending')) AS open,
            count(*) FILTER (WHERE unknown_since IS NOT NULL) AS unknown,
            (SELECT count(*) FROM looks WHERE trouble IS NOT NULL) AS troubled
        FROM refunds WHERE next_at IS NOT NULL
        """
    )
    assert row is not None
    return row["open"], row["unknown"], row["troubled"]


def _refund(row: Mapping[str, Any] | asyncpg.Record) -> Refund:
    return Refund(**{**dict(row), "state": RefundState(row["state"])})
