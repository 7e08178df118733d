"""The SQL behind statements and lists: a customer's lines in a stretch of time, and what they come to."""

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.ledger.model import StatementLine

PREFETCH_ROWS = 500
SUM_SECONDS_MAX = 60
"""The sum over years of lines may take longer than other statements."""


async def balances_at(connection: Connection, user_id: UserId, at: datetime) -> dict[str, Decimal]:
    """What a customer had of everything at a moment: the balances of now, less what has moved since."""
    rows = await connection.fetch(
        """
        SELECT b.currency, b.available + b.held - coalesce(e.moved, 0) AS total FROM balances b
        LEFT JOIN (
            SELECT currency, sum(amount) AS moved FROM entries WHERE user_id = $1 AND created_at >= $2 GROUP BY currency
        ) e USING (currency)
        WHERE b.user_id = $1
        """,
        user_id,
        at,
        timeout=SUM_SECONDS_MAX,
    )
    return {row["currency"]: row["total"] for row in rows}


async def count_lines(connection: Connection, user_id: UserId, since: datetime, until: datetime) -> int:
    """How many lines moved a customer's money in [since, until)."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM entries WHERE user_id = $1 AND created_at >= $2 AND created_at < $3",
        user_id,
        since,
        until,
        timeout=SUM_SECONDS_MAX,
    )
    return found


async def lines(
    connection: Connection, user_id: UserId, since: datetime, until: datetime
) -> AsyncIterator[StatementLine]:
    """Those lines in the order of the books, read through a cursor; needs an open transaction."""
    query = """
        SELECT e.created_at, e.journal_id, j.kind, j.reference, e.currency, e.account, e.amount, e.balance_after
        FROM entries e JOIN journals j ON j.id = e.journal_id AND j.created_at = e.created_at
        WHERE e.user_id = $1 AND e.created_at >= $2 AND e.created_at < $3
        ORDER BY e.created_at, e.journal_id, e.line
        """
    cursor = connection.cursor(query, user_id, since, until, prefetch=PREFETCH_ROWS, timeout=SUM_SECONDS_MAX)
    async for row in cursor:
        yield StatementLine(*row)


async def fees_paid(connection: Connection, user_id: UserId, since: datetime, until: datetime) -> dict[str, Decimal]:
    """What the journals of a customer brought the house in fees, by currency."""
    rows = await connection.fetch(
        """
        SELECT f.currency, sum(f.amount) AS fees FROM (
            SELECT DISTINCT journal_id, created_at FROM entries
            WHERE user_id = $1 AND created_at >= $2 AND created_at < $3
        ) j JOIN entries f ON f.journal_id = j.journal_id AND f.created_at = j.created_at AND f.account = 'fees'
        GROUP BY f.currency HAVING sum(f.amount) <> 0
        """,
        user_id,
        since,
        until,
        timeout=SUM_SECONDS_MAX,
    )
    return {row["currency"]: row["fees"] for row in rows}
