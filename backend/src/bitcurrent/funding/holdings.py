"""What funding holds of customers' money and why: withdrawals, refunds, disputes and bonuses, for whoever explains it.

Reads in the connection it is given, so that all it says is of one moment.
"""

from bitcurrent.funding import holdings_repository as repository
from bitcurrent.funding.holdings_model import Holding
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

HOLDINGS_MAX = 1_000


async def list_holdings(
    connection: Connection, user_id: UserId, currency: str | None = None, *, limit: int = HOLDINGS_MAX
) -> list[Holding]:
    """Everything of funding that holds something (of one currency), oldest first."""
    rows = await repository.list_holdings(connection, user_id, currency, limit)
    return [Holding(**dict(row)) for row in rows]
