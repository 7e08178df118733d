"""Orders of an API key stay within the amount a day that its owner allows.

An order's worth and the order itself are committed together: a cap counts exactly the orders that were placed. What is
canceled later stays counted, so a key cannot keep the market busy for nothing.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import asyncpg

from bitcurrent.identity.key_limits import KeyLimits
from bitcurrent.identity.key_spending import count_spending
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.money import EXACT, LEDGER_PLACES, round_up
from bitcurrent.market_data.service import MarketData
from bitcurrent.trading.repository import PlaceOutcome
from bitcurrent.trading.rules import PriceStale

DOLLAR = "USD"
TRIES_MAX = 5
_STEP = Decimal(1).scaleb(-LEDGER_PLACES)


class _NotPlaced(Exception):
    """Undoes the transaction, and the count with it."""

    def __init__(self, outcome: PlaceOutcome) -> None:
        super().__init__(outcome.outcome)
        self.outcome = outcome


async def place_counted(
    database: Database, limits: KeyLimits, worth: Decimal, place: Callable[[Connection], Awaitable[PlaceOutcome]]
) -> PlaceOutcome:
    """Count `worth` (USD) toward the key's day and place, in one transaction; raises KeyDailyCap.

    Such orders do not join others in one statement: who has a cap pays for it with a few round trips.
    """

    async def work(connection: Connection) -> PlaceOutcome:
        # Before any other lock: every order of this key takes them in this order.
        await count_spending(connection, limits, worth)
        outcome = await place(connection)
        if outcome.outcome != "accepted":
            raise _NotPlaced(outcome)
        return outcome

    for attempt in range(TRIES_MAX):
        try:
            return await database.in_transaction(work)
        except _NotPlaced as undone:
            return undone.outcome
        except asyncpg.UniqueViolationError:
            # Another placing with the same key came first: the next try finds it.
            if attempt == TRIES_MAX - 1:
                raise
    raise AssertionError("unreachable")


def in_dollars(market_data: MarketData, amount: Decimal, currency: str) -> Decimal:
    """What an amount of a quote currency is worth in USD now; raises PriceStale when nobody can say."""
    if currency == DOLLAR or not amount:
        return amount
    quote = market_data.find_quote(f"{currency}/{DOLLAR}")
    price = None if quote is None else quote.mid or quote.last
    if price is None or price <= 0:
        raise PriceStale(
            f"This API key has a cap in USD, and there is no price of {currency} to count the order with. "
            "Nothing was placed; try again in a moment."
        )
    return round_up(EXACT.multiply(amount, price), _STEP)
