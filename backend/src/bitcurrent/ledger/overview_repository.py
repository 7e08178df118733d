"""The SQL of the books at a glance."""

from collections.abc import Sequence
from typing import Any, Final

from bitcurrent.kernel.database import Connection

SECONDS_MAX: Final = 20
_SINCE: Final = "(date_trunc('day', now(), 'UTC') - make_interval(days => $1::integer - 1))"
_DAY: Final = "to_char(j.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


async def owed_by_asset(connection: Connection) -> list[Any]:
    """Sums of customers' balances."""
    return await connection.fetch(
        """
        SELECT currency, sum(available) AS available, sum(held) AS held, count(*) AS customers FROM balances
        WHERE available + held > 0 GROUP BY currency ORDER BY currency
        """,
        timeout=SECONDS_MAX,
    )


async def house_balances(connection: Connection) -> list[Any]:
    """Sums of entries."""
    return await connection.fetch(
        "SELECT account, currency, balance FROM house_accounts WHERE balance <> 0 ORDER BY account, currency",
        timeout=SECONDS_MAX,
    )


async def customers_moved_by_day(connection: Connection, kinds: Sequence[str], days: int) -> list[Any]:
    """Customers' entries of journals of some kinds."""
    return await connection.fetch(
        f"""
        SELECT {_DAY} AS day, j.kind, e.currency, sum(e.amount) AS amount, count(DISTINCT j.id) AS count
        FROM journals j JOIN entries e ON e.journal_id = j.id AND e.created_at = j.created_at
        WHERE j.created_at >= {_SINCE} AND j.kind = ANY ($2::text[]) AND e.user_id IS NOT NULL
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        days,
        list(kinds),
        timeout=SECONDS_MAX,
    )


async def fees_by_day(connection: Connection, days: int) -> list[Any]:
    """Entries on the fees account."""
    return await connection.fetch(
        f"""
        SELECT {_DAY} AS day, 'fees' AS kind, j.currency, sum(j.amount) AS amount,
            count(DISTINCT j.journal_id) AS count
        FROM entries j WHERE j.created_at >= {_SINCE} AND j.account = 'fees' AND j.user_id IS NULL
        GROUP BY 1, 3 ORDER BY 1, 3
        """,
        days,
        timeout=SECONDS_MAX,
    )
