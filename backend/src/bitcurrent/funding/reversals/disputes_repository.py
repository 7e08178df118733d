"""The SQL of disputes."""

from dataclasses import fields
from datetime import datetime
from uuid import UUID

import asyncpg

from bitcurrent.funding.reversals.model import Dispute, DisputeState
from bitcurrent.kernel.database import Connection

# The column list is made of field names of our own class, never of somebody's input.
_DISPUTE = ", ".join(field.name for field in fields(Dispute))
_SELECT = f"SELECT {_DISPUTE} FROM disputes"


async def find_dispute(connection: Connection, dispute_id: UUID, *, lock: bool = False) -> Dispute | None:
    """A dispute by our id."""
    # nosemgrep: formatted-sql  words of this module, nobody's input
    row = await connection.fetchrow(f"{_SELECT} WHERE id = $1{' FOR UPDATE' if lock else ''}", dispute_id)
    return _dispute(row) if row else None


async def find_by_processor(connection: Connection, processor_dispute_id: str) -> Dispute | None:
    """A dispute by the processor's id, locked."""
    row = await connection.fetchrow(f"{_SELECT} WHERE processor_dispute_id = $1 FOR UPDATE", processor_dispute_id)
    return _dispute(row) if row else None


async def list_disputes(
    connection: Connection,
    *,
    user_id: UUID | None = None,
    lot_id: UUID | None = None,
    state: DisputeState | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[Dispute]:
    """Disputes, newest first."""
    rows = await connection.fetch(
        f"""
        {_SELECT} WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::uuid IS NULL OR lot_id = $2)
            AND ($3::text IS NULL OR state = $3) AND ($4::uuid IS NULL OR id < $4)
        ORDER BY id DESC LIMIT $5
        """,
        user_id,
        lot_id,
        state.value if state else None,
        before,
        limit,
    )
    return [_dispute(row) for row in rows]


async def list_holding(connection: Connection, user_id: UUID, currency: str | None, *, limit: int) -> list[Dispute]:
    """Disputes that lock something, oldest first."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE user_id = $1 AND locked > 0 AND ($2::text IS NULL OR currency = $2) ORDER BY id LIMIT $3",
        user_id,
        currency,
        limit,
    )
    return [_dispute(row) for row in rows]


async def insert_dispute(connection: Connection, dispute: Dispute) -> None:
    """A dispute that was not known before; nothing has moved for it so far."""
    await connection.execute(
        """
        INSERT INTO disputes (id, processor_dispute_id, user_id, lot_id, currency, amount, reason, status, state,
            respond_by, closed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $9 <> 'open' THEN now() END)
        """,
        dispute.id,
        dispute.processor_dispute_id,
        dispute.user_id,
        dispute.lot_id,
        dispute.currency,
        dispute.amount,
        dispute.reason,
        dispute.status,
        dispute.state.value,
        dispute.respond_by,
    )


async def change_dispute(connection: Connection, dispute: Dispute) -> None:
    """Write down what became of it; who noted what is not touched."""
    await connection.execute(
        """
        UPDATE disputes SET status = $2, state = $3, withdrawn = $4, reinstated = $5, fee = $6, locked = $7, taken = $8,
            steps = $9, respond_by = $10, updated_at = now(),
            closed_at = CASE WHEN $3 = 'open' THEN NULL WHEN state = $3 THEN closed_at ELSE now() END
        WHERE id = $1
        """,
        dispute.id,
        dispute.status,
        dispute.state.value,
        dispute.withdrawn,
        dispute.reinstated,
        dispute.fee,
        dispute.locked,
        dispute.taken,
        dispute.steps,
        dispute.respond_by,
    )


async def set_note(connection: Connection, dispute_id: UUID, note: str, noted_by: UUID) -> None:
    """What an operator writes down about it."""
    await connection.execute(
        "UPDATE disputes SET note = $2, noted_by = $3, updated_at = now() WHERE id = $1", dispute_id, note, noted_by
    )


async def any_open(connection: Connection, lot_id: UUID) -> bool:
    """Whether anything is still open about a deposit."""
    found = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM disputes WHERE lot_id = $1 AND state = 'open')", lot_id
    )
    return bool(found)


async def updated_at(connection: Connection, processor_dispute_id: str) -> datetime | None:
    """When we last wrote something down about it; None when it is unknown."""
    found: datetime | None = await connection.fetchval(
        "SELECT updated_at FROM disputes WHERE processor_dispute_id = $1", processor_dispute_id
    )
    return found


def _dispute(row: asyncpg.Record) -> Dispute:
    return Dispute(**{**dict(row), "state": DisputeState(row["state"])})
