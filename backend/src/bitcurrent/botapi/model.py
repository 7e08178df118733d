"""What a customer holds of one coin and what it is worth, as the bot API shows it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bitcurrent.identity.model import User
from bitcurrent.kernel.money import EXACT, ROUGH, VENUE_PLACES, divide_down, round_down
from bitcurrent.market_data.model import Market
from bitcurrent.trading.model import Order, OrderState

STEP = Decimal(1).scaleb(-VENUE_PLACES)
RATIO_STEP = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A coin with its price now and 24 hours ago, in the quote asset. `cost` is what was paid for all of it."""

    market: Market
    quantity: Decimal
    available: Decimal
    cost: Decimal
    price: Decimal
    price_before: Decimal

    @property
    def value(self) -> Decimal:
        """What it is worth now."""
        return ROUGH.multiply(self.quantity, self.price)

    @property
    def value_before(self) -> Decimal:
        """What the same quantity was worth 24 hours ago."""
        return ROUGH.multiply(self.quantity, self.price_before)

    @property
    def entry_price(self) -> Decimal:
        """What a unit cost on average."""
        return divide_down(self.cost, self.quantity, STEP) if self.quantity else Decimal(0)

    @property
    def sellable(self) -> Decimal:
        """How much one market order can sell now: what is available, in whole increments."""
        return round_down(self.available, sale_step(self.market))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer's money and coins. `cash` is all of the USD, also what open orders have set aside."""

    user: User
    cash: Decimal
    cash_available: Decimal
    holdings: Sequence[Holding]


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
