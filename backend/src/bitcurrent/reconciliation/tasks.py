"""The worker's part of reconciliation: every minute what moved, once a day wholly, and what is worth a metric."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.reconciliation import reconciling, repository
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.reconciliation.model import Pace
from bitcurrent.reconciliation.reconciling import Check

log = structlog.get_logger(__name__)

WHOLLY_EVERY: Final = timedelta(days=1)
RUN_SECONDS_MAX: Final = 1_800.0
TROUBLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Reconciliation:
    """Runs while this worker leads. A run that fails is loud, counted, and tried again with the next."""

    def __init__(self, database: Database, breaks: Breaks, counts: Counter[str], *, pace: Pace) -> None:
        self._database = database
        self._breaks = breaks
        self._pace = pace
        self._counts = counts
        self._ran_at: float | None = None
        self._open = self._oldest = self._findings = 0

    async def keep(self, checks: Sequence[Check]) -> None:
        """Compare for ever."""
        # A process that has just begun has other things to do, and so has the venue's budget.
        await asyncio.sleep(self._pace.every / 4)
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(RUN_SECONDS_MAX):
                    await self._once(checks)
            except TROUBLE as error:
                self._counts["reconciliation_trouble"] += 1
                log.warning("reconciliation_failed", error=f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(max(1.0, self._pace.every - (time.monotonic() - began)))

    async def _once(self, checks: Sequence[Check]) -> None:
        async with self._database.read() as connection:
            last = await repository.read_last_run(connection, wholly=True)
        wholly = last is None or now() - last.finished_at >= WHOLLY_EVERY
        result = await reconciling.run(self._database, self._breaks, checks, wholly=wholly)
        self._ran_at = time.monotonic()
        self._findings = len(result.findings)
        self._counts["reconciliation_runs"] += 1
        self._counts["reconciliation_incomplete"] += bool(result.troubles)
        self._counts["breaks_opened"] += len(result.opened)
        async with self._database.read() as connection:
            self._open, self._oldest = await self._breaks.count(connection)

    def gauges(self) -> dict[str, tuple[str, float]]:
        """Open breaks, the oldest one's age, and how long ago the last run was."""
        age = -1 if self._ran_at is None else round(time.monotonic() - self._ran_at, 1)
        return {
            "reconciliation_age_seconds": ("Since our books were last compared; -1 when never from here.", age),
            "reconciliation_findings": ("What did not agree at the last comparison.", self._findings),
            "breaks_open": ("Breaks that wait for a person.", self._open),
            "breaks_oldest_seconds": ("Age of the oldest break that waits for a person.", self._oldest),
        }
