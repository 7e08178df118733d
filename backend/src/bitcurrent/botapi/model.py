"""What the bot API adds to what the rooms below say: what can be sold at once, and Alpaca's words. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from bitcurrent.identity.model import User
from bitcurrent.kernel.money import EXACT, ROUGH, VENUE_PLACES, round_down
from bitcurrent.market_data.model import Market
from bitcurrent.portfolio.model import Portfolio, Position
from bitcurrent.trading.model import Order, OrderState

STEP = Decimal(1).scaleb(-VENUE_PLACES)
RATIO_STEP = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A coin that a customer has, and the market where it can be sold."""

    market: Market
    position: Position

    @property
    def quantity(self) -> Decimal:
        """All of it, also what open orders hold."""
        return self.position.quantity

    @property
    def available(self) -> Decimal:
        """What no order holds."""
        return self.position.balance.available

    @property
    def price(self) -> Decimal:
        """What one is worth; 0 for a coin that the venue has dropped and nobody prices any more."""
        return self.position.price.price if self.position.price else Decimal(0)

    @property
    def price_before(self) -> Decimal:
        """What one was worth 24 hours ago; the same as now where that is not known."""
        price = self.position.price
        return price.day_before if price is not None and price.day_before is not None else self.price

    @property
    def sellable(self) -> Decimal:
        """How much one market order can sell now: what is available, in whole increments."""
        return round_down(self.available, sale_step(self.market))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer with everything they have, at one moment."""

    user: User
    portfolio: Portfolio


def sale_step(market: Market) -> Decimal:
    """The step of a quantity to sell: the market's, and no finer than the venue takes."""
    return max(market.min_trade_increment, STEP)


def share(whole: Decimal, percentage: Decimal, step: Decimal) -> Decimal:
    """A percentage of a quantity, in whole steps, never more."""
    return round_down(EXACT.multiply(whole, percentage).scaleb(-2, EXACT), step)


def change_ratio(now: Decimal, before: Decimal) -> Decimal:
    """How far `now` is from `before`, as a factor (0.01 is a percent); 0 when there is no before."""
    if not before:
        return Decimal(0)
    return ROUGH.subtract(ROUGH.divide(now, before), 1).quantize(RATIO_STEP, context=ROUGH)


_WORDS = {
    OrderState.ACCEPTED: "accepted",
    OrderState.SUBMITTING: "pending_new",
    # Sent, and the venue's answer was lost: to a program it is on its way until the venue says otherwise.
    OrderState.UNKNOWN: "pending_new",
    OrderState.SUBMITTED: "new",
}


def status_of(order: Order) -> str:
    """Alpaca's word for where an order is."""
    if order.state.ended:
        return str(order.state)
    if order.cancel_requested_at is not None:
        return "pending_cancel"
    if order.replaced_by is not None:
        return "pending_replace"
    return _WORDS.get(order.state, str(order.state))
