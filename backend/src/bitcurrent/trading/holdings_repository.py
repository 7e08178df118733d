"""The SQL behind what orders hold and what fills have made."""

from collections.abc import Sequence

import asyncpg

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def list_holds(
    connection: Connection, user_id: UserId, currency: str | None, limit: int
) -> Sequence[asyncpg.Record]:
    """Orders that hold something, oldest first; all of them are open (law I7)."""
    return await connection.fetch(
        """
        SELECT id AS order_id, client_order_id, market, side, type, state, quantity, limit_price, filled_quantity,
            hold_currency AS currency, held AS amount, created_at AS since,
            cancel_requested_at IS NOT NULL AS cancel_requested, replaced_by IS NOT NULL AS being_replaced,
            closing_state IS NOT NULL AS awaiting_fills
        FROM orders
        WHERE user_id = $1 AND finished_at IS NULL AND held > 0 AND ($2::text IS NULL OR hold_currency = $2)
        ORDER BY created_at, id LIMIT $3
        """,
        user_id,
        currency,
        limit,
    )


async def list_positions(connection: Connection, user_id: UserId) -> Sequence[asyncpg.Record]:
    """One row for each coin that was ever traded."""
    return await connection.fetch(
        "SELECT currency, quantity, cost, realized FROM positions WHERE user_id = $1 ORDER BY currency", user_id
    )
