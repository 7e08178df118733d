"""The inbox's chores: apply what could not be applied at once, and forget bodies whose time is over."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from bitcurrent.funding.inbox.service import Inbox, forget_bodies
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable)
BATCH: Final = 20
LEASE: Final = timedelta(minutes=1)
LOOK_SECONDS: Final = 1.0
TROUBLE_SECONDS: Final = 5.0


class InboxKeeper:
    """Tries waiting events again while this process leads."""

    def __init__(self, database: Database, inbox: Inbox, counts: Counter[str], *, look_seconds: float = LOOK_SECONDS):
        self._database = database
        self._inbox = inbox
        self._counts = counts
        self._look_seconds = look_seconds
        self.waiting = 0
        self.troubled = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                tried = await self._inbox.retry_due(limit=BATCH, lease=LEASE)
                async with self._database.read() as connection:
                    self.waiting, self.troubled = await self._inbox.count_waiting(connection)
            except TROUBLE as error:
                log.warning("inbox_waits", error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:
                log.exception("inbox_failed")
                self._counts["inbox_failed"] += 1
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                self._counts["events_retried"] += tried
                if tried < BATCH:
                    await asyncio.sleep(self._look_seconds)

    async def purge(self) -> None:
        """Forget old bodies."""
        removed = 1
        while removed:
            async with self._database.transaction() as connection:
                removed = await forget_bodies(connection)
