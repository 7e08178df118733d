"""What orders and fills are worth in USD: the SQL."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import asyncpg

from bitcurrent.compliance.limits.model import Usage
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def save_prices(connection: Connection, prices: Mapping[str, Decimal]) -> None:
    """Remember what one unit of each asset costs in USD."""
    await connection.execute(
        """
        INSERT INTO usd_prices (currency, price) SELECT * FROM unnest($1::text[], $2::numeric[]) ORDER BY 1
        ON CONFLICT (currency) DO UPDATE SET price = excluded.price, updated_at = now()
        """,
        list(prices),
        list(prices.values()),
    )


async def value_fills(connection: Connection, *, limit: int) -> int:
    """Give fills a worth that had none for want of a price; how many."""
    return int(await connection.fetchval("SELECT value_fills($1)", limit))


async def is_limited(connection: Connection, products: tuple[str, ...]) -> bool:
    """Whether there is any limit on orders at all, now or later."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM limit_rules WHERE product = ANY ($1) AND maximum IS NOT NULL)", products
        )
    )


async def usage_since(
    connection: Connection, user_id: UserId, since: datetime, *, asset: str | None, side: str | None
) -> tuple[Usage, bool]:
    """What a customer traded since a moment, and what orders placed since may still trade; and whether all is known.

    `asset` is what is bought or sold. What was canceled, rejected or expired counts with what it filled.
    """
    row = await connection.fetchrow(
        """
        WITH used AS (
            SELECT f.worth, f.quantity AS amount, f.created_at AS at FROM fills f
            WHERE f.user_id = $1 AND f.created_at >= $2
              AND ($3::text IS NULL OR split_part(f.market, '/', 1) = $3) AND ($4::text IS NULL OR f.side = $4)
            UNION ALL
            SELECT round(q.rest * CASE WHEN q.currency = 'USD' THEN 1 ELSE p.price END, 18), q.amount, q.at FROM (
                SELECT o.created_at AS at, coalesce(o.quantity - o.filled_quantity, 0) AS amount,
                    CASE WHEN o.notional IS NOT NULL THEN greatest(o.notional - o.filled_cost, 0)
                        ELSE (o.quantity - o.filled_quantity) * coalesce(o.limit_price, o.collar_price, 1) END AS rest,
                    CASE WHEN o.notional IS NULL AND o.limit_price IS NULL AND o.collar_price IS NULL
                        THEN split_part(o.market, '/', 1) ELSE split_part(o.market, '/', 2) END AS currency
                FROM orders o
                WHERE o.user_id = $1 AND o.finished_at IS NULL AND o.created_at >= $2
                  AND ($3::text IS NULL OR split_part(o.market, '/', 1) = $3) AND ($4::text IS NULL OR o.side = $4)
            ) q LEFT JOIN usd_prices p ON p.currency = q.currency
        ), placed AS (
            SELECT count(*) AS count FROM orders o
            WHERE o.user_id = $1 AND o.created_at >= $2 AND (o.finished_at IS NULL OR o.filled_quantity > 0)
              AND ($3::text IS NULL OR split_part(o.market, '/', 1) = $3) AND ($4::text IS NULL OR o.side = $4)
        )
        SELECT coalesce(sum(u.worth), 0) AS worth, coalesce(sum(u.amount), 0) AS amount, min(u.at) AS oldest,
            count(*) FILTER (WHERE u.at IS NOT NULL AND u.worth IS NULL) = 0 AS known,
            (SELECT count FROM placed) AS count
        FROM used u
        """,
        user_id,
        since,
        asset,
        side,
    )
    assert row is not None  # an aggregate without groups gives one row
    return _usage(row), bool(row["known"])


def _usage(row: asyncpg.Record) -> Usage:
    return Usage(worth=row["worth"], amount=row["amount"], count=row["count"], oldest=row["oldest"])
