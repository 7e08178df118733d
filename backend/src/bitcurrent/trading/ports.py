"""What trading needs from outside, in its own words: a venue that takes orders and tells what became of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.trading.model import Order, OrderState


class VenueError(Exception):
    """The venue could not be asked, and nothing can have happened there: try again later."""


class VenueBusy(VenueError):
    """The venue's request budget is used up; `retry_after_seconds` says when to come back."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class VenueUnknown(Exception):
    """Sent, and no answer that can be believed: the venue may or may not have done it."""


class VenueRefused(Exception):
    """The venue understood and said no; `reason` is its own text, `code` its number."""

    def __init__(self, reason: str, *, code: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """An order as the venue sees it now. `order_id` is ours (its client_order_id); None when it is not one of ours.

    `state` is None when the venue used a word we do not know; `status` is that word as it came.
    """

    venue_order_id: str
    order_id: OrderId | None
    status: str
    state: OrderState | None
    filled_quantity: Decimal
    replaced_by: str | None = None
    replaces: str | None = None
    reason: str | None = None
    market: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFill:
    """One execution: quantity and price of this execution alone, never cumulative.

    `order_id` is None when only the venue's order id is known (activities); then `venue_order_id` finds it.
    """

    execution_id: str
    venue_order_id: str
    order_id: OrderId | None
    quantity: Decimal
    price: Decimal
    filled_at: datetime
    market: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueUpdate:
    """One message of the venue's order stream. `event_id` names it for good: the same message twice has the same id.

    `event` is the venue's word and `known` whether we know what it means; `payload` the whole message as it came.
    """

    event_id: str
    event: str
    order: VenueOrder
    fill: VenueFill | None
    payload: dict[str, Any]
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFee:
    """A fee that the venue has charged, from its activities, in `currency`. A negative `amount` was given back."""

    activity_id: str
    currency: str
    amount: Decimal
    charged_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueHoldings:
    """What the omnibus account really has: cash in USD and coins by code."""

    cash: Decimal
    coins: dict[str, Decimal]


class Venue(Protocol):
    """Where orders go. Every call has a timeout; none is made with a transaction open.

    Raises `VenueBusy`/`VenueError` when nothing can have happened, `VenueUnknown` when it may have, `VenueRefused`
    when the venue said no.
    """

    def room(self) -> int:
        """How many orders could be sent now without waiting for the venue's request budget."""
        ...

    async def submit(self, order: Order) -> VenueOrder:
        """Send once; the venue treats `order.id` as its idempotency key. A duplicate answers with what exists."""
        ...

    async def replace(self, old: Order, new: Order) -> VenueOrder:
        """Replace `old` by `new`, whose id is the replacement's idempotency key; answers the venue's new order."""
        ...

    async def cancel(self, order: Order) -> None:
        """Ask for a cancel. Returns when the venue took the request; `VenueRefused` when it can no longer."""
        ...

    async def find(self, order_id: OrderId, *, user_id: UserId | None = None) -> VenueOrder | None:
        """The venue's view of our order, by our id; None when the venue says that it has no such order."""
        ...

    async def open_orders(self) -> list[VenueOrder]:
        """Every order that the venue holds open for us (all pages)."""
        ...

    async def fills_after(self, cursor: str | None) -> tuple[list[VenueFill], str | None]:
        """Fills after a cursor, oldest first, and the cursor behind them; at most a few pages a call."""
        ...

    async def fills_of(self, venue_order_id: str) -> list[VenueFill]:
        """Every fill of one order, in any order; the ids are the activities', not the stream's."""
        ...

    async def fees_after(self, cursor: str | None) -> tuple[list[VenueFee], str | None]:
        """Fee activities after a cursor, oldest first, and the cursor behind them."""
        ...

    async def holdings(self) -> VenueHoldings:
        """Cash and positions now."""
        ...

    def updates(self) -> AsyncIterator[VenueUpdate | None]:
        """The order stream for ever: reconnects by itself with jitter, and yields None after every (re)connect.

        None tells the reader to re-read open orders, fills and fees: something may have been missed.
        """
        ...
