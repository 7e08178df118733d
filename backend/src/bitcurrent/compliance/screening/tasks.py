"""The worker's part: everybody compared with what is new on a list, and customers whose profile changed."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from bitcurrent.compliance.screening import lists_repository, repository
from bitcurrent.compliance.screening.lists import Key, index_of
from bitcurrent.compliance.screening.matching import NameIndex
from bitcurrent.compliance.screening.model import NoLists, Rescreening, Rules, Subject
from bitcurrent.compliance.screening.scoring import judge
from bitcurrent.compliance.screening.service import Screenings, matches_of
from bitcurrent.identity.privacy.persons import customers_after, customers_changed_since
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.kernel.ids import UserId

log = structlog.get_logger(__name__)

TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, Unavailable)
BATCH: Final = 50
"""Customers in one transaction."""
CHANGED_MAX: Final = 500
"""Changed profiles looked at in one; most of them were screened before."""
LOOK_SECONDS: Final = 5.0
TROUBLE_SECONDS: Final = 10.0
OVERLAP: Final = timedelta(minutes=5)
"""A profile's moment is when its transaction began: one that took long may come after others."""
CHANGES: Final = "profiles"
LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Screener:
    """The loop of whoever leads. What it has done is committed with how far it is: it goes on after any death."""

    def __init__(self, database: Database, screenings: Screenings, counts: Counter[str]) -> None:
        self._database = database
        self._screenings = screenings
        self._counts = counts
        self._new: tuple[UUID, NameIndex[Key]] | None = None
        self._gauges: Mapping[str, int] = {}

    def gauges(self) -> dict[str, tuple[str, float]]:
        """What the worker's metrics tell of lists and screening."""
        return {
            "sanctions_list_age_seconds": (
                "Since the oldest sanctions list in force was imported; -1 without any.",
                self._gauges.get("list_age", -1),
            ),
            "rescreenings_running": (
                "Lists that not every customer was compared with.",
                self._gauges.get("running", 0),
            ),
        }

    async def run(self) -> None:
        """Work until cancelled. A fault is loud, counted, and not the end."""
        while True:
            try:
                done = await self.round()
                async with self._database.read() as connection:
                    self._gauges = await lists_repository.gauges(connection)
            except TROUBLE as error:
                log.warning("screening_waits", error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:
                log.exception("screening_failed")
                self._counts["screening_failed"] += 1
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                if not done:
                    await asyncio.sleep(LOOK_SECONDS)

    async def round(self) -> int:
        """One batch of each; how many customers were compared."""
        return await self.screen_changed() + await self.rescreen()

    # ---- changed profiles

    async def screen_changed(self) -> int:
        """Screen customers whose profile is new or has changed since it was screened; how many."""
        async with self._database.transaction() as connection:
            since = await lists_repository.read_cursor(connection, CHANGES) or LONG_AGO
            changed = await customers_changed_since(connection, since, limit=CHANGED_MAX)
            if not changed:
                return 0
            try:
                await self._screenings.lists.current(connection)
            except NoLists:
                return 0  # the first list has everybody compared anyway
            screened = 0
            for user_id, moment in changed:
                found = await self._screen_changed(connection, user_id, moment)
                screened += found
            newest = changed[-1][1]
            whole = len(changed) == CHANGED_MAX and newest > since
            await lists_repository.save_cursor(connection, CHANGES, newest if whole else max(since, newest - OVERLAP))
            crash_point("screening.changed")
        return screened

    async def _screen_changed(self, connection: Connection, user_id: UserId, moment: datetime) -> int:
        who = await self._screenings.subject_of(connection, user_id)
        if await self._screenings.asked_since(connection, user_id, who, moment):
            return 0
        found = await self._screenings.screen(
            connection, user_id, who, occasion="name_change", subject=f"user:{user_id}"
        )
        self._counts[f"screenings_{found.outcome}"] += 1
        return 1

    # ---- everybody

    async def rescreen(self) -> int:
        """Compare the next customers with what is new on a list; how many."""
        async with self._database.transaction() as connection:
            run = await lists_repository.lock_next(connection)
            if run is None:
                return 0
            after = None if run.last_user is None else UserId(run.last_user)
            customers = await customers_after(connection, after, limit=BATCH)
            rules = (await repository.current_rules(connection)).rules
            index = await self._index(connection, run)
            matched = 0
            for user_id in customers:
                found = await self._compare(connection, user_id, index, rules)
                matched += found
            await lists_repository.advance(
                connection,
                run,
                last_user=customers[-1] if customers else None,
                screened=len(customers),
                matched=matched,
                finished=len(customers) < BATCH,
            )
            crash_point("screening.advanced")
        self._counts["customers_rescreened"] += len(customers)
        if len(customers) < BATCH:
            log.info("rescreened", list_id=str(run.list_id), screened=run.screened + len(customers))
        return len(customers)

    async def _compare(self, connection: Connection, user_id: UserId, index: NameIndex[Key], rules: Rules) -> int:
        """Only who looks like somebody new is screened whole, and written down: the run is the others' evidence."""
        who: Subject = await self._screenings.subject_of(connection, user_id)
        if not judge(who, matches_of(who, index, rules), rules).matches:
            return 0
        found = await self._screenings.screen(
            connection, user_id, who, occasion="list_change", subject=f"user:{user_id}"
        )
        self._counts[f"screenings_{found.outcome}"] += 1
        return int(found.outcome != "clear")

    async def _index(self, connection: Connection, run: Rescreening) -> NameIndex[Key]:
        if run.list_id is None:
            return (await self._screenings.lists.current(connection)).index
        if self._new is None or self._new[0] != run.list_id:
            entries = await lists_repository.entries_added_by(connection, run.list_id)
            self._new = (run.list_id, await asyncio.to_thread(index_of, entries))
        return self._new[1]
