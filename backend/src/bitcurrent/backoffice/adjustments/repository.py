"""The SQL of adjustments."""

from dataclasses import fields
from typing import Final
from uuid import UUID

from bitcurrent.backoffice.adjustments.model import Adjustment
from bitcurrent.kernel.database import Connection

# Names of our own fields, never somebody's input.
_ADJUSTMENT: Final = ", ".join(field.name for field in fields(Adjustment))


async def insert(connection: Connection, new: Adjustment) -> Adjustment:
    """Write down what was granted; the database compares it with the approval."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO adjustments (id, user_id, currency, amount, reason, evidence, approval_id, asked_by, granted_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_ADJUSTMENT}
        """,
        new.id,
        new.user_id,
        new.currency,
        new.amount,
        new.reason,
        new.evidence,
        new.approval_id,
        new.asked_by,
        new.granted_by,
    )
    assert row is not None  # INSERT … RETURNING gives its row
    return Adjustment(**dict(row))


async def search(
    connection: Connection, *, user_id: UUID | None, currency: str | None, before: UUID | None, limit: int
) -> list[Adjustment]:
    """Adjustments, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_ADJUSTMENT} FROM adjustments
        WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR currency = $2)
          AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        user_id,
        currency,
        before,
        limit,
    )
    return [Adjustment(**dict(row)) for row in rows]
