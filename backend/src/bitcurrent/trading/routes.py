"""/api/orders, /api/fills and /api/fees."""

import hashlib
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter

from bitcurrent.compliance.conduct.guards import requires_conduct
from bitcurrent.identity.guards import requires_scope
from bitcurrent.identity.model import Actor
from bitcurrent.identity.verified import requires_verified_email
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import OrderId
from bitcurrent.trading.model import OrderState, Side
from bitcurrent.trading.repository import OrderFilter
from bitcurrent.trading.schemas import (
    FeesAnswer,
    FillAnswer,
    OrderAnswer,
    OrderPreview,
    OrderRequest,
    ReplaceRequest,
    fee_tier,
    fill_answer,
    order_answer,
    preview_answer,
)
from bitcurrent.trading.service import Trading
from bitcurrent.web.amounts import Amount
from bitcurrent.web.chain import RATE, REPEATABLE
from bitcurrent.web.idempotency import REPLAYED, answer_once, intent_of
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import (
    LIMIT_DEFAULT,
    CursorText,
    Fields,
    Limit,
    MomentText,
    choose_fields,
    page_of,
    read_cursor,
    read_moment,
)
from bitcurrent.web.schemas import Page

TAGS = ["Trading"]
AnyRequest = Request[Any, Any, Any]
SymbolFilter = Annotated[str | None, QueryParameter(name="symbol", max_length=40, description="Only this market.")]
States = Annotated[
    list[OrderState] | None, QueryParameter(name="state", description="Only these states; may be repeated.")
]
OpenOnly = Annotated[bool | None, QueryParameter(name="open", description="Only open, or only ended, orders.")]
OrderIdPath = Annotated[UUID, PathParameter(description="The order's id.")]


@post(
    "/api/orders",
    operation_id="placeOrder",
    summary="Place an order",
    tags=TAGS,
    guards=[requires_scope("trade"), requires_verified_email, requires_conduct("buy")],
    opt={IDEMPOTENT: True, RATE: "money"},
)
async def place_order(
    request: AnyRequest, data: JSONBody[OrderRequest], actor: NamedDependency[Actor], trading: NamedDependency[Trading]
) -> Response[OrderAnswer]:
    """Checks every rule, holds the money, accepts the order. It is sent to the venue right after.

    Send an `Idempotency-Key` (or a `client_order_id`): repeating the request then answers the same and does nothing.
    """
    key, request_hash = await _key_and_hash(request, actor)
    order, repeated = await trading.place_order(
        actor.user_id,
        data.wish(),
        source=_source(actor),
        request_hash=request_hash,
        idempotency_key=key,
        limits=actor.limits,
    )
    return Response(order_answer(order), status_code=201, headers=_replayed(repeated))


@post(
    "/api/orders/preview",
    operation_id="previewOrder",
    summary="What an order would cost and bring",
    status_code=200,
    tags=TAGS,
    guards=[requires_scope("read")],
    opt={RATE: "read", REPEATABLE: "It changes nothing."},
)
async def preview_order(
    data: JSONBody[OrderRequest], actor: NamedDependency[Actor], trading: NamedDependency[Trading]
) -> OrderPreview:
    """The same rules as placing, with fee, hold and what would be received, at the price seen now."""
    wish = data.wish()
    symbol, terms = await trading.preview_order(actor.user_id, wish)
    return preview_answer(wish, symbol, terms)


@get(
    "/api/orders",
    operation_id="listOrders",
    summary="Your orders, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_orders(
    actor: NamedDependency[Actor],
    trading: NamedDependency[Trading],
    symbol: SymbolFilter = None,
    side: FromQuery[Side | None] = None,
    states: States = None,
    open_only: OpenOnly = None,
    after: MomentText = None,
    until: MomentText = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[OrderAnswer] | dict[str, Any]:
    """Keyset pages: pass `next` of a page as `cursor` for the one behind it."""
    which = OrderFilter(
        market=symbol,
        side=side,
        states=states,
        open_only=open_only,
        after=read_moment("after", after),
        until=read_moment("until", until),
        before=read_cursor(cursor, tuple[datetime, UUID]),
        limit=limit + 1,
    )
    orders = await trading.list_orders(actor.user_id, which)
    page = page_of(orders, limit, item=order_answer, key=lambda order: (order.created_at, order.id))
    return choose_fields(page, fields, OrderAnswer)


@get(
    "/api/orders/{order_id:uuid}",
    operation_id="readOrder",
    summary="One order",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_order(
    order_id: OrderIdPath, actor: NamedDependency[Actor], trading: NamedDependency[Trading]
) -> OrderAnswer:
    """One of your orders."""
    return order_answer(await trading.read_order(actor.user_id, OrderId(order_id)))


@get(
    "/api/orders/by-client-order-id/{client_order_id:str}",
    operation_id="readOrderByClientOrderId",
    summary="One order, by your own id for it",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_order_by_client_order_id(
    client_order_id: FromPath[str], actor: NamedDependency[Actor], trading: NamedDependency[Trading]
) -> OrderAnswer:
    """The order that you placed with this client_order_id."""
    return order_answer(await trading.find_by_client_order_id(actor.user_id, client_order_id))


@patch(
    "/api/orders/{order_id:uuid}",
    operation_id="replaceOrder",
    summary="Replace an open order by one with other terms",
    status_code=201,
    tags=TAGS,
    guards=[requires_scope("trade"), requires_verified_email],
    opt={IDEMPOTENT: True, RATE: "money"},
)
async def replace_order(
    request: AnyRequest,
    order_id: OrderIdPath,
    data: JSONBody[ReplaceRequest],
    actor: NamedDependency[Actor],
    trading: NamedDependency[Trading],
) -> Response[OrderAnswer]:
    """Answers the new order, which takes the old one's place when the venue agrees; until then both exist.

    `quantity` is what the new order trades from then on; left out, what remains of the old one.
    """
    key, request_hash = await _key_and_hash(request, actor)
    order, repeated = await trading.replace_order(
        actor.user_id,
        OrderId(order_id),
        quantity=data.quantity,
        limit_price=data.limit_price,
        stop_price=data.stop_price,
        client_order_id=data.client_order_id,
        source=_source(actor),
        request_hash=request_hash,
        idempotency_key=key,
        limits=actor.limits,
    )
    return Response(order_answer(order), status_code=201, headers=_replayed(repeated))


@delete(
    "/api/orders/{order_id:uuid}",
    operation_id="cancelOrder",
    summary="Cancel an order",
    status_code=200,
    tags=TAGS,
    guards=[requires_scope("trade")],
    opt={IDEMPOTENT: True},
)
async def cancel_order(
    request: AnyRequest,
    order_id: OrderIdPath,
    actor: NamedDependency[Actor],
    trading: NamedDependency[Trading],
    database: NamedDependency[Database],
) -> Response[OrderAnswer]:
    """Canceled at once when it had not been sent; otherwise `pending_cancel` until the venue confirms."""

    async def effect(connection: Connection) -> OrderAnswer:
        return order_answer(await trading.cancel_in(connection, actor.user_id, OrderId(order_id), limits=actor.limits))

    answer = await answer_once(request, database, actor.user_id, effect)
    trading.wake()
    return answer


@delete(
    "/api/orders",
    operation_id="cancelAllOrders",
    summary="Cancel every open order",
    status_code=200,
    tags=TAGS,
    guards=[requires_scope("trade")],
    opt={IDEMPOTENT: True},
)
async def cancel_all_orders(
    request: AnyRequest,
    actor: NamedDependency[Actor],
    trading: NamedDependency[Trading],
    database: NamedDependency[Database],
    symbol: SymbolFilter = None,
) -> Response[list[OrderAnswer]]:
    """Asks for a cancel of every open order, of one market if named; answers those orders. At most 1,000 a call."""

    async def effect(connection: Connection) -> list[OrderAnswer]:
        orders = await trading.cancel_all_in(connection, actor.user_id, symbol, limits=actor.limits)
        return [order_answer(order) for order in orders]

    answer = await answer_once(request, database, actor.user_id, effect)
    trading.wake()
    return answer


@get(
    "/api/fills",
    operation_id="listFills",
    summary="Your fills, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_fills(
    actor: NamedDependency[Actor],
    trading: NamedDependency[Trading],
    order_id: FromQuery[UUID | None] = None,
    symbol: SymbolFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[FillAnswer] | dict[str, Any]:
    """Each execution with its price, cost, fee and net."""
    fills = await trading.list_fills(
        actor.user_id,
        order_id=OrderId(order_id) if order_id else None,
        market=symbol,
        before=read_cursor(cursor, tuple[datetime, str]),
        limit=limit + 1,
    )
    page = page_of(fills, limit, item=fill_answer, key=lambda fill: (fill.created_at, fill.execution_id))
    return choose_fields(page, fields, FillAnswer)


@get(
    "/api/fees",
    operation_id="readFees",
    summary="The fee schedule and your place in it",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_fees(actor: NamedDependency[Actor], trading: NamedDependency[Trading]) -> FeesAnswer:
    """Basis points by your volume of the last 30 days, taken from what you receive."""
    tiers, volume, rate = await trading.read_fees(actor.user_id)
    return FeesAnswer(
        tiers=[fee_tier(tier) for tier in tiers],
        volume_30_days=Amount(volume),
        maker_bps=Amount(rate.maker_bps),
        taker_bps=Amount(rate.taker_bps),
    )


async def _key_and_hash(request: AnyRequest, actor: Actor) -> tuple[str | None, bytes]:
    """The Idempotency-Key, if any, and what makes two requests equal: method, path and body."""
    intent = await intent_of(request, actor.user_id)
    content = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return intent.key if intent else None, hashlib.sha256(content).digest()


def _source(actor: Actor) -> str:
    return "api" if actor.key_id else "web"


def _replayed(repeated: bool) -> dict[str, str] | None:
    return {REPLAYED: "true"} if repeated else None


ROUTES = (
    place_order,
    preview_order,
    list_orders,
    read_order,
    read_order_by_client_order_id,
    replace_order,
    cancel_order,
    cancel_all_orders,
    list_fills,
    read_fees,
)
