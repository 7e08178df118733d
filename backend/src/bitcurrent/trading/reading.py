"""Orders for rooms above that read several things in one snapshot of their own."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.trading import repository
from bitcurrent.trading.model import Order
from bitcurrent.trading.repository import OrderFilter


async def read_orders(connection: Connection, order_ids: Sequence[OrderId]) -> dict[OrderId, Order]:
    """Orders by id, whosever they are; ids that do not exist are left out."""
    return await repository.read_orders(connection, order_ids) if order_ids else {}


async def traded_since(connection: Connection, user_id: UserId, since: datetime) -> Decimal:
    """What a customer has traded since a moment, in USD."""
    return await repository.read_volume_since(connection, user_id, since)


async def list_open_orders(connection: Connection, user_id: UserId, *, limit: int) -> list[Order]:
    """A customer's orders that have not ended, newest first."""
    return await repository.list_orders(connection, user_id, OrderFilter(open_only=True, limit=limit))
