"""Chores of conversions: the rates of each day are written down, and quotes that nobody used are forgotten."""

import structlog

from bitcurrent.funding.conversions import repository
from bitcurrent.funding.conversions.rates import Rates
from bitcurrent.kernel.currencies import BASE, CURRENCIES
from bitcurrent.kernel.database import Database

log = structlog.get_logger(__name__)

UNUSED_DAYS = 30


async def tend_conversions(database: Database, rates: Rates) -> None:
    """Keep today's rates for later statements; forget quotes of last month that nobody used. May be done again."""
    found = {code: await rates.find_worth(code) for code in CURRENCIES if code != BASE}
    async with database.transaction() as connection:
        for code, rate in found.items():
            if rate is not None:
                await repository.keep_rate(connection, currency=code, rate=rate)
    removed = repository.PURGE_ROWS_MAX
    while removed == repository.PURGE_ROWS_MAX:
        async with database.transaction() as connection:
            removed = await repository.purge_quotes(connection, days=UNUSED_DAYS)
