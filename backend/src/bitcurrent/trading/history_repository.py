"""The SQL of searching past orders and executions. Every search is bounded by its limit and walks one index."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import asyncpg

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.kernel.personal_data import PREFETCH_ROWS, rows_of
from bitcurrent.trading.model import OrderState, Side
from bitcurrent.trading.searches import Execution, ExecutionSearch, OrderSearch


async def search_orders(connection: Connection, user_id: UserId, which: OrderSearch) -> list[OrderId]:
    """Ids of a customer's orders that match, by time of placing."""
    direction = "ASC" if which.oldest_first else "DESC"
    rows = await connection.fetch(
        # nosemgrep: formatted-sql  two words of this function
        f"""
        SELECT id FROM orders
        WHERE user_id = $1
          AND ($2::text[] IS NULL OR market = ANY ($2)) AND ($3::text IS NULL OR side = $3)
          AND ($4::boolean IS NULL OR (finished_at IS NULL) = $4)
          AND ($5::timestamptz IS NULL OR created_at > $5) AND ($6::timestamptz IS NULL OR created_at < $6)
          AND ($7::uuid IS NULL OR (created_at, id) > (uuid_extract_timestamp($7), $7))
          AND ($8::uuid IS NULL OR (created_at, id) < (uuid_extract_timestamp($8), $8))
        ORDER BY created_at {direction}, id {direction} LIMIT $9
        """,
        user_id,
        list(which.markets) if which.markets is not None else None,
        which.side,
        which.is_open,
        which.after,
        which.until,
        which.after_id,
        which.before_id,
        which.limit,
    )
    return [row["id"] for row in rows]


async def search_executions(connection: Connection, user_id: UserId, which: ExecutionSearch) -> list[Execution]:
    """A customer's fills that match, with the running total of each one's order."""
    direction, beyond = ("ASC", ">") if which.oldest_first else ("DESC", "<")
    rows = await connection.fetch(
        # nosemgrep: formatted-sql  two words of this function
        f"""
        SELECT f.id, f.created_at AS booked_at, f.filled_at, f.order_id, f.market, f.side, f.quantity,
            f.price, f.fee, f.fee_currency, o.state AS order_state, o.quantity AS ordered,
            o.filled_quantity AS order_filled,
            (SELECT sum(g.quantity) FROM fills g WHERE g.order_id = f.order_id
                AND (g.created_at, g.id) <= (f.created_at, f.id)) AS filled_by_then
        FROM fills f
        JOIN orders o ON o.id = f.order_id AND o.created_at = uuid_extract_timestamp(f.order_id)
        WHERE f.user_id = $1 AND ($2::uuid IS NULL OR f.order_id = $2)
          AND ($3::timestamptz IS NULL OR f.created_at > $3) AND ($4::timestamptz IS NULL OR f.created_at < $4)
          AND ($5::uuid IS NULL OR (f.created_at, f.id) {beyond} (uuid_extract_timestamp($5), $5))
        ORDER BY f.created_at {direction}, f.id {direction} LIMIT $6
        """,
        user_id,
        which.order_id,
        which.after,
        which.until,
        which.beyond,
        which.limit,
    )
    return [
        Execution(
            id=row["id"],
            booked_at=row["booked_at"],
            filled_at=row["filled_at"],
            order_id=row["order_id"],
            market=row["market"],
            side=Side(row["side"]),
            quantity=row["quantity"],
            price=row["price"],
            fee=row["fee"],
            fee_currency=row["fee_currency"],
            filled_by_then=row["filled_by_then"],
            left_by_then=None if row["ordered"] is None else row["ordered"] - row["filled_by_then"],
            order_state=OrderState(row["order_state"]),
            order_filled=row["order_filled"],
        )
        for row in rows
    ]


def order_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's orders for an export, oldest first."""
    return rows_of(
        connection,
        """
        SELECT id, created_at, updated_at, client_order_id, source, market, side, type, time_in_force, quantity,
            notional, limit_price, stop_price, fee_bps, state, reason, filled_quantity, filled_cost, fee, fee_currency,
            replaces, replaced_by, submitted_at, finished_at
        FROM orders WHERE user_id = $1 ORDER BY created_at, id
        """,
        user_id,
    )


def fill_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's fills for an export, oldest first."""
    return rows_of(
        connection,
        """
        SELECT id, created_at, filled_at, order_id, market, side, quantity, price, cost, fee, fee_currency, fee_bps,
            liquidity
        FROM fills WHERE user_id = $1 ORDER BY created_at, id
        """,
        user_id,
    )


async def count_fills(connection: Connection, user_id: UserId, since: datetime, until: datetime) -> int:
    """How many fills a customer had in [since, until)."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM fills WHERE user_id = $1 AND created_at >= $2 AND created_at < $3", user_id, since, until
    )
    return found


async def trade_rows(
    connection: Connection, user_id: UserId, since: datetime, until: datetime
) -> AsyncIterator[asyncpg.Record]:
    """Those fills with their orders' own names, oldest first, through a cursor."""
    query = """
        SELECT f.id, f.order_id, o.client_order_id, f.filled_at, f.market, f.side, f.liquidity, f.quantity, f.price,
            f.cost, f.fee, f.fee_currency, f.fee_bps
        FROM fills f LEFT JOIN orders o ON o.id = f.order_id AND o.created_at = uuid_extract_timestamp(f.order_id)
        WHERE f.user_id = $1 AND f.created_at >= $2 AND f.created_at < $3 ORDER BY f.created_at, f.id
        """
    async for row in connection.cursor(query, user_id, since, until, prefetch=PREFETCH_ROWS):
        yield row
