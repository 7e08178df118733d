"""The SQL of what withdrawals say to whoever compares the books with the outside."""

from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.database import Connection


async def find_by_reference(connection: Connection, rail: str, reference: str) -> UUID | None:
    """The withdrawal that a rail knows by this name of its own."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM withdrawals WHERE rail = $1 AND reference = $2", rail, reference
    )
    return found


async def sum_under_way(connection: Connection, rail: str) -> dict[str, Decimal]:
    """What a rail may have paid already while the books still hold it, by asset, with the network's fee."""
    rows = await connection.fetch(
        """
        SELECT asset, sum(amount + network_fee) AS total FROM withdrawals
        WHERE rail = $1 AND state IN ('sending', 'sent') AND finished_at IS NULL GROUP BY asset
        """,
        rail,
    )
    return {row["asset"]: row["total"] for row in rows}
