"""What orders hold and what fills have made, as portfolio reads it: in the connection it brings, so that all it reads
is of one moment."""

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.trading import holdings_repository
from bitcurrent.trading.model import OrderHold, OrderState, OrderType, Side, TradedPosition

HOLDS_MAX = 1000


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
