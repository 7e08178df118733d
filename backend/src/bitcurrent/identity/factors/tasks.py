"""Chores of second factors: time does its part with lost-factor requests, and old challenges go."""

from bitcurrent.identity.factors import repository
from bitcurrent.identity.factors.lost import LostFactors
from bitcurrent.kernel.database import Database

PURGE_ROWS_MAX = 5_000


async def purge_challenges(database: Database) -> None:
    """Forget challenges that expired more than a day ago."""
    removed = PURGE_ROWS_MAX
    while removed == PURGE_ROWS_MAX:
        async with database.transaction() as connection:
            removed = await repository.purge_challenges(connection, limit=PURGE_ROWS_MAX)


async def tend_lost_factors(lost: LostFactors) -> None:
    """Remind, finish and lapse what is due."""
    await lost.tend()
