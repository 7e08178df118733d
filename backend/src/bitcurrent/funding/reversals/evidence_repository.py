"""The SQL of what refunds and disputes say to whoever compares the books with the processor."""

from collections.abc import Sequence
from uuid import UUID

from bitcurrent.kernel.database import Connection


async def find_refunds(connection: Connection, refunds: Sequence[str]) -> list[tuple[str, UUID, UUID | None]]:
    """(processor's id, our id, the withdrawal that asked for it) of those of these refunds that we know."""
    rows = await connection.fetch(
        "SELECT processor_refund_id, id, withdrawal_id FROM refunds WHERE processor_refund_id = ANY ($1::text[])",
        list(refunds),
    )
    return [(row["processor_refund_id"], row["id"], row["withdrawal_id"]) for row in rows]


async def find_disputes(connection: Connection, disputes: Sequence[str]) -> list[tuple[str, int]]:
    """(processor's id, steps taken) of those of these disputes that we know."""
    rows = await connection.fetch(
        "SELECT processor_dispute_id, steps FROM disputes WHERE processor_dispute_id = ANY ($1::text[])",
        list(disputes),
    )
    return [(row["processor_dispute_id"], row["steps"]) for row in rows]
