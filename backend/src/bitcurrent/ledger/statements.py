"""What a customer's account did in a stretch of time, for who writes statements and lists of it.

Ask all of it in one repeatable-read transaction: then opening and lines add up to closing.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.ledger import statements_repository as repository
from bitcurrent.ledger.model import StatementLine


async def balances_at(connection: Connection, user_id: UserId, at: datetime) -> dict[str, Decimal]:
    """What the customer had of everything at a moment, held or not; also what they had nothing of then."""
    return await repository.balances_at(connection, user_id, at)


async def count_lines(connection: Connection, user_id: UserId, *, since: datetime, until: datetime) -> int:
    """How many lines there are in [since, until)."""
    return await repository.count_lines(connection, user_id, since, until)


def lines(connection: Connection, user_id: UserId, *, since: datetime, until: datetime) -> AsyncIterator[StatementLine]:
    """The lines in [since, until), oldest first, through a cursor: there may be more than memory holds."""
    return repository.lines(connection, user_id, since, until)


async def fees_paid(connection: Connection, user_id: UserId, *, since: datetime, until: datetime) -> dict[str, Decimal]:
    """What the customer's journals of [since, until) brought the house in fees, by currency."""
    return await repository.fees_paid(connection, user_id, since, until)
