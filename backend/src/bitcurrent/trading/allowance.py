"""Orders that are weighed before they are placed: an order and what it counts for are committed together."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import asyncpg

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


async def place_weighed(
    database: Database,
    weigh: Callable[[Connection], Awaitable[None]],
    place: Callable[[Connection], Awaitable[PlaceOutcome]],
) -> PlaceOutcome:
    """Weigh and place in one transaction; what `weigh` raises is raised.

    Such orders do not join others in one statement: who has a cap pays for it with a few round trips.
    """

    async def work(connection: Connection) -> PlaceOutcome:
        # Before any other lock: all orders that are weighed take them in this order.
        await weigh(connection)
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
            f"Your orders are counted in USD, and there is no price of {currency} to count this one with. "
            "Nothing was placed; try again in a moment."
        )
    return round_up(EXACT.multiply(amount, price), _STEP)
