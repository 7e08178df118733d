"""What a customer owns, as values: worths, gains and the totals over them. Pure; figures for showing, never booked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bitcurrent.funding.holdings_model import Holding
from bitcurrent.kernel.currencies import BASE
from bitcurrent.kernel.money import LEDGER_PLACES, ROUGH, round_down
from bitcurrent.ledger.model import Balance
from bitcurrent.trading.model import OrderHold, TradedPosition

CASH = BASE
"""The currency in which everything is valued first; `View` shows it in another."""

_STEP = Decimal(1).scaleb(-LEDGER_PLACES)
_PERCENT_STEP = Decimal("0.01")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a coin is worth in USD, when the venue last said so, and 24 hours before that (where that is known)."""

    price: Decimal
    at: datetime
    stale: bool
    day_before: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The currency in which somebody wants to see figures, and how many of it a USD is in the middle."""

    currency: str
    rate: Decimal

    def of(self, amount: Decimal) -> Decimal:
        """An amount of USD in this currency; for showing only."""
        return amount if self.currency == CASH else _down(ROUGH.multiply(amount, self.rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cash:
    """Money of one currency. `rate` is USD for one unit; None when nobody can say now."""

    balance: Balance
    rate: Decimal | None
    rate_at: datetime | None

    @property
    def currency(self) -> str:
        """Its code."""
        return self.balance.currency

    @property
    def value(self) -> Decimal | None:
        """All of it in USD."""
        return self.worth_of(self.balance.total)

    def worth_of(self, amount: Decimal) -> Decimal | None:
        """A part of it in USD."""
        return None if self.rate is None else _down(ROUGH.multiply(amount, self.rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedBalance:
    """A balance with what holds the held part: orders, and `holdings` for everything else.

    The oldest of each when there are more than can be shown.
    """

    balance: Balance
    holds: tuple[OrderHold, ...]
    holdings: tuple[Holding, ...]
    more_holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One coin that a customer has, or once had: its quantity is the ledger's, its cost what trading paid for it.

    What cannot be said without a price is None when there is none. Gains are before what a sale would cost in fees.
    """

    balance: Balance
    traded: TradedPosition
    price: Price | None

    @property
    def currency(self) -> str:
        """The coin."""
        return self.balance.currency

    @property
    def quantity(self) -> Decimal:
        """All of it, held or not."""
        return self.balance.total

    @property
    def cost(self) -> Decimal:
        """What was paid for what is still there; coins that did not come from trading cost nothing."""
        if self.traded.quantity <= self.quantity:
            return self.traded.cost
        # Some of what was bought has gone without a sale: it took its share of the cost along.
        return _down(ROUGH.divide(ROUGH.multiply(self.traded.cost, self.quantity), self.traded.quantity))

    @property
    def bought_quantity(self) -> Decimal:
        """How much of the quantity has a cost."""
        return min(self.traded.quantity, self.quantity)

    @property
    def average_cost(self) -> Decimal | None:
        """USD paid for a unit, fees included; None when nothing that is there was bought."""
        return _down(ROUGH.divide(self.cost, self.bought_quantity)) if self.bought_quantity else None

    @property
    def realized(self) -> Decimal:
        """Profit from all sales so far: received after fees, less the average cost of what was sold."""
        return self.traded.realized

    @property
    def value(self) -> Decimal | None:
        """What it is worth now."""
        return None if self.price is None else _down(ROUGH.multiply(self.quantity, self.price.price))

    @property
    def unrealized(self) -> Decimal | None:
        """What would be gained by selling what was bought, at this price and without fees."""
        if self.price is None:
            return None
        return ROUGH.subtract(_down(ROUGH.multiply(self.bought_quantity, self.price.price)), self.cost)

    @property
    def unrealized_percent(self) -> Decimal | None:
        """The unrealized gain as a share of the cost."""
        return percent(self.unrealized, self.cost)

    @property
    def day_change(self) -> Decimal | None:
        """How much what is there now gained or lost in the last 24 hours."""
        if self.price is None or self.price.day_before is None:
            return None
        return _down(ROUGH.multiply(self.quantity, ROUGH.subtract(self.price.price, self.price.day_before)))

    @property
    def day_change_percent(self) -> Decimal | None:
        """The price's change over the last 24 hours."""
        if self.price is None or self.price.day_before is None:
            return None
        return percent(ROUGH.subtract(self.price.price, self.price.day_before), self.price.day_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Everything a customer has, valued in USD at one moment. `cash` is the USD, `currencies` are the others."""

    as_of: datetime
    cash: Balance
    positions: tuple[Position, ...]
    currencies: tuple[Cash, ...] = ()

    @property
    def owned(self) -> tuple[Position, ...]:
        """The coins that are there now."""
        return tuple(position for position in self.positions if position.quantity > 0)

    @property
    def coins_value(self) -> Decimal:
        """The worth of every coin that has a price."""
        return sum_of([position.value for position in self.owned])

    @property
    def all_cash(self) -> tuple[Cash, ...]:
        """Every currency's money, USD first."""
        dollars = Cash(balance=self.cash, rate=Decimal(1), rate_at=None)
        return (dollars, *(cash for cash in self.currencies if cash.balance.total > 0))

    @property
    def cash_value(self) -> Decimal:
        """The worth of all money that has a rate."""
        return sum_of([cash.value for cash in self.all_cash])

    @property
    def total(self) -> Decimal:
        """Cash of every currency and coins together."""
        return ROUGH.add(self.cash_value, self.coins_value)

    @property
    def unrealized(self) -> Decimal:
        """Gains that are not taken yet."""
        return sum_of([position.unrealized for position in self.owned])

    @property
    def realized(self) -> Decimal:
        """Profit from all sales, also of coins that are gone."""
        return sum_of([position.realized for position in self.positions])

    @property
    def day_change(self) -> Decimal:
        """How much the coins that are there now gained or lost in the last 24 hours."""
        return sum_of([position.day_change for position in self.owned])

    @property
    def day_change_percent(self) -> Decimal | None:
        """The same as a share of what everything was worth 24 hours ago."""
        return percent(self.day_change, ROUGH.subtract(self.total, self.day_change))

    @property
    def priced_at(self) -> datetime | None:
        """The oldest moment of the prices that were used; None when none was needed."""
        return min((position.price.at for position in self.owned if position.price), default=None)

    @property
    def stale(self) -> bool:
        """Whether a price that was used is too old to rely on, or one is missing."""
        return bool(self.unpriced) or any(position.price and position.price.stale for position in self.owned)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Coins and currencies that are there and not in the total, for want of a price or a rate."""
        coins = tuple(position.currency for position in self.owned if position.price is None)
        return (*coins, *(cash.currency for cash in self.all_cash if cash.rate is None))

    def share_of(self, position: Position) -> Decimal | None:
        """A coin's part of the total, in percent."""
        return percent(position.value, self.total)


def percent(part: Decimal | None, whole: Decimal) -> Decimal | None:
    """A share in percent with two decimals; None where there is nothing to compare with."""
    if part is None or whole <= 0:
        return None
    return ROUGH.divide(ROUGH.multiply(part, Decimal(100)), whole).quantize(_PERCENT_STEP, context=ROUGH)


def sum_of(amounts: Sequence[Decimal | None]) -> Decimal:
    """The sum of those that are known."""
    total = _ZERO
    for amount in amounts:
        total = ROUGH.add(total, amount or _ZERO)
    return total


def _down(amount: Decimal) -> Decimal:
    return round_down(amount, _STEP)
