"""The SQL behind what funding holds."""

from collections.abc import Sequence

import asyncpg

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def list_holdings(
    connection: Connection, user_id: UserId, currency: str | None, limit: int
) -> Sequence[asyncpg.Record]:
    """The same rows that law I7 counts (`funding.laws.FUNDING_HOLDERS`)."""
    return await connection.fetch(
        """
        SELECT * FROM (
            SELECT 'withdrawal' AS kind, id, asset AS currency, held AS amount, created_at AS since,
                NULL::timestamptz AS until, state FROM withdrawals WHERE user_id = $1 AND held > 0
            UNION ALL SELECT 'refund', id, currency, held, created_at, NULL, state
                FROM refunds WHERE user_id = $1 AND held > 0
            UNION ALL SELECT 'dispute', id, currency, locked, created_at, NULL, state
                FROM disputes WHERE user_id = $1 AND locked > 0
            UNION ALL SELECT 'bonus', id, currency, amount, earned_at, release_at, state
                FROM bonuses WHERE user_id = $1 AND state = 'earned'
        ) AS holding WHERE $2::text IS NULL OR currency = $2 ORDER BY since, id LIMIT $3
        """,
        user_id,
        currency,
        limit,
    )
