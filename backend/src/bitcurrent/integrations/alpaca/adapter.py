"""Trading's venue, as Alpaca: our orders in its words, its answers in ours."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import structlog

from bitcurrent.integrations.alpaca import wire
from bitcurrent.integrations.alpaca.budget import Priority, RequestBudget
from bitcurrent.integrations.alpaca.client import AlpacaClient
from bitcurrent.integrations.alpaca.stream import TradeUpdates
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.kernel.money import plain
from bitcurrent.reconciliation.ports import VenueMovement
from bitcurrent.settings import Settings
from bitcurrent.trading.model import Order, OrderType, Side, TimeInForce
from bitcurrent.trading.ports import (
    VenueError,
    VenueFee,
    VenueFill,
    VenueHoldings,
    VenueOrder,
    VenueRefused,
    VenueUnknown,
    VenueUpdate,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

DUPLICATE: Final = "40010001"
"""Used for a client_order_id that exists, and for other bad parameters as well: only a look-up tells which."""
NOT_FOUND: Final = "40410000"
ORDERS_PAGE: Final = 500
ORDERS_PAGES_MAX: Final = 40
ACTIVITIES_PAGE: Final = 100
ACTIVITIES_PAGES_MAX: Final = 5
ORDER_FILLS_PAGES_MAX: Final = 20
IDS_REMEMBERED: Final = 50_000


class AlpacaVenue:
    """The venue port over REST and the trade_updates stream; one for each process, for it owns the request budget."""

    def __init__(self, client: AlpacaClient, updates: Callable[[], TradeUpdates]) -> None:
        self._client = client
        self._open_updates = updates
        self._our_ids: OrderedDict[str, OrderId | None] = OrderedDict()

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """The venue that the settings name. Nothing is sent yet."""
        client = AlpacaClient(
            base_url=settings.alpaca_trading_url,
            key_id=settings.alpaca_key_id,
            secret_key=settings.alpaca_secret_key,
            budget=RequestBudget(settings.alpaca_requests_per_minute),
        )

        def updates() -> TradeUpdates:
            return TradeUpdates(
                url=settings.alpaca_stream_url,
                key_id=settings.alpaca_key_id,
                secret_key=settings.alpaca_secret_key,
            )

        return cls(client, updates)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    @property
    def budget(self) -> RequestBudget:
        """What is left of this minute's requests."""
        return self._client.budget

    def room(self) -> int:
        """How many orders could be sent now without waiting for the request budget."""
        return self.budget.room(Priority.ORDER)

    async def submit(self, order: Order) -> VenueOrder:
        """POST /v2/orders with our id as client_order_id; a duplicate answers with the order that exists."""
        try:
            answer = await self._client.write(
                "POST", "/v2/orders", priority=Priority.ORDER, body=submission(order), customer=order.user_id
            )
        except VenueRefused as refusal:
            return await self._existing(order, refusal)
        return self._answered(answer)

    async def replace(self, old: Order, new: Order) -> VenueOrder:
        """PATCH /v2/orders/{old}; the venue makes a new order that carries our new id.

        The replacement's quantity is what is to be traded from then on. A notional cannot be replaced.
        """
        if old.venue_order_id is None:
            raise VenueRefused("the order to replace never reached the venue")
        path = f"/v2/orders/{quote(old.venue_order_id)}"
        try:
            answer = await self._client.write(
                "PATCH", path, priority=Priority.ORDER, body=replacement(new), customer=new.user_id
            )
        except VenueRefused as refusal:
            return await self._existing(new, refusal)
        return self._answered(answer)

    async def cancel(self, order: Order) -> None:
        """DELETE /v2/orders/{id}; 204 means that the request was taken, not that the order is canceled."""
        venue_order_id = order.venue_order_id
        if venue_order_id is None:
            found = await self.find(order.id, user_id=order.user_id)
            if found is None:
                raise VenueRefused("order is not found.", code=NOT_FOUND)
            venue_order_id = found.venue_order_id
        path = f"/v2/orders/{quote(venue_order_id)}"
        await self._client.write("DELETE", path, priority=Priority.CANCEL, customer=order.user_id)

    async def find(self, order_id: OrderId, *, user_id: UserId | None = None) -> VenueOrder | None:
        """GET /v2/orders:by_client_order_id; None only for the venue's own "order is not found"."""
        try:
            answer = await self._client.read(
                "/v2/orders:by_client_order_id",
                priority=Priority.LOOK_UP,
                params={"client_order_id": str(order_id)},
                customer=user_id,
            )
        except VenueRefused as refusal:
            if refusal.code == NOT_FOUND:
                return None
            raise VenueError(f"the venue refused to say: {refusal.reason}") from refusal
        return self._seen(self._readable(wire.read_order, answer))

    async def open_orders(self) -> list[VenueOrder]:
        """GET /v2/orders?status=open, oldest first, all pages up to 20,000 orders."""
        found: dict[str, VenueOrder] = {}
        params = {"status": "open", "limit": str(ORDERS_PAGE), "direction": "asc"}
        for _ in range(ORDERS_PAGES_MAX):
            page = self._rows(await self._poll("/v2/orders", params))
            orders = [self._seen(self._readable(wire.read_order, row)) for row in page]
            found |= {order.venue_order_id: order for order in orders}
            if len(page) < ORDERS_PAGE:
                break
            params["after_order_id"] = orders[-1].venue_order_id
        return list(found.values())

    async def fills_after(self, cursor: str | None) -> tuple[list[VenueFill], str | None]:
        """FILL activities after an activity id, oldest first, with our order ids filled in where they are ours."""
        rows, cursor = await self._activities("FILL", cursor, ACTIVITIES_PAGES_MAX)
        fills = [self._readable(wire.read_fill_activity, row) for row in rows]
        return [await self._with_our_id(fill) for fill in fills], cursor

    async def fills_of(self, venue_order_id: str) -> list[VenueFill]:
        """Every FILL activity of one order, in any order: the venue does not sort within a millisecond."""
        rows, _ = await self._activities("FILL", None, ORDER_FILLS_PAGES_MAX, order_id=venue_order_id)
        fills = (self._readable(wire.read_fill_activity, row) for row in rows)
        # A venue that does not know the order_id filter would answer with everybody's.
        return [fill for fill in fills if fill.venue_order_id == venue_order_id]

    async def fees_after(self, cursor: str | None) -> tuple[list[VenueFee], str | None]:
        """CFEE and FEE activities after an activity id, oldest first."""
        rows, cursor = await self._activities("CFEE,FEE", cursor, ACTIVITIES_PAGES_MAX)
        fees = (self._readable(wire.read_fee_activity, row) for row in rows)
        return [fee for fee in fees if fee is not None], cursor

    async def executions_after(self, cursor: str | None) -> tuple[list[VenueFill], str | None]:
        """The same as `fills_after` without asking whose orders they are: nothing but pages of activities."""
        rows, cursor = await self._activities("FILL", cursor, ACTIVITIES_PAGES_MAX)
        return [self._readable(wire.read_fill_activity, row) for row in rows], cursor

    async def movements_after(self, cursor: str | None) -> tuple[list[VenueMovement], str | None]:
        """Activities after an activity id, oldest first, that moved cash or coins and are neither fills nor fees."""
        rows, cursor = await self._activities("", cursor, ACTIVITIES_PAGES_MAX, category="non_trade_activity")
        movements = (self._readable(wire.read_movement, row) for row in rows)
        return [movement for movement in movements if movement is not None], cursor

    async def holdings(self) -> VenueHoldings:
        """GET /v2/account and /v2/positions."""
        account = await self._poll("/v2/account", {})
        positions = self._rows(await self._poll("/v2/positions", {}))
        try:
            cash = wire.read_amount(account["cash"])
            coins = {wire.base_of(str(row["symbol"])): wire.read_amount(row["qty"]) for row in positions}
        except (KeyError, TypeError, wire.Unreadable) as error:
            raise VenueError("the venue's account cannot be read") from error
        return VenueHoldings(cash=cash, coins=coins)

    async def updates(self) -> AsyncGenerator[VenueUpdate | None, None]:
        """The trade_updates stream for ever; see `stream`."""
        async with aclosing(aiter(self._open_updates())) as stream:
            async for update in stream:
                if update is not None:
                    self._seen(update.order)
                yield update

    async def _existing(self, order: Order, refusal: VenueRefused) -> VenueOrder:
        """After a refusal that may mean "this client_order_id exists": the order that exists, or the refusal."""
        if refusal.code != DUPLICATE:
            raise refusal
        try:
            answer = await self._client.read(
                "/v2/orders:by_client_order_id",
                priority=Priority.ORDER,
                params={"client_order_id": str(order.id)},
                customer=order.user_id,
            )
        except VenueRefused as not_there:
            if not_there.code == NOT_FOUND:
                raise refusal from None  # another parameter was bad
            raise VenueUnknown("the venue has this id and does not show the order") from not_there
        except VenueError as error:
            raise VenueUnknown("the venue has this id and cannot be asked about it now") from error
        if not _matches(answer, order):
            raise VenueRefused("this id stands for another order at the venue", code=DUPLICATE)
        return self._answered(answer)

    async def _with_our_id(self, fill: VenueFill) -> VenueFill:
        order_id = await self._our_id(fill.venue_order_id)
        return VenueFill(
            execution_id=fill.execution_id,
            venue_order_id=fill.venue_order_id,
            order_id=order_id,
            quantity=fill.quantity,
            price=fill.price,
            filled_at=fill.filled_at,
        )

    async def _our_id(self, venue_order_id: str) -> OrderId | None:
        """Our id of an order known only by the venue's: remembered, or asked for once."""
        if venue_order_id not in self._our_ids:
            path = f"/v2/orders/{quote(venue_order_id)}"
            try:
                answer = await self._client.read(path, priority=Priority.POLL)
            except VenueRefused:
                self._remember(venue_order_id, None)
            else:
                self._seen(self._readable(wire.read_order, answer))
        return self._our_ids.get(venue_order_id)

    def _seen(self, order: VenueOrder) -> VenueOrder:
        self._remember(order.venue_order_id, order.order_id)
        return order

    def _remember(self, venue_order_id: str, order_id: OrderId | None) -> None:
        self._our_ids[venue_order_id] = order_id
        self._our_ids.move_to_end(venue_order_id)
        if len(self._our_ids) > IDS_REMEMBERED:
            self._our_ids.popitem(last=False)

    def _answered(self, answer: Any) -> VenueOrder:
        """The answer to a write: one that cannot be read leaves open what happened."""
        try:
            return self._seen(wire.read_order(answer))
        except wire.Unreadable as error:
            raise VenueUnknown(str(error)) from error

    @staticmethod
    def _readable(read: Callable[[Any], T], row: Any) -> T:
        try:
            return read(row)
        except wire.Unreadable as error:
            log.warning("venue_answer_unreadable", error=str(error))
            raise VenueError(str(error)) from error

    async def _poll(self, path: str, params: dict[str, str]) -> Any:
        try:
            return await self._client.read(path, priority=Priority.POLL, params=params)
        except VenueRefused as refusal:
            raise VenueError(f"the venue refused {path}: {refusal.reason}") from refusal

    async def _activities(
        self, types: str, cursor: str | None, pages_max: int, **filters: str
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Activities after a cursor, oldest first. `since:YYYY-MM-DD` starts at a day instead of behind an id."""
        params = {"direction": "asc", "page_size": str(ACTIVITIES_PAGE), **filters}
        if types:
            params["activity_types"] = types
        if cursor is not None and cursor.startswith("since:"):
            params["after"] = cursor.removeprefix("since:")
        elif cursor is not None:
            params["page_token"] = cursor
        rows: dict[str, dict[str, Any]] = {}
        for _ in range(pages_max):
            page = self._rows(await self._poll("/v2/account/activities", params))
            rows |= {str(row.get("id")): row for row in page}
            if page:
                cursor = params["page_token"] = str(page[-1].get("id"))
            if len(page) < ACTIVITIES_PAGE:
                break
        return list(rows.values()), cursor

    @staticmethod
    def _rows(answer: Any) -> list[dict[str, Any]]:
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise VenueError("the venue did not answer with a list")
        return answer


def submission(order: Order) -> dict[str, str]:
    """The body of POST /v2/orders, numbers as strings.

    A market buy by quantity goes as an immediate-or-cancel limit at its collar: a plain market order may cost more
    than is held. By notional the venue itself never spends more, and a sale takes nothing but what is held.
    """
    kind, force, limit = order.type, order.time_in_force, order.limit_price
    if kind is OrderType.MARKET and order.side is Side.BUY and order.notional is None:
        kind, force, limit = OrderType.LIMIT, TimeInForce.IOC, order.collar_price
        assert limit is not None, "a market buy by quantity has a collar"
    body = {
        "symbol": order.market,
        "side": order.side.value,
        "type": kind.value,
        "time_in_force": force.value,
        "client_order_id": str(order.id),
    }
    amounts = {
        "notional": order.notional,
        "qty": order.quantity if order.notional is None else None,
        "limit_price": limit,
        "stop_price": order.stop_price,
    }
    return body | {name: plain(amount) for name, amount in amounts.items() if amount is not None}


def replacement(new: Order) -> dict[str, str]:
    """The body of PATCH /v2/orders/{id}, numbers as strings."""
    amounts = {"qty": new.quantity, "limit_price": new.limit_price, "stop_price": new.stop_price}
    return {"client_order_id": str(new.id)} | {n: plain(amount) for n, amount in amounts.items() if amount is not None}


def _matches(answer: Any, order: Order) -> bool:
    """Whether what the venue holds under our id is this very order."""
    if not isinstance(answer, dict):
        return False
    same_pair = str(answer.get("symbol", "")).replace("/", "") == order.market.replace("/", "")
    return same_pair and answer.get("side") == order.side.value and answer.get("client_order_id") == str(order.id)
