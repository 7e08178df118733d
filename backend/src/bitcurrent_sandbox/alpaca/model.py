"""Orders, fills and positions as the venue keeps them, and as it shows them."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca.assets import Coin
from bitcurrent_sandbox.money import ZERO, average, round_down, text

OPEN: Final = frozenset({"pending_new", "accepted", "new", "partially_filled", "pending_cancel", "pending_replace"})
GOOD_FOR_DAYS: Final = 90
_DAY: Final = 86_400 * clock.MICROS


class Order(msgspec.Struct, kw_only=True):
    """One order; times in microseconds. Exactly one of `qty` and `notional` is set."""

    id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    submitted_at: int
    updated_at: int
    status: str = "pending_new"
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    hold_price: Decimal = ZERO
    filled_qty: Decimal = ZERO
    filled_cost: Decimal = ZERO
    triggered: bool = False
    resting: bool = False
    filled_at: int | None = None
    canceled_at: int | None = None
    expired_at: int | None = None
    failed_at: int | None = None
    replaced_at: int | None = None
    replaces: str | None = None
    replaced_by: str | None = None

    @property
    def open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN

    @property
    def buys(self) -> bool:
        """Whether it buys the coin."""
        return self.side == "buy"

    def wanted(self, price: Decimal, step: Decimal) -> Decimal:
        """How much is left to trade at this price, in whole increments."""
        if self.qty is not None:
            return self.qty - self.filled_qty
        return round_down(((self.notional or ZERO) - self.filled_cost) / price, step)

    def held_cash(self) -> Decimal:
        """Dollars set aside for the rest of a buy."""
        if not self.buys:
            return ZERO
        if self.notional is not None:
            return max(ZERO, self.notional - self.filled_cost)
        return ((self.qty or ZERO) - self.filled_qty) * self.hold_price

    def held_qty(self) -> Decimal:
        """Coins set aside for the rest of a sell."""
        if self.buys:
            return ZERO
        if self.qty is not None:
            return self.qty - self.filled_qty
        return max(ZERO, (self.notional or ZERO) - self.filled_cost) / self.hold_price

    def within_limit(self, price: Decimal) -> bool:
        """Whether trading at this price honours the limit."""
        if self.limit_price is None:
            return True
        return price <= self.limit_price if self.buys else price >= self.limit_price


class Fill(msgspec.Struct, kw_only=True):
    """One execution and the fee taken from what was credited."""

    activity_id: str
    execution_id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    liquidity: str
    at: int
    cum_qty: Decimal
    leaves_qty: Decimal
    order_status: str


class FeePosting(msgspec.Struct, kw_only=True):
    """The CFEE activity that tells of one fill's fee."""

    activity_id: str
    symbol: str
    qty: Decimal
    price: Decimal
    net_amount: Decimal
    at: int


class TransferPosting(msgspec.Struct, kw_only=True):
    """The OCT activity that tells of a completed transfer: coins as a negative `qty`, the network's fee with them."""

    activity_id: str
    symbol: str
    qty: Decimal
    transfer_id: str
    at: int


class Transfer(msgspec.Struct, kw_only=True):
    """Coins on their way out of the account's wallet; `fails` is how it will end."""

    id: str
    asset: str
    chain: str
    to_address: str
    amount: Decimal
    fee: Decimal
    usd_value: Decimal
    created_at: int
    status: str = "PROCESSING"
    tx_hash: str = ""
    fails: bool = False


class Whitelisted(msgspec.Struct, kw_only=True):
    """An address that coins may be sent to, once it was approved."""

    id: str
    asset: str
    chain: str
    address: str
    created_at: int
    approved: bool = False


class Position(msgspec.Struct, kw_only=True):
    """What is held of one coin, net of fees, and what it cost."""

    symbol: str
    qty: Decimal = ZERO
    cost: Decimal = ZERO


def _time(at: int | None) -> str | None:
    return None if at is None else clock.iso(at)


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def order_wire(order: Order, coin: Coin) -> dict[str, Any]:
    """The venue's Order object."""
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": clock.iso(order.submitted_at),
        "updated_at": clock.iso(order.updated_at),
        "submitted_at": clock.iso(order.submitted_at),
        "filled_at": _time(order.filled_at),
        "expired_at": _time(order.expired_at),
        "expires_at": clock.iso(order.submitted_at + GOOD_FOR_DAYS * _DAY),
        "canceled_at": _time(order.canceled_at),
        "failed_at": _time(order.failed_at),
        "replaced_at": _time(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": coin.asset_id,
        "symbol": order.symbol,
        "asset_class": "crypto",
        "notional": _amount(order.notional),
        "qty": _amount(order.qty),
        "filled_qty": text(order.filled_qty),
        "filled_avg_price": average(order.filled_cost / order.filled_qty) if order.filled_qty else None,
        "order_class": "",
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "position_intent": "buy_to_open" if order.buys else "sell_to_close",
        "time_in_force": order.time_in_force,
        "limit_price": _amount(order.limit_price),
        "stop_price": _amount(order.stop_price),
        "status": order.status,
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
    }


def fill_wire(fill: Fill) -> dict[str, Any]:
    """The FILL activity."""
    return {
        "id": fill.activity_id,
        "activity_type": "FILL",
        "transaction_time": clock.iso(fill.at),
        "type": "fill" if fill.order_status == "filled" else "partial_fill",
        "price": text(fill.price),
        "qty": text(fill.qty),
        "side": fill.side,
        "symbol": fill.symbol,
        "leaves_qty": text(fill.leaves_qty),
        "order_id": fill.order_id,
        "cum_qty": text(fill.cum_qty),
        "order_status": fill.order_status,
    }


def fee_wire(posting: FeePosting) -> dict[str, Any]:
    """The CFEE activity: coins as a negative `qty`, dollars as a negative `net_amount`.

    Assumed: one activity for each fill, without a reference to it, and the pair without its slash.
    """
    in_coin = posting.qty != 0
    return {
        "id": posting.activity_id,
        "activity_type": "CFEE",
        "date": clock.iso(posting.at)[:10],
        "created_at": clock.iso(posting.at),
        "net_amount": text(posting.net_amount),
        "description": f"Coin Pair Transaction Fee ({'Non USD' if in_coin else 'USD'})",
        "symbol": posting.symbol.replace("/", ""),
        "qty": text(posting.qty),
        "price": text(posting.price),
        "currency": "USD",
        "status": "executed",
    }


def transfer_posting_wire(posting: TransferPosting) -> dict[str, Any]:
    """The OCT activity (on-chain transaction) of a transfer."""
    return {
        "id": posting.activity_id,
        "activity_type": "OCT",
        "date": clock.iso(posting.at)[:10],
        "created_at": clock.iso(posting.at),
        "net_amount": "0",
        "description": "Crypto withdrawal",
        "symbol": posting.symbol.replace("/", ""),
        "qty": text(posting.qty),
        "transfer_id": posting.transfer_id,
        "currency": "USD",
        "status": "executed",
    }


def position_wire(
    position: Position, coin: Coin, *, price: Decimal, yesterday: Decimal, held: Decimal
) -> dict[str, Any]:
    """The venue's Position object at this price; `held` is what open sells keep from being sold."""
    value = position.qty * price
    gain, day_gain = value - position.cost, position.qty * (price - yesterday)
    entry = position.cost / position.qty if position.qty else ZERO
    return {
        "asset_id": coin.asset_id,
        "symbol": coin.symbol.replace("/", ""),
        "exchange": "CRYPTO",
        "asset_class": "crypto",
        "asset_marginable": False,
        "avg_entry_price": average(entry),
        "qty": text(position.qty),
        "qty_available": text(position.qty - held),
        "side": "long",
        "market_value": text(value),
        "cost_basis": text(position.cost),
        "unrealized_pl": text(gain),
        "unrealized_plpc": average(gain / position.cost) if position.cost else "0",
        "unrealized_intraday_pl": text(day_gain),
        "unrealized_intraday_plpc": average(price / yesterday - 1),
        "current_price": text(price),
        "lastday_price": text(yesterday),
        "change_today": average(price / yesterday - 1),
    }
