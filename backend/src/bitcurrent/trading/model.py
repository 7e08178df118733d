"""Orders and fills as values, what an order must hold, and how a venue's word ends an order. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.kernel.money import BASIS_POINT, EXACT, VENUE_PLACES, divide_down, multiply, round_down, round_up

FEE_STEP = Decimal(1).scaleb(-VENUE_PLACES)


class Side(StrEnum):
    """Which way the base asset goes, as the customer sees it."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """How the price is chosen."""

    MARKET = "market"
    LIMIT = "limit"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """How long it stays: until canceled, or only at once."""

    GTC = "gtc"
    IOC = "ioc"


class OrderState(StrEnum):
    """Where an order is. `unknown`: sent, and the venue's answer was lost; it stays so until the venue says."""

    ACCEPTED = "accepted"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    SUBMITTED = "submitted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen but a late fill."""
        return self in ENDED


ENDED = frozenset(
    {OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED, OrderState.REPLACED}
)


class Liquidity(StrEnum):
    """What an order is expected to be when it fills; it decides the fee rate, which is fixed at placing."""

    MAKER = "maker"
    TAKER = "taker"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWish:
    """What a customer asks for, before any rule has been checked. Exactly one of quantity and notional is given."""

    market: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an order will be on the venue and in the books: the wish after all rules.

    `hold_amount` of `hold_currency` is the most that the order can cost: fees come out of what is received.
    `collar_price` bounds a market buy by quantity: it is sent as an immediate-or-cancel limit at that price.
    """

    quantity: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    collar_price: Decimal | None
    liquidity: Liquidity
    fee_bps: Decimal
    fee_currency: str
    hold_currency: str
    hold_amount: Decimal
    # What the customer is told to expect, at the price seen now.
    expected_price: Decimal
    expected_cost: Decimal
    expected_fee: Decimal
    expected_net: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as it is stored. Quantities in the base asset, prices and costs in the quote asset."""

    id: OrderId
    created_at: datetime
    updated_at: datetime
    user_id: UserId
    client_order_id: str | None
    source: str
    market: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    collar_price: Decimal | None
    fee_bps: Decimal
    liquidity: Liquidity
    state: OrderState
    reason: str | None
    hold_currency: str
    hold_amount: Decimal
    held: Decimal
    filled_quantity: Decimal
    filled_cost: Decimal
    fee: Decimal
    fee_currency: str
    venue_order_id: str | None
    replaces: OrderId | None
    replaced_by: OrderId | None
    closing_state: OrderState | None
    closing_filled: Decimal | None
    cancel_requested_at: datetime | None
    cancel_sent_at: datetime | None
    claimed_at: datetime | None
    unknown_since: datetime | None
    checked_at: datetime | None
    submitted_at: datetime | None
    finished_at: datetime | None

    @property
    def base(self) -> str:
        """The asset that is bought or sold."""
        return self.market.partition("/")[0]

    @property
    def quote(self) -> str:
        """The currency that it is paid in."""
        return self.market.partition("/")[2]

    @property
    def average_price(self) -> Decimal | None:
        """What a unit really cost so far; None before the first fill."""
        if not self.filled_quantity:
            return None
        return divide_down(self.filled_cost, self.filled_quantity, FEE_STEP)

    @property
    def net(self) -> Decimal:
        """What has been received after fees: sellable quantity for a buy, cash for a sell."""
        gross = self.filled_quantity if self.side is Side.BUY else self.filled_cost
        return EXACT.subtract(gross, self.fee)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution as it was booked. `fee` is in `fee_currency`, taken from what was received."""

    execution_id: str
    order_id: OrderId
    user_id: UserId
    market: str
    side: Side
    quantity: Decimal
    price: Decimal
    cost: Decimal
    fee: Decimal
    fee_currency: str
    fee_bps: Decimal
    liquidity: Liquidity
    filled_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHold:
    """What one open order holds: `amount` of `currency`, since it was placed."""

    order_id: OrderId
    client_order_id: str | None
    market: str
    side: Side
    type: OrderType
    state: OrderState
    quantity: Decimal | None
    limit_price: Decimal | None
    filled_quantity: Decimal
    currency: str
    amount: Decimal
    since: datetime
    cancel_requested: bool
    being_replaced: bool
    awaiting_fills: bool

    @property
    def released_when(self) -> str:
        """What has to happen for this to be free again, in a customer's words."""
        if self.awaiting_fills:
            return "It has ended at the venue; the last fills are being booked, then the rest is released."
        if self.being_replaced:
            return "Its replacement takes the hold over as soon as the venue confirms."
        if self.cancel_requested:
            return "Released as soon as the venue confirms the cancel."
        match self.state:
            case OrderState.ACCEPTED | OrderState.SUBMITTING:
                return "Used when it fills; released if you cancel it or the venue refuses it."
            case OrderState.UNKNOWN:
                return "We are asking the venue what became of it; nothing is released before it answers."
            case _:
                return "Used when it fills; released when you cancel it or it ends."


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedPosition:
    """What a customer's fills made of one coin: quantity after fees, what it cost in USD, and profit from sales."""

    currency: str
    quantity: Decimal
    cost: Decimal
    realized: Decimal


@dataclass(frozen=True, slots=True)
class FeeRate:
    """Basis points by liquidity, and the 30-day volume from which they apply."""

    volume_from: Decimal
    maker_bps: Decimal
    taker_bps: Decimal

    def of(self, liquidity: Liquidity) -> Decimal:
        """The rate for one kind of liquidity."""
        match liquidity:
            case Liquidity.MAKER:
                return self.maker_bps
            case Liquidity.TAKER:
                return self.taker_bps
            case _:
                assert_never(liquidity)


def fee_of(gross: Decimal, fee_bps: Decimal) -> Decimal:
    """The fee on what is received, rounded up to the ninth decimal; never more than there is.

    The same rule as SQL's `settle_fill`: the laws compare the two.
    """
    return min(gross, round_up(EXACT.multiply(EXACT.multiply(gross, fee_bps), BASIS_POINT), FEE_STEP))


def buy_hold(*, quantity: Decimal | None, notional: Decimal | None, worst_price: Decimal) -> Decimal:
    """The most a buy can cost: its notional, or its quantity at the worst price it may fill at."""
    if notional is not None:
        return notional
    assert quantity is not None
    return multiply(quantity, worst_price)


def quantity_for(notional: Decimal, price: Decimal, increment: Decimal) -> Decimal:
    """How much a notional buys or sells at a price, in whole increments, never more."""
    return divide_down(notional, price, increment)


def collared(price: Decimal, *, side: Side, collar_bps: Decimal, increment: Decimal) -> Decimal:
    """The worst price that a market order may fill at: the reference price moved by the collar, on the tick."""
    if side is Side.BUY:
        return round_up(EXACT.multiply(price, 1 + collar_bps * BASIS_POINT), increment)
    return round_down(EXACT.multiply(price, 1 - collar_bps * BASIS_POINT), increment)


def expected_liquidity(
    *,
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    limit_price: Decimal | None,
    bid: Decimal,
    ask: Decimal,
) -> Liquidity:
    """Taker when the order would trade at once at this quote, maker when it would rest.

    The venue does not say on a fill which it was, so the expectation at placing decides, and the customer pays the
    rate that was shown. A stop-limit is taken for a taker: when it triggers the market is usually there.
    """
    if order_type is not OrderType.LIMIT or time_in_force is TimeInForce.IOC or limit_price is None:
        return Liquidity.TAKER
    crosses = limit_price >= ask if side is Side.BUY else limit_price <= bid
    return Liquidity.TAKER if crosses else Liquidity.MAKER


def placed_again(order: Order) -> Order:
    """The order as it was in the moment of placing: a repeated request gets its first answer."""
    return replace(
        order,
        updated_at=order.created_at,
        state=OrderState.ACCEPTED,
        reason=None,
        held=order.hold_amount,
        filled_quantity=Decimal(0),
        filled_cost=Decimal(0),
        fee=Decimal(0),
        venue_order_id=None,
        replaced_by=None,
        closing_state=None,
        closing_filled=None,
        cancel_requested_at=None,
        cancel_sent_at=None,
        claimed_at=None,
        unknown_since=None,
        checked_at=None,
        submitted_at=None,
        finished_at=None,
    )


class OrderNotFound(NotFound):
    """No order of this customer has this id."""

    code = "order_not_found"
    title = "No such order"

    def __init__(self) -> None:
        super().__init__("You have no order with this id.")


class OrderEnded(Conflict):
    """The order has ended, so it can be neither canceled nor replaced."""

    code = "order_ended"
    title = "The order has ended"


class OrderBusy(Conflict):
    """The order is being sent, canceled or replaced; what is asked must wait for that."""

    code = "order_busy"
    title = "The order is changing"


class ClientOrderIdTaken(Conflict):
    """Another order of this customer carries this client_order_id."""

    code = "client_order_id_taken"
    title = "client_order_id is taken"


class IdempotencyKeyReused(Invalid):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"
    title = "Idempotency-Key was used for something else"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillEvidence:
    """What one fill moved at the venue: `quantity` of the coin against `cost` of the quote currency, without fees."""

    market: str
    side: Side
    quantity: Decimal
    cost: Decimal
    filled_at: datetime

    def moved(self) -> tuple[tuple[str, Decimal], tuple[str, Decimal]]:
        """What it added to what lies there, by asset."""
        base, _, quote = self.market.partition("/")
        if self.side is Side.BUY:
            return (base, self.quantity), (quote, self.cost.copy_negate())
        return (base, self.quantity.copy_negate()), (quote, self.cost)
