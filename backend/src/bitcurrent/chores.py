"""Chores: what the leading worker does again and again, as a table. Adding one is a line in `chores_of`.

Each may be done twice without harm, and takes little at a time. What listens or sends all the time is a loop of its own
in worker.py.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from bitcurrent.audit.proving import prove_due
from bitcurrent.funding.conversions.tasks import tend_conversions
from bitcurrent.identity.accounts.links import purge_links
from bitcurrent.identity.approvals.service import EXPIRE_BATCH
from bitcurrent.identity.factors.tasks import purge_challenges, tend_lost_factors
from bitcurrent.identity.key_spending import forget_days
from bitcurrent.reconciliation.solvency.tasks import keep_reporting
from bitcurrent.trading.tasks.desk import DATABASE_TROUBLE
from bitcurrent.trading.tasks.worths import keep_worths
from bitcurrent.web.idempotency import purge_answers
from bitcurrent.wiring import Brokerage

log = structlog.get_logger(__name__)

HOURLY: Final = 3_600.0
AGAIN_SECONDS: Final = 60.0
PARTITION_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Chore:
    """What to do, how often at most, and its name in the log."""

    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]

    async def keep_doing(self) -> None:
        """Do it now and every so often; after trouble with the database again in a minute. Ends when cancelled."""
        while True:
            try:
                await self.work()
            except DATABASE_TROUBLE as error:
                log.warning("chore_failed", chore=self.name, error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await asyncio.sleep(self.seconds)


def chores_of(brokerage: Brokerage, counts: Counter[str]) -> Sequence[Chore]:
    """Every chore of an installation."""
    database = brokerage.database
    return (
        Chore("partitions", HOURLY, lambda: make_partitions(brokerage)),
        Chore("purge", HOURLY, lambda: purge(brokerage)),
        Chore("audit proof", 10.0, lambda: prove_due(database, counts)),
        Chore("approvals", HOURLY, lambda: expire_approvals(brokerage)),
        Chore("erasures", HOURLY, lambda: erase(brokerage)),
        Chore("lost factors", 30.0, lambda: tend_lost_factors(brokerage.lost_factors)),
        Chore("solvency", 300.0, lambda: keep_reporting(database, brokerage.solvency)),
        Chore("conversions", HOURLY, lambda: tend_conversions(database, brokerage.exchange_rates)),
        Chore("worths", 15.0, lambda: keep_worths(database, brokerage.market_data)),
    )


async def make_partitions(brokerage: Brokerage) -> None:
    """Places for the months to come."""
    async with brokerage.database.transaction() as connection:
        made = await connection.fetchval("SELECT ensure_partitions($1)", PARTITION_MONTHS)
    if made:
        log.info("partitions_made", partitions=made)


async def purge(brokerage: Brokerage) -> None:
    """Answers and links whose time is over, in batches."""
    removed = 1
    while removed:
        async with brokerage.database.transaction() as connection:
            removed = await purge_answers(connection) + await purge_links(connection)


async def erase(brokerage: Brokerage) -> None:
    """Forget customers whose time has come."""
    while await brokerage.privacy.erase_due():
        pass


async def expire_approvals(brokerage: Brokerage) -> None:
    """What nobody granted in time; what keys spent on days gone by, and challenges that nobody answered."""
    expired = EXPIRE_BATCH
    while expired == EXPIRE_BATCH:
        async with brokerage.database.transaction() as connection:
            expired = await brokerage.approvals.expire_due(connection)
    async with brokerage.database.transaction() as connection:
        await forget_days(connection)
    await purge_challenges(brokerage.database)
