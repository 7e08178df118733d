"""Every rule an order must pass before money is held, each with a code, the field at fault and the rule's value. Pure.

The venue's own rules: increments and minimum sizes by market, a $10 minimum for buys, $200,000 at most.
"""

from dataclasses import dataclass
from decimal import Decimal

from bitcurrent.kernel.errors import Conflict, Invalid
from bitcurrent.kernel.money import EXACT, VENUE_PLACES, is_multiple, multiply, places, plain
from bitcurrent.market_data.model import Market, Quote
from bitcurrent.trading.model import (
    FeeRate,
    Liquidity,
    OrderType,
    OrderWish,
    Side,
    Terms,
    buy_hold,
    collared,
    expected_liquidity,
    fee_of,
    quantity_for,
)

MINIMUM_BUY = Decimal(10)
MAXIMUM_ORDER = Decimal(200_000)
COLLAR_BPS = Decimal(300)
"""A market order by quantity fills at most 3% away from the price that was shown."""


class RuleBroken(Invalid):
    """An order that breaks a rule; the code names the rule and the details its value."""

    title = "The order breaks a rule"

    def __init__(self, code: str, message: str, *, field: str, **details: Decimal | str) -> None:
        shown = {name: plain(value) if isinstance(value, Decimal) else value for name, value in details.items()}
        super().__init__(message, field=field, details=shown)
        self.code = code  # type: ignore[misc]  # one class, one code for each rule


class MarketHalted(Conflict):
    """The market does not take orders now."""

    code = "market_halted"
    title = "Trading is halted"


class PriceStale(Conflict):
    """There is no fresh price to set the terms by."""

    code = "price_stale"
    title = "No fresh price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the market and the customer's fee tier are at this moment."""

    market: Market
    quote: Quote | None
    rate: FeeRate


def set_terms(wish: OrderWish, now: Conditions) -> Terms:
    """The terms under which this wish becomes an order; raises a refusal that names the rule otherwise."""
    _check_open(now.market)
    _check_shape(wish)
    _check_prices(wish, now.market)
    if wish.type is OrderType.MARKET:
        return _market_terms(wish, now)
    return _limit_terms(wish, now)


def set_replacement_terms(wish: OrderWish, now: Conditions) -> Terms:
    """The terms of a replacement: the same rules, always by quantity and with a price."""
    _check_open(now.market)
    _check_prices(wish, now.market)
    return _limit_terms(wish, now)


def _check_open(market: Market) -> None:
    if market.halted_reason is not None:
        raise MarketHalted(f"{market.symbol} is halted: {market.halted_reason}. Open orders can be canceled.")
    if not market.tradable:
        raise MarketHalted(f"The venue does not take orders for {market.symbol} now. Open orders can be canceled.")


def _check_shape(wish: OrderWish) -> None:
    if wish.quantity is not None and wish.notional is not None:
        raise RuleBroken("size_ambiguous", "Give quantity or notional, not both.", field="notional")
    if wish.quantity is None and wish.notional is None:
        raise RuleBroken("size_missing", "Give a quantity or a notional.", field="quantity")
    wants_limit = wish.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    wants_stop = wish.type is OrderType.STOP_LIMIT
    for name, value, wanted in (
        ("limit_price", wish.limit_price, wants_limit),
        ("stop_price", wish.stop_price, wants_stop),
    ):
        if wanted and value is None:
            raise RuleBroken(f"{name}_missing", f"A {wish.type} order needs a {name}.", field=name)
        if not wanted and value is not None:
            raise RuleBroken(f"{name}_not_allowed", f"A {wish.type} order takes no {name}.", field=name)


def _check_prices(wish: OrderWish, market: Market) -> None:
    for name, price in (("limit_price", wish.limit_price), ("stop_price", wish.stop_price)):
        if price is None:
            continue
        _positive(name, price)
        if not is_multiple(price, market.price_increment):
            raise RuleBroken(
                "price_increment",
                f"{name} must be a multiple of {plain(market.price_increment)} {market.quote} for {market.symbol}.",
                field=name,
                increment=market.price_increment,
            )


def _positive(name: str, value: Decimal) -> None:
    if value <= 0:
        raise RuleBroken("not_positive", f"{name} must be above zero.", field=name)


def _check_quantity(quantity: Decimal, market: Market) -> None:
    _positive("quantity", quantity)
    if not is_multiple(quantity, market.min_trade_increment):
        raise RuleBroken(
            "quantity_increment",
            f"quantity must be a multiple of {plain(market.min_trade_increment)} {market.base}.",
            field="quantity",
            increment=market.min_trade_increment,
        )
    if quantity < market.min_order_size:
        raise RuleBroken(
            "quantity_minimum",
            f"The smallest order for {market.symbol} is {plain(market.min_order_size)} {market.base}.",
            field="quantity",
            minimum=market.min_order_size,
        )


def _check_cost(cost: Decimal, wish: OrderWish, market: Market) -> None:
    field = "notional" if wish.notional is not None else "quantity"
    if wish.side is Side.BUY and cost < MINIMUM_BUY:
        raise RuleBroken(
            "cost_minimum",
            f"A buy must be worth at least {plain(MINIMUM_BUY)} {market.quote}; this is {plain(cost)}.",
            field=field,
            minimum=MINIMUM_BUY,
        )
    if cost > MAXIMUM_ORDER:
        raise RuleBroken(
            "cost_maximum",
            f"An order may be worth at most {plain(MAXIMUM_ORDER)} {market.quote}; this is {plain(cost)}.",
            field=field,
            maximum=MAXIMUM_ORDER,
        )


def _check_notional(notional: Decimal) -> None:
    _positive("notional", notional)
    if places(notional) > VENUE_PLACES:
        raise RuleBroken(
            "notional_places",
            f"notional takes at most {VENUE_PLACES} decimals.",
            field="notional",
            places=str(VENUE_PLACES),
        )


def _market_terms(wish: OrderWish, now: Conditions) -> Terms:
    quote = _fresh(now)
    market = now.market
    price = quote.ask if wish.side is Side.BUY else quote.bid
    collar = None
    quantity, notional = wish.quantity, wish.notional
    if notional is not None:
        _check_notional(notional)
        if wish.side is Side.SELL:
            # Sold by quantity at the price seen now, so that no fall of the price sells more than is held.
            quantity, notional = quantity_for(notional, price, market.min_trade_increment), None
    if quantity is not None:
        _check_quantity(quantity, market)
        if wish.side is Side.BUY:
            collar = collared(price, side=wish.side, collar_bps=COLLAR_BPS, increment=market.price_increment)
    cost = notional if notional is not None else multiply(_known(quantity), price)
    _check_cost(cost, wish, market)
    if wish.side is Side.BUY:
        hold = buy_hold(quantity=quantity, notional=notional, worst_price=collar or price)
    else:
        hold = _known(quantity)
    received = quantity if quantity is not None else quantity_for(cost, price, market.min_trade_increment)
    return _terms(wish, now, quantity, notional, collar, Liquidity.TAKER, hold, price, cost, received)


def _limit_terms(wish: OrderWish, now: Conditions) -> Terms:
    market = now.market
    limit = _known(wish.limit_price)
    quantity = wish.quantity
    if quantity is None:
        notional = _known(wish.notional)
        _check_notional(notional)
        quantity = quantity_for(notional, limit, market.min_trade_increment)
    _check_quantity(quantity, market)
    cost = multiply(quantity, limit)
    _check_cost(wish.notional or cost, wish, market)
    quote = now.quote
    if quote is None:
        # Without a price nobody can say that it would rest: the higher rate is shown and taken.
        liquidity = Liquidity.TAKER
    else:
        liquidity = expected_liquidity(
            side=wish.side,
            order_type=wish.type,
            time_in_force=wish.time_in_force,
            limit_price=limit,
            bid=quote.bid,
            ask=quote.ask,
        )
    hold = buy_hold(quantity=quantity, notional=None, worst_price=limit) if wish.side is Side.BUY else quantity
    return _terms(wish, now, quantity, None, None, liquidity, hold, limit, cost, quantity)


def _terms(
    wish: OrderWish,
    now: Conditions,
    quantity: Decimal | None,
    notional: Decimal | None,
    collar: Decimal | None,
    liquidity: Liquidity,
    hold: Decimal,
    price: Decimal,
    cost: Decimal,
    expected_quantity: Decimal,
) -> Terms:
    market = now.market
    buying = wish.side is Side.BUY
    fee_bps = now.rate.of(liquidity)
    gross = expected_quantity if buying else cost
    fee = fee_of(gross, fee_bps)
    return Terms(
        quantity=quantity,
        notional=notional,
        limit_price=wish.limit_price,
        stop_price=wish.stop_price,
        collar_price=collar,
        liquidity=liquidity,
        fee_bps=fee_bps,
        fee_currency=market.base if buying else market.quote,
        hold_currency=market.quote if buying else market.base,
        hold_amount=hold,
        expected_price=price,
        expected_cost=cost,
        expected_fee=fee,
        expected_net=EXACT.subtract(gross, fee),
    )


def _fresh(now: Conditions) -> Quote:
    if now.quote is None:
        raise PriceStale(
            f"There is no fresh price for {now.market.symbol}, so a market order cannot be priced. "
            "Nothing was placed; try again in a moment or use a limit order."
        )
    return now.quote


def _known(value: Decimal | None) -> Decimal:
    assert value is not None
    return value
