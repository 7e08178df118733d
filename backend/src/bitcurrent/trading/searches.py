"""What can be asked about past orders and executions, and an execution in the course of its order. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.ids import OrderId
from bitcurrent.trading.model import OrderState, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSearch:
    """Which orders, by when they were placed. `after` and `until` themselves are left out.

    `after_id` and `before_id` begin behind one order in the direction of time, and end before another.
    """

    markets: Sequence[str] | None = None
    side: Side | None = None
    is_open: bool | None = None
    after: datetime | None = None
    until: datetime | None = None
    after_id: OrderId | None = None
    before_id: OrderId | None = None
    oldest_first: bool = False
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSearch:
    """Which executions, by when they were booked. `beyond` is the id of the last one seen."""

    order_id: OrderId | None = None
    after: datetime | None = None
    until: datetime | None = None
    beyond: UUID | None = None
    oldest_first: bool = False
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill in the course of its order: `filled_by_then` and `left_by_then` include this fill.

    `left_by_then` is None for an order by notional, which has no quantity to be left of.
    """

    id: UUID
    booked_at: datetime
    filled_at: datetime
    order_id: OrderId
    market: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    filled_by_then: Decimal
    left_by_then: Decimal | None
    order_state: OrderState
    order_filled: Decimal
