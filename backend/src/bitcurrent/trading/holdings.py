"""What orders hold and what fills have made, as portfolio reads it: in the connection it brings, so that all it reads
is of one moment."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.trading import holdings_repository
from bitcurrent.trading.model import OrderState, OrderType, Side

HOLDS_MAX = 1000


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


async def list_holds(
    connection: Connection, user_id: UserId, currency: str | None = None, *, limit: int = HOLDS_MAX
) -> list[OrderHold]:
    """Every order that holds something (of one currency), oldest first."""
    rows = await holdings_repository.list_holds(connection, user_id, currency, limit)
    return [
        OrderHold(
            **{
                **dict(row),
                "side": Side(row["side"]),
                "type": OrderType(row["type"]),
                "state": OrderState(row["state"]),
            }
        )
        for row in rows
    ]


async def list_positions(connection: Connection, user_id: UserId) -> list[TradedPosition]:
    """What trading made of every coin that the customer ever traded, by currency."""
    rows = await holdings_repository.list_positions(connection, user_id)
    return [TradedPosition(**dict(row)) for row in rows]
