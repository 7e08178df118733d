"""Trades open orders against the book, and writes down every step before anyone is told."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, NamedTuple

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca.account import Account
from bitcurrent_sandbox.alpaca.assets import Coin
from bitcurrent_sandbox.alpaca.market import CoinMarket, Market
from bitcurrent_sandbox.alpaca.model import Fill, Order
from bitcurrent_sandbox.alpaca.settings import VenueSettings
from bitcurrent_sandbox.alpaca.store import Store
from bitcurrent_sandbox.money import ZERO

_BPS: Final = Decimal(10_000)


class Happening(NamedTuple):
    """Something the trading stream tells: the event's name, the order as it then was, the fill if any."""

    event: str
    order: Order
    fill: Fill | None
    position_qty: Decimal
    at: int


class Matching:
    """The open orders of one account, and how they meet the market."""

    def __init__(self, *, store: Store, market: Market, account: Account, settings: VenueSettings) -> None:
        self._store = store
        self._market = market
        self.account = account
        self.settings = settings
        self._listeners: list[Callable[[Happening], None]] = []
        self._pending: list[Happening] = []
        self._depth = 0
        self._open: dict[str, Order] = {}
        self._taken: dict[str, tuple[tuple[int, int], dict[Decimal, Decimal]]] = {}

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Be told of everything, after it is committed."""
        self._listeners.append(listener)

    @property
    def open_orders(self) -> list[Order]:
        """Everything that can still trade."""
        return list(self._open.values())

    def tick(self) -> None:
        """Give every open order its chance at the market as it is now."""
        now = clock.now()
        for order in list(self._open.values()):
            if order.status in ("new", "partially_filled", "pending_cancel"):
                self._trade(order, now)

    def _activate(self, order_id: str) -> None:
        order = self._open.get(order_id)
        if order is None or order.status != "pending_new":
            return
        now = clock.now()
        with self._step():
            order.status = "new"
            self._save(order, now)
            self._tell("new", order)
        self._trade(order, now)

    def _trade(self, order: Order, now: int) -> None:
        """Trade what the book allows: marketable orders walk it, resting ones fill at their limit."""
        market = self._market[order.symbol]
        if market.halted or self.settings.holds(order.symbol):
            return
        if order.type == "stop_limit" and not order.triggered and not self._triggers(order, market, now):
            return
        if order.resting and not order.within_limit(self._best(order, market, now)):
            return
        with self._step():
            order.triggered = True
            if order.resting:
                self._fill_resting(order, market, now)
            else:
                self._walk_book(order, market, now)
                if order.open and order.time_in_force == "ioc":
                    self._finish_cancel(order.id)
                elif order.open and order.type != "market":
                    order.resting = True
                    self._save(order, now)

    def _triggers(self, order: Order, market: CoinMarket, now: int) -> bool:
        last, stop = market.last(now), order.stop_price or ZERO
        return last >= stop if order.buys else last <= stop

    def _best(self, order: Order, market: CoinMarket, now: int) -> Decimal:
        quote = market.quote(now)
        return quote.ask.price if order.buys else quote.bid.price

    def _walk_book(self, order: Order, market: CoinMarket, now: int) -> None:
        coin = market.coin
        for price, available in self._offers(order, market, now):
            wanted = min(order.wanted(price, coin.size_step), available)
            qty = self._affordable(order, price, wanted, coin)
            if qty <= 0:
                # The account's cash ran out under a price that moved: the rest cannot be had.
                self._finish_cancel(order.id)
                return
            self._take(order.symbol, price, qty)
            self._fill(order, coin, qty=qty, price=price, liquidity="taker", now=now)
            if not order.open:
                return

    def _fill_resting(self, order: Order, market: CoinMarket, now: int) -> None:
        """The market traded through the limit: fill there, by no more than it offers this time."""
        limit = order.limit_price or ZERO
        wanted, found = order.wanted(limit, market.coin.size_step), ZERO
        for price, available in self._offers(order, market, now):
            part = min(available, wanted - found)
            if part <= 0:
                break
            self._take(order.symbol, price, part)
            found += part
        found = self._affordable(order, limit, found, market.coin)
        if found > 0:
            self._fill(order, market.coin, qty=found, price=limit, liquidity="maker", now=now)

    def _offers(self, order: Order, market: CoinMarket, now: int) -> Iterator[tuple[Decimal, Decimal]]:
        """What the other side of the book still has within the order's limit, best first."""
        book = market.book(now)
        version, taken = self._taken.get(order.symbol, (None, {}))
        if version != book.version:
            taken = {}
            self._taken[order.symbol] = (book.version, taken)
        for level in book.asks if order.buys else book.bids:
            if not order.within_limit(level.price):
                return
            available = level.size - taken.get(level.price, ZERO)
            if available > 0:
                yield level.price, available

    def _take(self, symbol: str, price: Decimal, qty: Decimal) -> None:
        taken = self._taken[symbol][1]
        taken[price] = taken.get(price, ZERO) + qty

    def _affordable(self, order: Order, price: Decimal, qty: Decimal, coin: Coin) -> Decimal:
        """No more than the account can pay for: a market buy may meet a worse price than it was held at."""
        if not order.buys:
            return qty
        others = (other for other in self._open.values() if other.id != order.id)
        cash = self.account.free_cash(others)
        if qty * price <= cash:
            return qty
        return max(ZERO, (cash / price) // coin.size_step * coin.size_step)

    def _fill(self, order: Order, coin: Coin, *, qty: Decimal, price: Decimal, liquidity: str, now: int) -> Fill:
        bps = self.settings.taker_bps if liquidity == "taker" else self.settings.maker_bps
        fee, asset = self.account.apply(order, qty, price, bps / _BPS)
        order.filled_qty += qty
        order.filled_cost += qty * price
        left = order.wanted(price, coin.size_step)
        if order.notional is not None and left <= coin.size_step:
            left = ZERO  # dust: at the next price it may not buy a whole increment
        if left <= 0:
            order.status, order.filled_at = "filled", now
            self._close(order, now)
        else:
            order.status = order.status if order.status == "pending_cancel" else "partially_filled"
            self._save(order, now)
        fill = Fill(
            activity_id=activity_id(now),
            execution_id=str(uuid.uuid4()),
            order_id=order.id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price=price,
            fee=fee,
            fee_asset=asset,
            liquidity=liquidity,
            at=now,
            cum_qty=order.filled_qty,
            leaves_qty=left,
            order_status="filled" if left <= 0 else "partially_filled",
        )
        self._store.add_fill(fill)
        self._tell("fill" if left <= 0 else "partial_fill", order, fill)
        return fill

    def _finish_cancel(self, order_id: str) -> None:
        order = self._open.get(order_id)
        if order is None:
            return
        now = clock.now()
        with self._step():
            order.status, order.canceled_at = "canceled", now
            self._close(order, now)
            self._tell("canceled", order)

    def _reject(self, order_id: str) -> None:
        order = self._open.get(order_id)
        if order is None:
            return
        now = clock.now()
        with self._step():
            order.status, order.failed_at = "rejected", now
            self._close(order, now)
            self._tell("rejected", order)

    def _close(self, order: Order, now: int) -> None:
        self._open.pop(order.id, None)
        self._save(order, now)

    def _save(self, order: Order, now: int) -> None:
        order.updated_at = now
        self._store.save_order(order)

    def _tell(self, event: str, order: Order, fill: Fill | None = None) -> None:
        copy = Order(**{name: getattr(order, name) for name in order.__struct_fields__})
        held = self.account.quantity(order.symbol)
        self._pending.append(Happening(event, copy, fill, held, clock.now()))

    @contextmanager
    def _step(self) -> Iterator[None]:
        """One transaction; what happened in it is told after the outermost one is committed."""
        self._depth += 1
        try:
            with self._store.transaction():
                yield
        except BaseException:
            self._pending.clear()
            raise
        finally:
            self._depth -= 1
        if self._depth == 0:
            told, self._pending = self._pending, []
            for happening in told:
                for listener in self._listeners:
                    listener(happening)


def activity_id(at: int) -> str:
    """`20261122161457123::uuid`, as the venue writes it."""
    return f"{clock.moment(at):%Y%m%d%H%M%S}{at // 1000 % 1000:03d}::{uuid.uuid4()}"
