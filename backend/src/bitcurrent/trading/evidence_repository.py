"""The SQL of what fills and orders say to whoever compares the books with the venue."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.trading.model import FillEvidence, Side


async def fills_since(connection: Connection, moment: datetime) -> list[FillEvidence]:
    """Fills that the venue made after a moment, oldest first."""
    # A fill is booked after it was made, so the partition and its first rows are known; clocks may differ a little.
    rows = await connection.fetch(
        """
        SELECT market, side, quantity, cost, filled_at FROM fills
        WHERE filled_at > $1 AND created_at > $1::timestamptz - interval '1 hour' ORDER BY filled_at, created_at, id
        """,
        moment,
    )
    return [FillEvidence(**{**dict(row), "side": Side(row["side"])}) for row in rows]


async def received_since(
    connection: Connection, moments: Mapping[str, datetime], usual: datetime
) -> dict[str, Decimal]:
    """What fills have brought in of each asset since its moment (since `usual` where it has none), before fees."""
    rows = await connection.fetch(
        """
        WITH since AS (SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS s (asset, moment)),
        received AS (
            SELECT fee_currency AS asset, CASE side WHEN 'buy' THEN quantity ELSE cost END AS amount, filled_at
            FROM fills WHERE created_at > (SELECT least(min(moment), $3) FROM since) - interval '1 hour'
        )
        SELECT r.asset, sum(r.amount) AS amount FROM received r LEFT JOIN since s USING (asset)
        WHERE r.filled_at > coalesce(s.moment, $3) GROUP BY r.asset
        """,
        list(moments),
        list(moments.values()),
        usual,
    )
    return {row["asset"]: row["amount"] for row in rows}


async def booked_fills(
    connection: Connection, venue_order_ids: Sequence[str]
) -> list[tuple[str, str, Decimal, Decimal]]:
    """(venue's order id, market, quantity, price) of every booked fill of these orders."""
    rows = await connection.fetch(
        """
        SELECT o.venue_order_id, o.market, f.quantity, f.price FROM orders o
        JOIN fills f ON f.order_id = o.id WHERE o.venue_order_id = ANY ($1::text[])
        """,
        list(venue_order_ids),
    )
    return [(row["venue_order_id"], row["market"], row["quantity"], row["price"]) for row in rows]


async def orders_at_venue(connection: Connection, venue_order_ids: Sequence[str]) -> dict[str, str]:
    """The market of each of our orders that the venue knows by these ids."""
    rows = await connection.fetch(
        "SELECT venue_order_id, market FROM orders WHERE venue_order_id = ANY ($1::text[])", list(venue_order_ids)
    )
    return {row["venue_order_id"]: row["market"] for row in rows}


async def known_orders(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these ids that are orders of ours."""
    rows = await connection.fetch(
        "SELECT o.id FROM unnest($1::uuid[]) AS t (id) JOIN orders o "
        "ON o.id = t.id AND o.created_at = uuid_extract_timestamp(t.id)",
        list(ids),
    )
    return {row["id"] for row in rows}


async def filled_between(connection: Connection, since: datetime, until: datetime, *, limit: int) -> list[str]:
    """The venue's ids of orders that were filled, or in part, in a stretch of time."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT o.venue_order_id FROM fills f
        JOIN orders o ON o.id = f.order_id AND o.created_at = uuid_extract_timestamp(f.order_id)
        WHERE f.filled_at >= $1 AND f.filled_at < $2 AND f.created_at > $1::timestamptz - interval '1 hour'
          AND o.venue_order_id IS NOT NULL LIMIT $3
        """,
        since,
        until,
        limit,
    )
    return [row["venue_order_id"] for row in rows]
