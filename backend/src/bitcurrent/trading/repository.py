"""All the SQL of trading. Money moves inside the SQL functions of functions.sql and settlement.sql."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.trading.model import (
    FeeRate,
    Fill,
    Liquidity,
    Order,
    OrderState,
    OrderType,
    Side,
    Terms,
    TimeInForce,
)

# Column lists are made of field names of our own classes, never of somebody's input.
_ORDER = ", ".join(field.name for field in fields(Order))
_FILL = ", ".join(field.name for field in fields(Fill))
_SELECT_ORDER = f"SELECT {_ORDER} FROM orders"
_BY_ID = f"{_SELECT_ORDER} WHERE id = $1 AND created_at = uuid_extract_timestamp($1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """All that `place_order` writes down for one order."""

    id: OrderId
    user_id: UserId
    client_order_id: str | None
    idempotency_key: str | None
    request_hash: bytes
    source: str
    market: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    terms: Terms

    def columns(self) -> tuple[Any, ...]:
        """The arguments of SQL's `place_order`, in its order."""
        terms = self.terms
        return (
            self.id,
            self.user_id,
            self.client_order_id,
            self.idempotency_key,
            self.request_hash,
            self.source,
            self.market,
            self.side,
            self.type,
            self.time_in_force,
            terms.quantity,
            terms.notional,
            terms.limit_price,
            terms.stop_price,
            terms.collar_price,
            terms.fee_bps,
            terms.liquidity,
            terms.hold_currency,
            terms.hold_amount,
            terms.fee_currency,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """All that `request_replace` writes down."""

    id: OrderId
    user_id: UserId
    old_id: OrderId
    client_order_id: str | None
    idempotency_key: str | None
    request_hash: bytes
    source: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class PlaceOutcome:
    """What became of a wish: see SQL's `place_order` for the words. `available` is what is left, or was there."""

    outcome: str
    order_id: OrderId | None
    available: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders to list. `before` is the keyset: the (created_at, id) of the last one seen."""

    market: str | None = None
    side: Side | None = None
    states: Sequence[str] | None = None
    open_only: bool | None = None
    after: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, UUID] | None = None
    limit: int = 50


async def place_one(connection: Connection, order: NewOrder) -> PlaceOutcome:
    """Place a single order; one round trip, its own transaction when none is open."""
    row = await connection.fetchrow(
        "SELECT outcome, order_id, available FROM place_order("
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        *order.columns(),
    )
    assert row is not None
    return PlaceOutcome(row["outcome"], row["order_id"], row["available"])


async def is_placed(connection: Connection, order: NewOrder) -> bool:
    """Whether this very order is in the books: its id is made by us and used once."""
    return await read_order(connection, order.id, user_id=order.user_id) is not None


async def place_many(connection: Connection, orders: Sequence[NewOrder]) -> list[PlaceOutcome]:
    """Place orders together; outcomes as if placed one by one in this order."""
    rows = await connection.fetch(
        "SELECT ordinal, outcome, order_id, available FROM place_orders("
        "$1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::text[], "
        "$9::text[], $10::text[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[], "
        "$16::numeric[], $17::text[], $18::text[], $19::numeric[], $20::text[])",
        *(list(column) for column in zip(*(order.columns() for order in orders), strict=True)),
    )
    found = {row["ordinal"]: row for row in rows}
    ordered = (found[n] for n in range(1, len(orders) + 1))
    return [PlaceOutcome(row["outcome"], row["order_id"], row["available"]) for row in ordered]


async def request_replace(connection: Connection, new: Replacement) -> PlaceOutcome:
    """Ask for a replacement of an order; see the SQL function for the words."""
    terms = new.terms
    row = await connection.fetchrow(
        "SELECT outcome, order_id, available FROM request_replace("
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        new.id,
        new.user_id,
        new.old_id,
        new.client_order_id,
        new.idempotency_key,
        new.request_hash,
        new.source,
        terms.quantity,
        terms.limit_price,
        terms.stop_price,
        terms.fee_bps,
        terms.liquidity,
        terms.hold_amount,
    )
    assert row is not None
    return PlaceOutcome(row["outcome"], row["order_id"], row["available"])


async def request_cancel(connection: Connection, user_id: UserId, order_id: OrderId) -> str:
    """Ask for a cancel: canceled, pending, already or unknown_order."""
    return str(await connection.fetchval("SELECT request_cancel($1, $2)", user_id, order_id))


async def read_order(connection: Connection, order_id: OrderId, *, user_id: UserId | None = None) -> Order | None:
    """One order by id; with `user_id` only if it is theirs."""
    row = await connection.fetchrow(f"{_BY_ID} AND ($2::uuid IS NULL OR user_id = $2)", order_id, user_id)
    return _order(row) if row else None


async def read_orders(connection: Connection, order_ids: Sequence[OrderId]) -> dict[OrderId, Order]:
    """Orders by id."""
    rows = await connection.fetch(
        f"{_SELECT_ORDER} WHERE (id, created_at) IN (SELECT x, uuid_extract_timestamp(x) FROM unnest($1::uuid[]) AS x)",
        list(order_ids),
    )
    return {row["id"]: _order(row) for row in rows}


async def find_by_client_order_id(connection: Connection, user_id: UserId, client_order_id: str) -> Order | None:
    """The customer's order with this client_order_id, or with this id when it was placed without one."""
    order_id = await connection.fetchval(
        "SELECT order_id FROM order_keys WHERE user_id = $1 AND key = 'c:' || $2::text", user_id, client_order_id
    )
    if order_id is None:
        try:
            order_id = UUID(client_order_id)
        except ValueError:
            return None
    return await read_order(connection, order_id, user_id=user_id)


async def find_repeat(
    connection: Connection,
    user_id: UserId,
    client_order_id: str | None,
    idempotency_key: str | None,
    request_hash: bytes,
) -> Order | None:
    """The order that an equal earlier request placed under one of these keys."""
    order_id = await connection.fetchval(
        "SELECT order_id FROM order_keys WHERE user_id = $1 AND request_hash = $4 "
        "AND key IN ('i:' || $2::text, 'c:' || $3::text) LIMIT 1",
        user_id,
        idempotency_key,
        client_order_id,
        request_hash,
    )
    return await read_order(connection, order_id, user_id=user_id) if order_id else None


async def list_orders(connection: Connection, user_id: UserId, which: OrderFilter) -> list[Order]:
    """A customer's orders, newest first."""
    before_time, before_id = which.before or (None, None)
    rows = await connection.fetch(
        f"""
        {_SELECT_ORDER}
        WHERE user_id = $1
          AND ($2::text IS NULL OR market = $2) AND ($3::text IS NULL OR side = $3)
          AND ($4::text[] IS NULL OR state = ANY ($4))
          AND ($5::boolean IS NULL OR (finished_at IS NULL) = $5)
          AND ($6::timestamptz IS NULL OR created_at > $6) AND ($7::timestamptz IS NULL OR created_at < $7)
          AND ($8::timestamptz IS NULL OR (created_at <= $8 AND (created_at, id) < ($8, $9::uuid)))
        ORDER BY created_at DESC, id DESC LIMIT $10
        """,
        user_id,
        which.market,
        which.side,
        list(which.states) if which.states is not None else None,
        which.open_only,
        which.after,
        which.until,
        before_time,
        before_id,
        which.limit,
    )
    return [_order(row) for row in rows]


async def lock_open_orders(connection: Connection, user_id: UserId, markets: Sequence[str] | None) -> list[OrderId]:
    """Lock a customer's orders (of some markets) that have not ended, in order of id; at most 1,000."""
    rows = await connection.fetch(
        "SELECT id FROM orders WHERE user_id = $1 AND finished_at IS NULL "
        "AND ($2::text[] IS NULL OR market = ANY ($2)) ORDER BY id LIMIT 1000 FOR UPDATE",
        user_id,
        markets,
    )
    return [row["id"] for row in rows]


async def list_fills(
    connection: Connection,
    user_id: UserId,
    *,
    order_id: OrderId | None = None,
    market: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Fill]:
    """A customer's fills, newest first."""
    before_time, before_execution = before or (None, None)
    rows = await connection.fetch(
        f"""
        SELECT {_FILL} FROM fills
        WHERE user_id = $1 AND ($2::uuid IS NULL OR order_id = $2) AND ($3::text IS NULL OR market = $3)
          AND ($4::timestamptz IS NULL OR (created_at <= $4 AND (created_at, execution_id) < ($4, $5::text)))
        ORDER BY created_at DESC, execution_id DESC LIMIT $6
        """,
        user_id,
        order_id,
        market,
        before_time,
        before_execution,
        limit,
    )
    return [_fill(row) for row in rows]


async def read_fee_tiers(connection: Connection) -> list[FeeRate]:
    """The fee schedule in force now, by rising volume."""
    rows = await connection.fetch(
        """
        SELECT volume_from, maker_bps, taker_bps FROM fee_tiers
        WHERE effective_from = (SELECT max(effective_from) FROM fee_tiers WHERE effective_from <= now())
        ORDER BY volume_from
        """
    )
    return [FeeRate(row["volume_from"], row["maker_bps"], row["taker_bps"]) for row in rows]


async def read_volume(connection: Connection, user_id: UserId) -> Decimal:
    """What a customer traded in the last 30 days, in USD."""
    value: Decimal = await connection.fetchval(
        "SELECT coalesce(sum(volume), 0) FROM trading_volumes "
        "WHERE user_id = $1 AND day > (now() AT TIME ZONE 'UTC')::date - 30",
        user_id,
    )
    return value


async def read_volume_since(connection: Connection, user_id: UserId, since: datetime) -> Decimal:
    """What a customer's fills since a moment were worth, in USD."""
    value: Decimal = await connection.fetchval(
        "SELECT coalesce(sum(worth), 0) FROM fills WHERE user_id = $1 AND created_at >= $2", user_id, since
    )
    return value


def _order(row: asyncpg.Record) -> Order:
    values = dict(row)
    values["side"] = Side(values["side"])
    values["type"] = OrderType(values["type"])
    values["time_in_force"] = TimeInForce(values["time_in_force"])
    values["liquidity"] = Liquidity(values["liquidity"])
    values["state"] = OrderState(values["state"])
    values["closing_state"] = OrderState(values["closing_state"]) if values["closing_state"] else None
    return Order(**values)


def _fill(row: asyncpg.Record) -> Fill:
    values = dict(row)
    values["side"] = Side(values["side"])
    values["liquidity"] = Liquidity(values["liquidity"])
    return Fill(**values)
