"""The SQL of what the bank's statements say to whoever compares them with the books."""

from typing import Any

from bitcurrent.kernel.database import Connection


async def closing_balances(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """By currency and day, of one day the newest file's, oldest first."""
    rows = await connection.fetch(
        """
        SELECT * FROM (
            SELECT DISTINCT ON (b.closed_on, b.currency) b.currency, b.closed_on, b.amount
            FROM bank_balances b JOIN bank_files f ON f.id = b.file_id
            ORDER BY b.closed_on DESC, b.currency, f.imported_at DESC LIMIT $1
        ) newest ORDER BY closed_on, currency
        """,
        limit,
    )
    return [dict(row) for row in rows]


async def newest_lines(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest lines of the statements that were read in."""
    rows = await connection.fetch(
        "SELECT bank_reference, booked_on, currency, amount, withdrawal_id FROM bank_lines "
        "ORDER BY booked_on DESC, bank_reference LIMIT $1",
        limit,
    )
    return [dict(row) for row in rows]
