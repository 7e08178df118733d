"""What programs ask about the past: orders by many filters in either direction, and executions with running totals."""

from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.trading import history_repository, repository
from bitcurrent.trading.model import Order
from bitcurrent.trading.searches import Execution, ExecutionSearch, OrderSearch


class TradingHistory:
    """Reads; it changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def orders(self, user_id: UserId, which: OrderSearch) -> list[Order]:
        """The customer's orders that match, in the order asked for."""
        async with self._database.read() as connection:
            found = await history_repository.search_orders(connection, user_id, which)
            orders = await repository.read_orders(connection, found)
        return [orders[order_id] for order_id in found if order_id in orders]

    async def executions(self, user_id: UserId, which: ExecutionSearch) -> list[Execution]:
        """The customer's fills that match, each with what its order had filled by then."""
        async with self._database.read() as connection:
            return await history_repository.search_executions(connection, user_id, which)
