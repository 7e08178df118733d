"""KYC's chores: the provider is asked, approvals end and are warned of, links and old webhooks are forgotten."""

import asyncio
import time
from collections import Counter
from typing import Final

import asyncpg
import structlog

from bitcurrent.compliance.kyc.asking import Asking, purge_events
from bitcurrent.compliance.kyc.lasting import Lasting
from bitcurrent.compliance.kyc.links import purge_links
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable)
LOOK_SECONDS: Final = 1.0
TROUBLE_SECONDS: Final = 5.0
CHORE_SECONDS: Final = 60.0
CHORES_MAX: Final = 1_000
"""Endings in one round; the rest a minute later."""


class IdentityKeeper:
    """Keeps submissions going while this process leads."""

    def __init__(self, *, database: Database, asking: Asking, lasting: Lasting, counts: Counter[str]) -> None:
        self._database = database
        self._asking = asking
        self._lasting = lasting
        self._counts = counts
        self._chores_at = 0.0
        self.waiting_for_people = 0
        self.waiting_for_provider = 0

    async def run(self) -> None:
        """Until cancelled. A fault is loud, counted, and not the end."""
        while True:
            try:
                asked = await self._asking.round()
                self._counts["identity_checks_asked"] += asked
                if time.monotonic() >= self._chores_at:
                    await self.tend()
                    self._chores_at = time.monotonic() + CHORE_SECONDS
                async with self._database.read() as connection:
                    self.waiting_for_people, self.waiting_for_provider = await self._asking.count_waiting(connection)
            except TROUBLE as error:
                log.warning("identity_checks_wait", error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:
                log.exception("identity_checks_failed")
                self._counts["identity_checks_failed"] += 1
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                if not asked:
                    await asyncio.sleep(LOOK_SECONDS)

    async def tend(self) -> None:
        """End what is over, warn of what ends soon, forget what nobody needs."""
        for _ in range(CHORES_MAX):
            if not await self._database.in_transaction(self._lasting.expire_one):
                break
            self._counts["kyc_expired"] += 1
        warned = await self._database.in_transaction(self._lasting.warn_some)
        self._counts["kyc_warned"] += warned
        async with self._database.transaction() as connection:
            await purge_links(connection)
            await purge_events(connection)
