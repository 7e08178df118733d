"""Reads a request for an order and says what is wrong with it."""

import uuid
from decimal import Decimal
from typing import Any, Final

from bitcurrent_sandbox import money
from bitcurrent_sandbox.alpaca import errors
from bitcurrent_sandbox.alpaca.assets import Coin, find
from bitcurrent_sandbox.alpaca.model import Order
from bitcurrent_sandbox.money import ZERO

BUY_COST_MIN: Final = Decimal(10)
COST_MAX: Final = Decimal(200_000)
_DECIMALS_MAX: Final = 9
_TYPES: Final = ("market", "limit", "stop_limit")


def read_order(body: dict[str, Any], now: int) -> tuple[Order, Coin]:
    """The order that the body asks for; raises VenueError naming the first fault."""
    coin = _coin(body)
    side, kind = body.get("side"), body.get("type")
    if side not in ("buy", "sell"):
        raise errors.invalid(f"invalid side: {side}")
    if kind not in _TYPES:
        raise errors.invalid(f"invalid order type for crypto order: {kind}")
    if body.get("time_in_force") not in ("gtc", "ioc"):
        raise errors.invalid("invalid crypto time_in_force")
    if body.get("order_class") not in (None, "", "simple"):
        raise errors.invalid("crypto orders not allowed for advanced order_class")
    if body.get("extended_hours"):
        raise errors.invalid("extended hours order must be DAY limit orders")
    order = Order(
        id=str(uuid.uuid4()),
        client_order_id=read_client_order_id(body) or str(uuid.uuid4()),
        symbol=coin.symbol,
        side=side,
        type=kind,
        time_in_force=body["time_in_force"],
        submitted_at=now,
        updated_at=now,
        qty=read_amount(body, "qty"),
        notional=read_amount(body, "notional"),
        limit_price=read_amount(body, "limit_price"),
        stop_price=read_amount(body, "stop_price"),
    )
    check_shape(order)
    check_increments(order, coin)
    return order, coin


def read_client_order_id(body: dict[str, Any]) -> str | None:
    """The caller's own id, or None when absent."""
    value = body.get("client_order_id")
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 128:
        raise errors.bad_parameter("client_order_id must be no more than 128 characters")
    return value


def read_amount(body: dict[str, Any], name: str) -> Decimal | None:
    """A positive amount of at most nine decimals, sent as string or number."""
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        amount = money.parse(value)
    except ValueError as error:
        raise errors.invalid(f"invalid {name}: {value}") from error
    if amount <= 0:
        raise errors.invalid(f"{name} must be > 0")
    if name in ("qty", "notional") and money.decimals(amount) > _DECIMALS_MAX:
        raise errors.invalid(f"{name} is limited to {_DECIMALS_MAX} decimal places")
    return amount


def check_shape(order: Order) -> None:
    """Which members go together."""
    if (order.qty is None) == (order.notional is None):
        raise errors.invalid("qty or notional is required" if order.qty is None else "only one of qty or notional")
    if order.type == "market" and order.limit_price is not None:
        raise errors.invalid("market orders require no limit price")
    if order.type != "market" and order.limit_price is None:
        raise errors.invalid(f"{order.type.replace('_', ' ')} orders require limit price")
    if order.type == "stop_limit" and order.stop_price is None:
        raise errors.invalid("stop limit orders require stop price")
    if order.type != "stop_limit" and order.stop_price is not None:
        raise errors.invalid(f"{order.type} orders require no stop price")
    if order.type == "stop_limit" and order.time_in_force == "ioc":
        raise errors.invalid("invalid crypto time_in_force")


def check_increments(order: Order, coin: Coin) -> None:
    """Sizes and prices in the asset's own steps.

    Assumed: the rules are published for each asset, the words of the refusals are not.
    """
    if order.qty is not None:
        if order.qty < coin.min_size:
            raise errors.forbidden(f"minimal qty of order is {money.text(coin.min_size)}")
        if not money.multiple_of(order.qty, coin.size_step):
            raise errors.invalid(f"qty increment must be a multiple of {money.text(coin.size_step)}")
    for name, price in (("limit_price", order.limit_price), ("stop_price", order.stop_price)):
        if price is not None and not money.multiple_of(price, coin.price_step):
            raise errors.invalid(
                f"invalid {name} {money.text(price)}: price increment is {money.text(coin.price_step)}"
            )


def check_cost(order: Order, price: Decimal) -> None:
    """The least value of a buy and the greatest of any order, at this price."""
    cost = order.notional - order.filled_cost if order.notional is not None else (order.qty or ZERO) * price
    if order.buys and cost < BUY_COST_MIN:
        raise errors.cost_too_small(BUY_COST_MIN)
    if cost > COST_MAX:
        raise errors.cost_too_large(COST_MAX)


def _coin(body: dict[str, Any]) -> Coin:
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise errors.invalid("symbol is required")
    coin = find(symbol)
    if coin is None:
        raise errors.invalid(f'asset "{symbol[:40]}" not found')
    return coin
