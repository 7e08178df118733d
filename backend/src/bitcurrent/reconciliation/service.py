"""The proof of the books: the laws of every room that moves money, asked of one moment."""

from bitcurrent.kernel.database import Connection
from bitcurrent.ledger.verification import LEDGER_LAWS, Report, prove
from bitcurrent.trading.laws import TRADING_LAWS

LAWS = (*LEDGER_LAWS, *TRADING_LAWS)


async def verify(connection: Connection) -> Report:
    """Prove every law on one snapshot, changing nothing. The connection must have no transaction open."""
    return await prove(connection, LAWS)
