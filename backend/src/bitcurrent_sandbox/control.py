"""The operator's interface: order faults, bend prices, force fills, and see the whole truth."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from bitcurrent_sandbox import clock, money
from bitcurrent_sandbox.alpaca import assets
from bitcurrent_sandbox.alpaca.errors import VenueError
from bitcurrent_sandbox.alpaca.market import CoinMarket
from bitcurrent_sandbox.alpaca.model import Fill, Order, fill_wire, order_wire
from bitcurrent_sandbox.alpaca.series import Change
from bitcurrent_sandbox.alpaca.settings import VenueSettings
from bitcurrent_sandbox.alpaca.venue import Venue
from bitcurrent_sandbox.faults import KINDS, Fault
from bitcurrent_sandbox.http import BadBody, Reply, Request, Router, foreign_origin, json_reply
from bitcurrent_sandbox.money import text

_ORDERS_SHOWN: Final = 200
_ORDERS_MOST: Final = 100_000


class ControlError(Exception):
    """The operator's request makes no sense; the message says why."""


class Control:
    """Handlers under /sandbox/control."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._router = Router()
        verbs: dict[str, Callable[[dict[str, Any]], Any]] = {
            "reset": self._reset,
            "settings": self._settings,
            "faults": self._add_fault,
            "price": self._pin,
            "unpin": self._unpin,
            "jump": self._jump,
            "halt": lambda body: self._halt(body, halted=True),
            "unhalt": lambda body: self._halt(body, halted=False),
            "fill": self._fill,
            "reject": lambda body: self._end(body, self._venue.engine.reject),
            "expire": lambda body: self._end(body, self._venue.engine.expire),
            "cancel": lambda body: self._end(body, self._venue.engine.cancel),
            "event": self._event,
            "fees": lambda _body: {"posted": self._venue.engine.post_fees()},
            "whitelist": lambda body: {"approved": self._venue.wallets.approve(body.get("address"))},
            "transfer": self._finish_transfer,
            "streams/close": self._close_streams,
            "credit": self._credit,
        }
        for name, verb in verbs.items():
            self._router.add("POST", f"/sandbox/control/{name}", _handler(verb))
        self._router.add("GET", "/sandbox/control/state", lambda request, _path: json_reply(self._state(request.query)))
        self._router.add("GET", "/sandbox/control/settings", lambda _request, _path: json_reply(self._venue.settings))
        self._router.add("GET", "/sandbox/control/faults", lambda _request, _path: json_reply(self._faults()))
        self._router.add("DELETE", "/sandbox/control/faults/(?P<id>[0-9]+)", self._remove_fault)

    def answer(self, request: Request) -> Reply:
        """Answer one request; a page of another site may not give orders through the operator's browser."""
        if foreign_origin(request):
            return json_reply({"message": "requests from another origin are refused"}, 403)
        found = self._router.find(request.method, request.path)
        if found is None:
            return json_reply({"message": "no such control"}, 404)
        handler, path = found
        try:
            reply = handler(request, path)
        except VenueError as error:
            return json_reply(error.body(), error.status)
        except (ControlError, BadBody, msgspec.ValidationError, ValueError) as error:
            return json_reply({"message": str(error)}, 422)
        if not isinstance(reply, Reply):
            raise TypeError("control handlers answer at once")
        return reply

    # State

    def _state(self, query: dict[str, str]) -> dict[str, Any]:
        """Everything; `orders` holds the newest `limit` (or the one asked for) by client_order_id."""
        venue, now = self._venue, clock.now()
        wanted = query.get("client_order_id")
        if wanted:
            one = venue.store.order_by_client_id(wanted)
            orders = [one] if one else []
        else:
            limit = query.get("limit", str(_ORDERS_SHOWN))
            if not limit.isdigit():
                raise ControlError("limit must be a number")
            orders = venue.store.orders(limit=min(int(limit), _ORDERS_MOST))
        return {
            "now": clock.iso(now),
            "still": venue.options.still,
            "settings": venue.settings,
            "faults": self._faults(),
            "halted": [market.coin.symbol for market in venue.market if market.halted],
            "connections": {
                "trading": venue.trading_stream.connections,
                "trading_listeners": venue.trading_stream.listeners,
                "data": venue.data_stream.connections,
                "events_sent": venue.trading_stream.sent,
            },
            "counts": venue.store.counts() | {"open_orders": len(venue.engine.open_orders)},
            "account": {
                "cash": text(venue.account.cash),
                "positions": {s: text(p.qty) for s, p in venue.account.positions.items() if p.qty},
            },
            "prices": [_price(market, now) for market in venue.market],
            "transfers": venue.wallets.wire_all(),
            "orders": {order.client_order_id: self._truth(order) for order in orders},
        }

    def _truth(self, order: Order) -> dict[str, Any]:
        coin = self._venue.market[order.symbol].coin
        fills = self._venue.store.fills(order.id)
        return {"order": order_wire(order, coin), "fills": [_fill(fill) for fill in fills]}

    def _faults(self) -> list[Fault]:
        return self._venue.faults.listed

    # Verbs

    def _reset(self, body: dict[str, Any]) -> dict[str, Any]:
        """No faults, usual settings, free prices; with `state` also no orders, no fills, the first cash."""
        venue = self._venue
        venue.faults.clear()
        self._adopt(venue.usual_settings())
        venue.reset_limits()
        for market in venue.market:
            market.halted = False
            if market.pinned:
                self._bend(market, market.unpin(clock.now()))
        if body.get("state"):
            venue.engine.forget()
        return {"reset": True}

    def _settings(self, body: dict[str, Any]) -> VenueSettings:
        kept = msgspec.to_builtins(self._venue.settings)
        changed = msgspec.convert(kept | msgspec.to_builtins(body), VenueSettings, strict=False)
        if changed.taker_bps < 0 or changed.maker_bps < 0 or changed.depth_usd < 0:
            raise ControlError("fees and depth cannot be negative")
        if changed.tick_ms < 10 or changed.fee_seconds < 1:
            raise ControlError("tick_ms is at least 10, fee_seconds at least 1")
        self._adopt(changed)
        return self._venue.settings

    def _adopt(self, settings: VenueSettings) -> None:
        """The parts of the venue share one settings object: change it in place."""
        for name in settings.__struct_fields__:
            setattr(self._venue.settings, name, getattr(settings, name))
        for market in self._venue.market:
            market.deepen(settings.depth_usd)

    def _add_fault(self, body: dict[str, Any]) -> Fault:
        if body.get("kind") not in KINDS:
            raise ControlError(f"kind must be one of {', '.join(KINDS)}")
        return self._venue.faults.add(msgspec.convert(msgspec.to_builtins(body), Fault))

    def _remove_fault(self, _request: Request, path: dict[str, str]) -> Reply:
        removed = self._venue.faults.remove(int(path["id"]))
        return json_reply({"removed": removed}, 200 if removed else 404)

    def _pin(self, body: dict[str, Any]) -> dict[str, Any]:
        market = self._market(body)
        price = _amount(body, "price")
        if not money.multiple_of(price, market.coin.price_step):
            raise ControlError(f"price must be a multiple of {text(market.coin.price_step)}")
        return self._bend(market, market.pin(price, clock.now()))

    def _unpin(self, body: dict[str, Any]) -> dict[str, Any]:
        market = self._market(body)
        return self._bend(market, market.unpin(clock.now()))

    def _jump(self, body: dict[str, Any]) -> dict[str, Any]:
        """One coin, or every coin when no symbol is given."""
        percent = money.parse(body.get("percent"))
        if not -99 < percent < 10_000:
            raise ControlError("percent must lie between -99 and 10000")
        markets = [self._market(body)] if body.get("symbol") else list(self._venue.market)
        bent = [self._bend(market, market.jump(percent, clock.now())) for market in markets]
        return bent[0] if len(bent) == 1 else {"prices": bent}

    def _bend(self, market: CoinMarket, change: Change) -> dict[str, Any]:
        self._venue.store.add_change(market.coin.symbol, change)
        self._venue.engine.tick()
        return _price(market, clock.now())

    def _halt(self, body: dict[str, Any], *, halted: bool) -> dict[str, Any]:
        market = self._market(body)
        market.halted = halted
        return {"symbol": market.coin.symbol, "halted": halted}

    def _fill(self, body: dict[str, Any]) -> dict[str, Any]:
        order = self._order(body)
        fill = self._venue.engine.force_fill(order.id, _amount(body, "qty"), _amount(body, "price"))
        return _fill(fill)

    def _end(self, body: dict[str, Any], verb: Callable[[str], None]) -> dict[str, Any]:
        order = self._order(body)
        verb(order.id)
        return self._truth(self._venue.engine.find(order.id))

    def _event(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send an event of any name about an order; `repeat_fill` sends its newest fill once more."""
        order = self._order(body)
        name = body.get("event")
        if not isinstance(name, str) or not 0 < len(name) <= 60:
            raise ControlError("event must be a name")
        self._venue.engine.tell_again(order.id, name, repeat_fill=bool(body.get("repeat_fill")))
        return {"sent": name}

    def _close_streams(self, body: dict[str, Any]) -> dict[str, Any]:
        which = body.get("stream", "all")
        if which not in ("trading", "data", "all"):
            raise ControlError("stream must be trading, data or all")
        closed = self._venue.trading_stream.close_all() if which != "data" else 0
        closed += self._venue.data_stream.close_all() if which != "trading" else 0
        return {"closed": closed}

    def _finish_transfer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Complete or fail a transfer now."""
        done = self._venue.wallets.finish(str(body.get("transfer_id")), str(body.get("status")))
        return {"id": done.id, "status": done.status}

    def _credit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Give the account cash, or coins of a symbol at the price of the moment."""
        amount = money.parse(body.get("amount"))
        account = self._venue.account
        if not body.get("symbol"):
            if account.cash + amount < 0:
                raise ControlError("cash cannot be negative")
            account.credit(None, amount, Decimal(1))
        else:
            market = self._market(body)
            if account.quantity(market.coin.symbol) + amount < 0:
                raise ControlError("a position cannot be negative")
            account.credit(market.coin.symbol, amount, market.last(clock.now()))
        return {"cash": text(account.cash)}

    # Help

    def _market(self, body: dict[str, Any]) -> CoinMarket:
        coin = assets.find(str(body.get("symbol")))
        if coin is None:
            raise ControlError(f"unknown symbol: {str(body.get('symbol'))[:40]}")
        return self._venue.market[coin.symbol]

    def _order(self, body: dict[str, Any]) -> Order:
        """By `order_id` or `client_order_id`."""
        if body.get("client_order_id"):
            order = self._venue.store.order_by_client_id(str(body["client_order_id"]))
            if order is not None:
                return order
        return self._venue.engine.find(str(body.get("order_id")))


def _handler(verb: Callable[[dict[str, Any]], Any]) -> Callable[[Request, dict[str, str]], Reply]:
    return lambda request, _path: json_reply(verb(request.json()))


def _amount(body: dict[str, Any], name: str) -> Decimal:
    amount = money.parse(body.get(name))
    if amount <= 0:
        raise ControlError(f"{name} must be more than nothing")
    return amount


def _price(market: CoinMarket, now: int) -> dict[str, Any]:
    quote = market.quote(now)
    return {
        "symbol": market.coin.symbol,
        "bid": text(quote.bid.price),
        "ask": text(quote.ask.price),
        "last": text(market.last(now)),
        "pinned": market.pinned,
        "halted": market.halted,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return fill_wire(fill) | {
        "execution_id": fill.execution_id,
        "fee": text(fill.fee),
        "fee_asset": fill.fee_asset,
        "liquidity": fill.liquidity,
    }
