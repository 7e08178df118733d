"""A customer's executions in a stretch of time, for who writes lists of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT
from bitcurrent.trading import history_repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One fill. `net` is what it brought after the fee: coins for a buy, money for a sale."""

    id: UUID
    order_id: UUID
    client_order_id: str | None
    filled_at: datetime
    market: str
    side: str
    liquidity: str
    quantity: Decimal
    price: Decimal
    cost: Decimal
    fee: Decimal
    fee_currency: str
    fee_bps: Decimal

    @property
    def quote(self) -> str:
        """The currency of price and cost."""
        return self.market.partition("/")[2]

    @property
    def net(self) -> Decimal:
        """What was received, less the fee, which is taken out of it."""
        return EXACT.subtract(self.quantity if self.side == "buy" else self.cost, self.fee)


async def count_trades(connection: Connection, user_id: UserId, *, since: datetime, until: datetime) -> int:
    """How many fills were booked in [since, until)."""
    return await history_repository.count_fills(connection, user_id, since, until)


async def trades(connection: Connection, user_id: UserId, *, since: datetime, until: datetime) -> AsyncIterator[Trade]:
    """The fills booked in [since, until), oldest first, through a cursor; needs an open transaction."""
    async for row in history_repository.trade_rows(connection, user_id, since, until):
        yield Trade(**dict(row))
