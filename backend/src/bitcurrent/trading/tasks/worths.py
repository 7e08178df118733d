"""What assets cost in USD is kept in the database, and fills that had no worth for want of a price get one."""

from decimal import Decimal
from typing import Final

import structlog

from bitcurrent.kernel.database import Database
from bitcurrent.market_data.service import MarketData
from bitcurrent.trading import worth_repository

log = structlog.get_logger(__name__)

AGE_SECONDS_MAX: Final = 60.0
BATCH: Final = 500
DOLLAR: Final = "USD"


async def keep_worths(database: Database, market_data: MarketData) -> None:
    """Save the prices heard in the last minute, and value fills in batches. Twice does no harm."""
    prices = _prices(market_data)
    if prices:
        async with database.transaction() as connection:
            await worth_repository.save_prices(connection, prices)
    valued = BATCH
    while valued == BATCH:
        async with database.transaction() as connection:
            valued = await worth_repository.value_fills(connection, limit=BATCH)
        if valued:
            log.info("fills_valued", fills=valued)


def _prices(market_data: MarketData) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for market in market_data.markets:
        quote = market_data.find_quote(market.symbol)
        if market.quote != DOLLAR or quote is None or quote.age_seconds > AGE_SECONDS_MAX:
            continue
        price = quote.mid or quote.last
        if price is not None and price > 0:
            found[market.base] = price
    return found
