"""The venue's verbs: take, replace and cancel orders, and what the operator may do to them.

All are synchronous: between two awaits of the event loop each is one transaction.
"""

import asyncio
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca import errors, rules
from bitcurrent_sandbox.alpaca.market import CoinMarket
from bitcurrent_sandbox.alpaca.matching import Matching, activity_id
from bitcurrent_sandbox.alpaca.model import FeePosting, Fill, Order
from bitcurrent_sandbox.money import ZERO

_OPEN_MAX: Final = 20_000
_FEES_AT_ONCE: Final = 500


class Engine(Matching):
    """The venue with its one account."""

    rejects_next: Callable[[], bool] = staticmethod(lambda: False)
    """Asked once for each accepted order: is it to be rejected afterwards?"""

    # Life

    def recover(self) -> None:
        """Take up the open orders where a former process left them."""
        self._open = {order.id: order for order in self._store.open_orders()}
        for order in list(self._open.values()):
            if order.status == "pending_cancel":
                self._finish_cancel(order.id)
            elif order.status == "pending_new":
                self._later(0, self._activate, order.id)

    def forget(self) -> None:
        """Wipe every order, fill and position, and start with fresh cash."""
        with self._store.transaction():
            self._store.wipe()
            self.account.reset()
        self._open.clear()
        self._taken.clear()

    def find(self, order_id: str) -> Order:
        """The order with that id of the venue; raises VenueError."""
        order = self._open.get(order_id) or self._store.order(order_id)
        if order is None:
            raise errors.order_not_found()
        return order

    # Verbs of the API

    def submit(self, body: dict[str, Any]) -> Order:
        """Accept an order, or raise the venue's refusal."""
        now = clock.now()
        order, coin = rules.read_order(body, now)
        self._refuse_duplicate(order.client_order_id)
        market = self._market[coin.symbol]
        if market.halted:
            raise errors.invalid(f"asset {coin.symbol} is not tradable")
        if len(self._open) >= _OPEN_MAX:
            raise errors.forbidden(f"at most {_OPEN_MAX} open orders")
        order.hold_price = self._hold_price(order, market, now)
        rules.check_cost(order, order.hold_price)
        self.account.require(order, self._open.values())
        with self._step():
            self._store.add_order(order)
            self._open[order.id] = order
            self._tell("pending_new", order)
        reject = self.rejects_next()
        self._later(self.settings.fill_latency_ms, self._reject if reject else self._activate, order.id)
        return order

    def replace(self, order_id: str, body: dict[str, Any]) -> Order:
        """A new order takes the old one's place; its quantity is what is to be traded from then on."""
        old = self.find(order_id)
        if old.status not in ("new", "accepted", "partially_filled"):
            raise errors.not_cancelable(old.status)
        coin, now = self._market[old.symbol].coin, clock.now()
        order = self._replacement(old, body, now)
        rules.check_shape(order)
        rules.check_increments(order, coin)
        self._refuse_duplicate(order.client_order_id)
        order.hold_price = self._hold_price(order, self._market[order.symbol], now)
        rules.check_cost(order, order.hold_price)
        others = [other for other in self._open.values() if other.id != old.id]
        self.account.require(order, others)
        with self._step():
            old.status, old.replaced_at, old.replaced_by = "replaced", now, order.id
            self._close(old, now)
            self._store.add_order(order)
            self._open[order.id] = order
            self._tell("replaced", old)
            self._tell("pending_new", order)
        self._later(self.settings.fill_latency_ms, self._activate, order.id)
        return order

    def cancel(self, order_id: str) -> None:
        """Ask for an order to be cancelled; it may still trade while the request travels."""
        order = self.find(order_id)
        if not order.open or order.status == "pending_cancel":
            raise errors.not_cancelable(order.status)
        if self.settings.cancel_latency_ms == 0:
            self._finish_cancel(order_id)
            return
        with self._step():
            order.status = "pending_cancel"
            self._save(order, clock.now())
            self._tell("pending_cancel", order)
        self._later(self.settings.cancel_latency_ms, self._finish_cancel, order_id)

    # The operator's hand

    def force_fill(self, order_id: str, qty: Decimal, price: Decimal) -> Fill:
        """Fill an open order by exactly this, whatever the market says."""
        order = self._require_open(order_id)
        coin = self._market[order.symbol].coin
        if qty <= 0 or qty > order.wanted(price, coin.size_step):
            raise errors.invalid("qty is more than the order has left")
        with self._step():
            return self._fill(order, coin, qty=qty, price=price, liquidity="maker", now=clock.now())

    def reject(self, order_id: str) -> None:
        """Reject an order that was accepted."""
        self._require_open(order_id)
        self._reject(order_id)

    def expire(self, order_id: str) -> None:
        """Let an open order expire."""
        order, now = self._require_open(order_id), clock.now()
        with self._step():
            order.status, order.expired_at = "expired", now
            self._close(order, now)
            self._tell("expired", order)

    def tell_again(self, order_id: str, event: str, *, repeat_fill: bool = False) -> None:
        """Send an event of any name about an order, without a change to it."""
        fills = self._store.fills(order_id) if repeat_fill else []
        with self._step():
            self._tell(event, self.find(order_id), fills[-1] if fills else None)

    def post_fees(self) -> int:
        """Post the fee activity of every fill that lacks one; returns how many."""
        due = self._store.fills_with_fee_due(_FEES_AT_ONCE)
        with self._store.transaction():
            for fill in due:
                in_coin = fill.fee_asset != "USD"
                now = clock.now()
                posting = FeePosting(
                    activity_id=activity_id(now),
                    symbol=fill.symbol,
                    qty=-fill.fee if in_coin else ZERO,
                    price=fill.price,
                    net_amount=ZERO if in_coin else -fill.fee,
                    at=now,
                )
                self._store.post_fee(posting, fill)
        return len(due)

    # Help

    def _replacement(self, old: Order, body: dict[str, Any], now: int) -> Order:
        qty, notional = rules.read_amount(body, "qty"), rules.read_amount(body, "notional")
        if qty is None and notional is None:
            qty = None if old.qty is None else old.qty - old.filled_qty
            notional = None if old.notional is None else old.notional - old.filled_cost
        force = body.get("time_in_force") or old.time_in_force
        if force not in ("gtc", "ioc"):
            raise errors.invalid("invalid crypto time_in_force")
        return Order(
            id=str(uuid.uuid4()),
            client_order_id=rules.read_client_order_id(body) or str(uuid.uuid4()),
            symbol=old.symbol,
            side=old.side,
            type=old.type,
            time_in_force=force,
            submitted_at=now,
            updated_at=now,
            qty=qty,
            notional=notional,
            limit_price=rules.read_amount(body, "limit_price") or old.limit_price,
            stop_price=rules.read_amount(body, "stop_price") or old.stop_price,
            triggered=old.triggered and rules.read_amount(body, "stop_price") is None,
            replaces=old.id,
        )

    def _hold_price(self, order: Order, market: CoinMarket, now: int) -> Decimal:
        """The price at which the rest is set aside: the limit, or the best offer for market orders.

        Assumed: the venue's own margin above the best offer is not published; none is used.
        """
        if order.limit_price is not None:
            return order.limit_price
        quote = market.quote(now)
        return quote.ask.price if order.buys else quote.bid.price

    def _refuse_duplicate(self, client_order_id: str) -> None:
        if self._store.order_by_client_id(client_order_id) is not None:
            raise errors.duplicate_client_order_id()

    def _require_open(self, order_id: str) -> Order:
        order = self._open.get(self.find(order_id).id)
        if order is None:
            raise errors.not_cancelable(self.find(order_id).status)
        return order

    def _later(self, milliseconds: int, verb: Callable[[str], None], order_id: str) -> None:
        asyncio.get_running_loop().call_later(milliseconds / 1000, verb, order_id)
