"""What a customer would leave behind: asked before an account is closed."""

from collections.abc import Mapping

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger import service as ledger
from bitcurrent.trading.reading import list_open_orders

ORDERS_COUNTED_MAX = 100


class Leavings:
    """Identity's question to trading and the ledger: is there anything left?"""

    async def left_in(self, connection: Connection, user_id: UserId) -> Mapping[str, str]:
        """Open orders (counted up to a hundred) and balances that are not zero, by name."""
        left: dict[str, str] = {}
        orders = await list_open_orders(connection, user_id, limit=ORDERS_COUNTED_MAX)
        if orders:
            left["open_orders"] = str(len(orders))
        for balance in await ledger.read_balances(connection, user_id):
            amount = EXACT.add(balance.available, balance.held)
            if amount:
                left[f"balance_{balance.currency}"] = f"{amount.normalize(EXACT):f}"
        return left
