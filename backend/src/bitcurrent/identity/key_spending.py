"""The daily cap of an API key: what its orders are worth is counted in the transaction that places them."""

from decimal import Decimal

from bitcurrent.identity.key_limits import KeyDailyCap, KeyLimits
from bitcurrent.kernel.database import Connection

DAYS_KEPT = 90


async def count_spending(connection: Connection, limits: KeyLimits, amount: Decimal) -> None:
    """Count an order's worth in USD toward the key's day; call it first in the transaction that places the order.

    Raises KeyDailyCap when it does not fit. Holds the day's row until the transaction ends: orders of a capped key are
    placed one after the other, and one that is not placed after all is not counted.
    """
    cap = limits.daily_notional
    if cap is None or amount <= 0:
        return
    # A statement of its own: the next one then sees what the row's last holder committed.
    await connection.execute(
        """
        INSERT INTO api_key_days (key_id, day, used) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, 0)
        ON CONFLICT DO NOTHING
        """,
        limits.key_id,
    )
    counted = await connection.fetchval(
        """
        UPDATE api_key_days SET used = used + $2
        WHERE key_id = $1 AND day = (now() AT TIME ZONE 'UTC')::date AND used + $2 <= $3 RETURNING used
        """,
        limits.key_id,
        amount,
        cap,
    )
    if counted is None:
        raise KeyDailyCap(cap=cap, used=await spent_today(connection, limits.key_id), needed=amount)


async def spent_today(connection: Connection, key_id: str) -> Decimal:
    """What the key's orders of this day (UTC) are worth, in USD."""
    used = await connection.fetchval(
        "SELECT used FROM api_key_days WHERE key_id = $1 AND day = (now() AT TIME ZONE 'UTC')::date", key_id
    )
    return Decimal(0) if used is None else Decimal(used)


async def forget_days(connection: Connection) -> int:
    """Drop counts of long ago; how many."""
    result = await connection.execute(
        "DELETE FROM api_key_days WHERE day < (now() AT TIME ZONE 'UTC')::date - $1::integer", DAYS_KEPT
    )
    return int(result.rpartition(" ")[2])
