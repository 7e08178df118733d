"""The trading API: account, orders, positions, assets, activities, under /v2."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from bitcurrent_sandbox import clock, money
from bitcurrent_sandbox.alpaca import assets, errors, query
from bitcurrent_sandbox.alpaca.candles import DAY, MICROS
from bitcurrent_sandbox.alpaca.engine import Engine
from bitcurrent_sandbox.alpaca.history import portfolio_history
from bitcurrent_sandbox.alpaca.market import Market
from bitcurrent_sandbox.alpaca.model import (
    FeePosting,
    Fill,
    Order,
    Position,
    TransferPosting,
    fee_wire,
    fill_wire,
    order_wire,
    position_wire,
    transfer_posting_wire,
)
from bitcurrent_sandbox.alpaca.store import Store
from bitcurrent_sandbox.alpaca.watchlists import Watchlists
from bitcurrent_sandbox.http import Reply, Request, Router, json_reply
from bitcurrent_sandbox.money import ZERO, text

_CONFIGURATION: Final = {
    "dtbp_check": "entry",
    "fractional_trading": True,
    "max_margin_multiplier": "1",
    "max_options_trading_level": 0,
    "no_shorting": True,
    "pdt_check": "entry",
    "ptp_no_exception_entry": False,
    "suspend_trade": False,
    "trade_confirm_email": "all",
    "disable_overnight_trading": False,
}
_CALENDAR_DAYS_MAX: Final = 3_700


class TradingApi:
    """Handlers of the trading API; each answers or raises VenueError."""

    def __init__(self, *, engine: Engine, market: Market, store: Store) -> None:
        self._engine = engine
        self._market = market
        self._store = store
        self._configuration: dict[str, Any] = dict(_CONFIGURATION)

    def route(self, router: Router) -> None:
        """Add every route."""
        for method, pattern, handler in (
            ("GET", "/v2/account", self._account),
            ("GET", "/v2/account/configurations", self._configurations),
            ("PATCH", "/v2/account/configurations", self._configure),
            ("GET", "/v2/account/activities", self._activities),
            ("GET", "/v2/account/activities/(?P<kind>[A-Z,]+)", self._activities),
            ("GET", "/v2/account/portfolio/history", self._history),
            ("GET", "/v2/clock", self._clock),
            ("GET", "/v2/calendar", self._calendar),
            ("GET", "/v2/assets", self._assets),
            ("GET", "/v2/assets/(?P<name>.+)", self._asset),
            ("POST", "/v2/orders", self._submit),
            ("GET", "/v2/orders", self._orders),
            ("DELETE", "/v2/orders", self._cancel_all),
            ("GET", "/v2/orders:by_client_order_id", self._by_client_id),
            ("GET", "/v2/orders/(?P<order_id>[^/]+)", self._order),
            ("PATCH", "/v2/orders/(?P<order_id>[^/]+)", self._replace),
            ("DELETE", "/v2/orders/(?P<order_id>[^/]+)", self._cancel),
            ("GET", "/v2/positions", self._positions),
            ("DELETE", "/v2/positions", self._close_all),
            ("GET", "/v2/positions/(?P<name>.+)", self._position),
            ("DELETE", "/v2/positions/(?P<name>.+)", self._close),
        ):
            router.add(method, pattern, handler)
        Watchlists(store=self._store, account_id=self.account_id, active=self._active).route(router)

    @property
    def account_id(self) -> str:
        """The account's id, the same for the life of the data folder."""
        kept = self._store.setting("account_id")
        if kept is None:
            kept = str(uuid.uuid4())
            self._store.remember("account_id", kept)
            self._store.remember("opened_at", clock.iso(clock.now()))
        return kept

    def wire(self, order: Order) -> dict[str, Any]:
        """The venue's Order object."""
        return order_wire(order, self._market[order.symbol].coin)

    # Account

    def _account(self, _request: Request, _path: dict[str, str]) -> Reply:
        now, account, orders = clock.now(), self._engine.account, self._engine.open_orders
        value = sum((p.qty * self._market[p.symbol].last(now) for p in account.positions.values()), ZERO)
        yesterday = sum((p.qty * self._yesterday(p.symbol, now) for p in account.positions.values()), ZERO)
        free = account.free_cash(orders)
        number = self.account_id
        return json_reply(
            {
                "id": number,
                "account_number": "SB" + number[:8].upper(),
                "status": "ACTIVE",
                "crypto_status": "ACTIVE",
                "currency": "USD",
                "cash": text(account.cash),
                "buying_power": text(free),
                "regt_buying_power": text(free),
                "daytrading_buying_power": "0",
                "effective_buying_power": text(free),
                "non_marginable_buying_power": text(free),
                "options_buying_power": "0",
                "options_approved_level": 0,
                "options_trading_level": 0,
                "accrued_fees": "0",
                "pending_transfer_in": "0",
                "pending_transfer_out": "0",
                "portfolio_value": text(account.cash + value),
                "equity": text(account.cash + value),
                "last_equity": text(account.cash + yesterday),
                "position_market_value": text(value),
                "long_market_value": text(value),
                "short_market_value": "0",
                "initial_margin": "0",
                "maintenance_margin": "0",
                "last_maintenance_margin": "0",
                "sma": "0",
                "multiplier": "1",
                "daytrade_count": 0,
                "balance_asof": clock.iso(now - DAY * MICROS)[:10],
                "pattern_day_trader": False,
                "trading_blocked": False,
                "transfers_blocked": False,
                "account_blocked": False,
                "trade_suspended_by_user": self._configuration["suspend_trade"],
                "shorting_enabled": False,
                "created_at": self._store.setting("opened_at"),
                "crypto_tier": 1,
            }
        )

    def _configurations(self, _request: Request, _path: dict[str, str]) -> Reply:
        return json_reply(self._configuration)

    def _configure(self, request: Request, _path: dict[str, str]) -> Reply:
        for name, value in request.json().items():
            usual = _CONFIGURATION.get(name)
            if name not in _CONFIGURATION or type(value) is not type(usual):
                raise errors.invalid(f"invalid configuration: {name[:40]}")
            self._configuration[name] = value
        return json_reply(self._configuration)

    def _activities(self, request: Request, path: dict[str, str]) -> Reply:
        asked = request.query
        kinds = path["kind"].split(",") if "kind" in path else query.words(asked, "activity_types")
        category = asked.get("category")
        if category and not kinds:
            kinds = ["FILL"] if category == "trade_activity" else ["CFEE", "OCT"]
        after, until = query.moment(asked, "after"), query.moment(asked, "until")
        day = query.moment(asked, "date")
        if day is not None:
            after, until = day - 1, day + DAY * MICROS
        found = self._store.activities(
            kinds=kinds,
            after=after,
            until=until,
            order_id=asked.get("order_id") or None,
            token=asked.get("page_token") or None,
            newest_first=query.choice(asked, "direction", ("desc", "asc")) == "desc",
            limit=query.count(asked, "page_size", usual=100, most=100),
        )
        return json_reply([_activity_wire(one) for one in found])

    def _history(self, request: Request, _path: dict[str, str]) -> Reply:
        return json_reply(
            portfolio_history(
                request.query,
                market=self._market,
                fills=self._store.fills(),
                cash=self._engine.account.cash,
                positions=self._engine.account.positions,
                now=clock.now(),
            )
        )

    # Clock and calendar

    def _clock(self, _request: Request, _path: dict[str, str]) -> Reply:
        now = clock.moment(clock.now())
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return json_reply({"timestamp": now, "is_open": True, "next_open": midnight, "next_close": midnight})

    def _calendar(self, request: Request, _path: dict[str, str]) -> Reply:
        """Every day is a whole trading day, as crypto's are."""
        today = clock.moment(clock.now())
        start, end = query.moment(request.query, "start"), query.moment(request.query, "end")
        first = clock.moment(start) if start is not None else datetime(today.year, 1, 1, tzinfo=UTC)
        last = clock.moment(end) if end is not None else datetime(today.year, 12, 31, tzinfo=UTC)
        days = min(_CALENDAR_DAYS_MAX, (last - first).days + 1)
        dates = ((first + timedelta(days=offset)).strftime("%Y-%m-%d") for offset in range(max(0, days)))
        hours = {"open": "00:00", "close": "23:59", "session_open": "0000", "session_close": "2359"}
        return json_reply([{"date": date, **hours, "settlement_date": date} for date in dates])

    # Assets

    def _active(self, symbol: str) -> bool:
        return not self._market[symbol].halted

    def _assets(self, request: Request, _path: dict[str, str]) -> Reply:
        wanted = query.words(request.query, "asset_class") or ["crypto"]
        if "crypto" not in wanted or request.query.get("status") == "inactive":
            return json_reply([])
        exchange = request.query.get("exchange")
        listed = assets.COINS if exchange in (None, "", "CRYPTO") else ()
        return json_reply([assets.wire(coin, active=self._active(coin.symbol)) for coin in listed])

    def _asset(self, _request: Request, path: dict[str, str]) -> Reply:
        coin = self._coin(path["name"])
        return json_reply(assets.wire(coin, active=self._active(coin.symbol)))

    # Orders

    def _submit(self, request: Request, _path: dict[str, str]) -> Reply:
        if self._configuration["suspend_trade"]:
            raise errors.forbidden("new orders are rejected by user request")
        return json_reply(self.wire(self._engine.submit(request.json())))

    def _orders(self, request: Request, _path: dict[str, str]) -> Reply:
        asked = request.query
        status = query.choice(asked, "status", ("open", "closed", "all"))
        side = asked.get("side") or None
        symbols = [coin.symbol for name in query.words(asked, "symbols") if (coin := assets.find(name))]
        if query.words(asked, "symbols") and not symbols:
            return json_reply([])
        found = self._store.orders(
            limit=query.count(asked, "limit", usual=50, most=500),
            is_open=None if status == "all" else status == "open",
            after=query.moment(asked, "after"),
            until=query.moment(asked, "until"),
            side=side,
            symbols=symbols,
            newest_first=query.choice(asked, "direction", ("desc", "asc")) == "desc",
            after_order=asked.get("after_order_id") or None,
            before_order=asked.get("before_order_id") or None,
        )
        return json_reply([self.wire(order) for order in found])

    def _order(self, _request: Request, path: dict[str, str]) -> Reply:
        return json_reply(self.wire(self._engine.find(path["order_id"])))

    def _by_client_id(self, request: Request, _path: dict[str, str]) -> Reply:
        order = self._store.order_by_client_id(request.query.get("client_order_id", ""))
        if order is None:
            raise errors.order_not_found()
        return json_reply(self.wire(order))

    def _replace(self, request: Request, path: dict[str, str]) -> Reply:
        return json_reply(self.wire(self._engine.replace(path["order_id"], request.json())))

    def _cancel(self, _request: Request, path: dict[str, str]) -> Reply:
        self._engine.cancel(path["order_id"])
        return Reply(status=204)

    def _cancel_all(self, _request: Request, _path: dict[str, str]) -> Reply:
        return json_reply(self._cancel_every(None), 207)

    def _cancel_every(self, symbol: str | None) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        for order in self._engine.open_orders:
            if symbol is not None and order.symbol != symbol:
                continue
            try:
                self._engine.cancel(order.id)
            except errors.VenueError as error:
                results.append({"id": order.id, "status": error.status, "body": error.body()})
            else:
                results.append({"id": order.id, "status": 200, "body": self.wire(self._engine.find(order.id))})
        return results

    # Positions

    def _held(self) -> list[Position]:
        return [position for position in self._engine.account.positions.values() if position.qty > 0]

    def _position_wire(self, position: Position) -> dict[str, Any]:
        now, market = clock.now(), self._market[position.symbol]
        orders = self._engine.open_orders
        return position_wire(
            position,
            market.coin,
            price=market.last(now),
            yesterday=self._yesterday(position.symbol, now),
            held=position.qty - self._engine.account.free_quantity(position.symbol, orders),
        )

    def _positions(self, _request: Request, _path: dict[str, str]) -> Reply:
        return json_reply([self._position_wire(position) for position in self._held()])

    def _position(self, _request: Request, path: dict[str, str]) -> Reply:
        return json_reply(self._position_wire(self._find_position(path["name"])))

    def _close(self, request: Request, path: dict[str, str]) -> Reply:
        position = self._find_position(path["name"])
        return json_reply(self.wire(self._liquidate(position, request.query)))

    def _close_all(self, request: Request, _path: dict[str, str]) -> Reply:
        if query.flag(request.query, "cancel_orders"):
            self._cancel_every(None)
        results: list[dict[str, Any]] = []
        for position in self._held():
            symbol = position.symbol.replace("/", "")
            try:
                order = self._liquidate(position, {})
            except errors.VenueError as error:
                results.append({"symbol": symbol, "status": error.status, "body": error.body()})
            else:
                results.append({"symbol": symbol, "status": 200, "body": self.wire(order)})
        return json_reply(results, 207)

    def _liquidate(self, position: Position, asked: dict[str, str]) -> Order:
        """Sell a part or all; what is smaller than the coin's increment stays behind."""
        coin = self._market[position.symbol].coin
        qty = position.qty
        if asked.get("qty"):
            qty = self._number(asked["qty"], "qty")
        elif asked.get("percentage"):
            qty = position.qty * min(Decimal(100), self._number(asked["percentage"], "percentage")) / 100
        step = max(coin.size_step, Decimal("1e-9"))
        body = {"symbol": coin.symbol, "side": "sell", "type": "market", "time_in_force": "gtc"}
        return self._engine.submit({**body, "qty": money.round_down(qty, step)})

    def _number(self, value: str, name: str) -> Decimal:
        try:
            number = money.parse(value)
        except ValueError as error:
            raise errors.invalid(f"invalid {name}: {value[:40]}") from error
        if number <= 0:
            raise errors.invalid(f"{name} must be > 0")
        return number

    def _find_position(self, name: str) -> Position:
        coin = self._coin(name)
        position = self._engine.account.positions.get(coin.symbol)
        if position is None or position.qty <= 0:
            raise errors.position_not_found()
        return position

    def _coin(self, name: str) -> assets.Coin:
        coin = assets.find(name)
        if coin is None:
            raise errors.asset_not_found(name[:40])
        return coin

    def _yesterday(self, symbol: str, now: int) -> Decimal:
        market = self._market[symbol]
        candle = market.series.candle(DAY, now // (DAY * MICROS) - 1, now)
        return market.price(candle.c) if candle else market.last(now)


def _activity_wire(one: Fill | FeePosting | TransferPosting) -> dict[str, Any]:
    if isinstance(one, Fill):
        return fill_wire(one)
    return transfer_posting_wire(one) if isinstance(one, TransferPosting) else fee_wire(one)
