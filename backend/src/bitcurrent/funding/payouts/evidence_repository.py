"""The SQL of what the bank's statements say to whoever compares them with the books."""

from typing import Any

from bitcurrent.kernel.database import Connection


async def newest_lines(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest lines of the statements that were read in."""
    rows = await connection.fetch(
        "SELECT bank_reference, booked_on, currency, amount, withdrawal_id FROM bank_lines "
        "ORDER BY booked_on DESC, bank_reference LIMIT $1",
        limit,
    )
    return [dict(row) for row in rows]
