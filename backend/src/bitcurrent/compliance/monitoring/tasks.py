"""The worker's part: follow the event log within seconds, whatever happens to the worker."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from bitcurrent.compliance.monitoring.service import BATCH, Judged, Monitoring
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
TROUBLE_SECONDS: Final = 5.0
TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, Unavailable)


@dataclass(slots=True)
class Watcher:
    """Judges what happens, for as long as this process leads."""

    monitoring: Monitoring
    counts: Counter[str]
    lag_seconds: float = 0.0

    async def run(self) -> None:
        """Work until cancelled. A fault is loud, counted, and not the end."""
        while True:
            try:
                judged = await self.round()
            except TROUBLE as error:
                log.warning("monitoring_waits", error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:
                log.exception("monitoring_failed")
                self.counts["monitoring_failed"] += 1
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                if judged.events < BATCH:
                    await asyncio.sleep(LOOK_SECONDS)

    async def round(self) -> Judged:
        """Judge the next events, once."""
        judged = await self.monitoring.judge_next()
        self.lag_seconds = 0.0 if judged.newest is None else max((now() - judged.newest).total_seconds(), 0.0)
        self.counts["monitoring_transactions"] += judged.transactions
        for rule, alerts in judged.alerts.items():
            self.counts[f"monitoring_alerts_{rule}"] += alerts
        return judged

    def gauges(self) -> dict[str, tuple[str, float]]:
        """What the worker's metrics tell of monitoring."""
        return {
            "monitoring_lag_seconds": (
                "How old the newest event was when it was judged; 0 when nothing waits.",
                round(self.lag_seconds, 3),
            )
        }
