"""Alpaca's trading API, under /v2: each handler reads the request, calls the rooms below, and translates."""

from uuid import UUID

from litestar.handlers import asgi
from litestar.types import Receive, Scope, Send

from bitcurrent.botapi.data_routes import DATA_ROUTES
from bitcurrent.botapi.refusals import bad_parameter, error_of, not_found, not_possible
from bitcurrent.botapi.requests import (
    ConfigurationBody,
    ReplaceBody,
    SubmitBody,
    day_span,
    read_body,
    read_order_id,
    read_wish,
    request_hash,
    wish_hash,
)
from bitcurrent.botapi.routing import NOTHING, Call, Reply, Route, Routes, reply
from bitcurrent.botapi.schemas import CancelAnswer, CloseAnswer, ConfigurationAnswer, OrderAnswer
from bitcurrent.botapi.service import SOURCE
from bitcurrent.botapi.translation import (
    account_answer,
    asset_answer,
    calendar_days,
    clock_answer,
    fill_activity,
    order_answer,
    position_answer,
    run_together,
)
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import OrderId, id_time
from bitcurrent.market_data.model import UnknownMarket
from bitcurrent.trading.model import Order, OrderState, Side
from bitcurrent.trading.searches import ExecutionSearch, OrderSearch
from bitcurrent.web.chain import OWN_CHAIN

CALENDAR_DAYS_MAX = 3_700
ACTIVITY_KINDS = frozenset({"FILL"})


async def read_account(call: Call) -> Reply:
    """GET /v2/account."""
    return reply(account_answer(await call.api.account(call.actor), now()))


async def read_configurations(call: Call) -> Reply:
    """GET /v2/account/configurations."""
    return reply(ConfigurationAnswer())


async def change_configurations(call: Call) -> Reply:
    """PATCH /v2/account/configurations: what is sent must be what is; null stands for "as it is"."""
    wish, present = read_body(call.body, ConfigurationBody), ConfigurationAnswer()
    for name in ConfigurationBody.__struct_fields__:
        value = getattr(wish, name)
        if value is not None and value != getattr(present, name):
            raise not_possible(f"{name}: this cannot be changed for a crypto account")
    return reply(present)


async def list_activities(call: Call) -> Reply:
    """GET /v2/account/activities, and /{activity_type}: fills, newest first unless asked otherwise."""
    query = call.query
    kinds = call.path["kind"].split(",") if "kind" in call.path else query.words("activity_types")
    category = query.choice("category", "trade_activity", "non_trade_activity")
    size = query.count("page_size", usual=100, most=100)
    after, until = query.moment("after"), query.moment("until")
    day = query.moment("date")
    if day is not None:
        after, until = day_span(day)
    token = query.text("page_token")
    which = ExecutionSearch(
        order_id=query.order_id("order_id"),
        after=after,
        until=until,
        beyond=_read_page_token(token) if token else None,
        oldest_first=query.choice("direction", "desc", "asc") == "asc",
        limit=size,
    )
    if category == "non_trade_activity" or (kinds is not None and not ACTIVITY_KINDS.intersection(kinds)):
        return reply([])
    found = await call.api.history.executions(call.actor.user_id, which)
    return reply([fill_activity(execution, call.actor.user_id) for execution in found])


def _read_page_token(token: str) -> UUID:
    """The activity whose id this is; the moment before the colons is for people."""
    try:
        beyond = UUID(token.rpartition("::")[2])
        id_time(beyond)
    except (ValueError, OverflowError):
        raise bad_parameter("page_token: must be the id of an activity") from None
    if beyond.version != 7:
        raise bad_parameter("page_token: must be the id of an activity")
    return beyond


async def read_clock(call: Call) -> Reply:
    """GET /v2/clock."""
    return reply(clock_answer(now()))


async def read_calendar(call: Call) -> Reply:
    """GET /v2/calendar: this year's days unless asked otherwise."""
    today = now()
    first = call.query.moment("start") or today.replace(month=1, day=1)
    last = call.query.moment("end") or today.replace(month=12, day=31)
    return reply(calendar_days(first, last, most=CALENDAR_DAYS_MAX))


async def list_assets(call: Call) -> Reply:
    """GET /v2/assets: every coin, whether it can be traded now or not."""
    classes, exchange = call.query.words("asset_class"), call.query.text("exchange")
    wanted = (
        (classes is None or "crypto" in classes)
        and call.query.text("status") != "inactive"
        and exchange in (None, "CRYPTO")
    )
    return reply([asset_answer(market) for market in call.api.market_data.markets] if wanted else [])


async def read_asset(call: Call) -> Reply:
    """GET /v2/assets/BTC/USD, BTCUSD, or by the asset's id."""
    try:
        return reply(asset_answer(await call.api.market_data.market(call.path["name"])))
    except UnknownMarket:
        raise not_found(f"asset not found for {call.path['name'][:40]}") from None


async def submit_order(call: Call) -> Reply:
    """POST /v2/orders. The same client_order_id with the same content answers with the order that exists."""
    wish = read_wish(read_body(call.body, SubmitBody))
    if wish.side is Side.BUY:
        await call.api.conduct.require(call.actor.user_id, "buy")
    order, _ = await call.api.trading.place_order(
        call.actor.user_id, wish, source=SOURCE, request_hash=wish_hash(wish), limits=call.actor.limits
    )
    return reply(await _order_answer(call, order))


async def list_orders(call: Call) -> Reply:
    """GET /v2/orders: open ones, newest first, unless asked otherwise."""
    query, names = call.query, call.query.words("symbols")
    status = query.choice("status", "open", "closed", "all")
    side = query.text("side")
    if side not in (None, "buy", "sell"):
        raise bad_parameter("side: must be buy or sell")
    markets = None if names is None else await _known_symbols(call, names)
    if markets == [] or "crypto" not in (query.words("asset_class") or ["crypto"]):
        return reply([])
    which = OrderSearch(
        markets=markets,
        side=Side(side) if side else None,
        is_open=None if status == "all" else status == "open",
        after=query.moment("after"),
        until=query.moment("until"),
        after_id=query.order_id("after_order_id"),
        before_id=query.order_id("before_order_id"),
        oldest_first=query.choice("direction", "desc", "asc") == "asc",
        limit=query.count("limit", usual=50, most=500),
    )
    found = await call.api.history.orders(call.actor.user_id, which)
    return reply([await _order_answer(call, order) for order in found])


async def _known_symbols(call: Call, names: list[str]) -> list[str]:
    found = []
    for name in names:
        try:
            found.append((await call.api.market_data.market(name)).symbol)
        except UnknownMarket:
            continue  # no order can be in a market that there is not
    return found


async def read_order(call: Call) -> Reply:
    """GET /v2/orders/{id}."""
    order = await call.api.trading.read_order(call.actor.user_id, _order_id(call))
    return reply(await _order_answer(call, order))


async def read_order_by_client_order_id(call: Call) -> Reply:
    """GET /v2/orders:by_client_order_id?client_order_id=…"""
    name = call.query.text("client_order_id")
    if name is None:
        raise bad_parameter("client_order_id: is required")
    return reply(await _order_answer(call, await call.api.trading.find_by_client_order_id(call.actor.user_id, name)))


async def replace_order(call: Call) -> Reply:
    """PATCH /v2/orders/{id}: answers the new order, which `replaces` the old one when the venue agrees."""
    order_id, body = _order_id(call), read_body(call.body, ReplaceBody)
    if body.trail is not None:
        raise not_possible("trail: crypto has no trailing stop orders")
    old = await call.api.trading.read_order(call.actor.user_id, order_id)
    if body.time_in_force not in (None, "", str(old.time_in_force)):
        raise not_possible("time_in_force: a replacement keeps that of its order")
    order, _ = await call.api.trading.replace_order(
        call.actor.user_id,
        order_id,
        quantity=body.qty,
        limit_price=body.limit_price,
        stop_price=body.stop_price,
        source=SOURCE,
        request_hash=request_hash("replace", str(order_id), body.qty, body.limit_price, body.stop_price),
        client_order_id=body.client_order_id or None,
        limits=call.actor.limits,
    )
    return reply(await _order_answer(call, order))


async def cancel_order(call: Call) -> Reply:
    """DELETE /v2/orders/{id}: 204; canceled at once when it had not been sent, else when the venue confirms."""
    await call.api.trading.cancel_order(call.actor.user_id, _order_id(call), limits=call.actor.limits)
    return NOTHING


async def cancel_all_orders(call: Call) -> Reply:
    """DELETE /v2/orders: asks for a cancel of every open order, and says for each whether it could be asked."""
    orders = await call.api.trading.cancel_all(call.actor.user_id, limits=call.actor.limits)
    return reply([await _cancel_answer(call, order) for order in orders], 207)


async def _cancel_answer(call: Call, order: Order) -> CancelAnswer:
    answer = await _order_answer(call, order)
    in_time = not order.state.ended or order.state is OrderState.CANCELED
    return CancelAnswer(id=order.id, status=200 if in_time else 422, body=answer)


async def list_positions(call: Call) -> Reply:
    """GET /v2/positions."""
    return reply([position_answer(holding) for holding in await call.api.holdings(call.actor)])


async def read_position(call: Call) -> Reply:
    """GET /v2/positions/BTC/USD, BTCUSD, or by the asset's id."""
    return reply(position_answer(await call.api.holding(call.actor, call.path["name"])))


async def close_position(call: Call) -> Reply:
    """DELETE /v2/positions/{name}?qty= or percentage=: a market sell, of all that is available by default."""
    order = await call.api.close_position(
        call.actor,
        call.path["name"],
        quantity=call.query.amount("qty"),
        percentage=call.query.amount("percentage"),
    )
    return reply(await _order_answer(call, order))


async def close_all_positions(call: Call) -> Reply:
    """DELETE /v2/positions?cancel_orders=True: a market sell of everything; what became of each."""
    results = await call.api.close_all(call.actor, cancel_orders=call.query.flag("cancel_orders"))
    answers = []
    for market, result in results:
        body: OrderAnswer | dict[str, str | int]
        if isinstance(result, Order):
            status, body = 200, await _order_answer(call, result)
        else:
            error = error_of(result)
            status, body = error.status, {"code": error.body.code, "message": error.body.message}
        answers.append(CloseAnswer(symbol=run_together(market), status=status, body=body))
    return reply(answers, 207)


def _order_id(call: Call) -> OrderId:
    return read_order_id(call.path["order_id"])


async def _order_answer(call: Call, order: Order) -> OrderAnswer:
    return order_answer(order, (await call.api.market_data.market(order.market)).venue_asset_id)


TRADING_ROUTES = (
    Route("GET", "/v2/account", read_account, "read"),
    Route("GET", "/v2/account/configurations", read_configurations, "read"),
    Route("PATCH", "/v2/account/configurations", change_configurations, "trade"),
    Route("GET", "/v2/account/activities", list_activities, "read"),
    Route("GET", "/v2/account/activities/{kind}", list_activities, "read"),
    Route("GET", "/v2/clock", read_clock, "read"),
    Route("GET", "/v2/calendar", read_calendar, "read"),
    Route("GET", "/v2/assets", list_assets, "read"),
    Route("GET", "/v2/assets/{name...}", read_asset, "read"),
    Route("POST", "/v2/orders", submit_order, "trade", must_count=True),
    Route("GET", "/v2/orders", list_orders, "read"),
    Route("DELETE", "/v2/orders", cancel_all_orders, "trade"),
    Route("GET", "/v2/orders:by_client_order_id", read_order_by_client_order_id, "read"),
    Route("GET", "/v2/orders/{order_id}", read_order, "read"),
    Route("PATCH", "/v2/orders/{order_id}", replace_order, "trade", must_count=True),
    Route("DELETE", "/v2/orders/{order_id}", cancel_order, "trade"),
    Route("GET", "/v2/positions", list_positions, "read"),
    Route("DELETE", "/v2/positions", close_all_positions, "trade", must_count=True),
    Route("GET", "/v2/positions/{name...}", read_position, "read"),
    Route("DELETE", "/v2/positions/{name...}", close_position, "trade", must_count=True),
)
_trading = Routes(TRADING_ROUTES)
_data = Routes(DATA_ROUTES)


@asgi("/v2", is_mount=True, copy_scope=False, opt={OWN_CHAIN: "Alpaca's answers, whatever happens."})
async def trading_api(scope: Scope, receive: Receive, send: Send) -> None:
    """Alpaca's trading API."""
    await _trading(scope, receive, send)


@asgi("/v1beta3", is_mount=True, copy_scope=False, opt={OWN_CHAIN: "Alpaca's answers, whatever happens."})
async def data_api(scope: Scope, receive: Receive, send: Send) -> None:
    """Alpaca's crypto data API."""
    await _data(scope, receive, send)


ROUTES = (trading_api, data_api)
