"""What stands still, in each process' memory: to show it, and to refuse early without asking the database.

Never the last word: orders are refused by the SQL that places them, which sees a stop from its commit on.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Self

import asyncpg
import structlog

from bitcurrent.compliance.stops import repository
from bitcurrent.compliance.stops.model import Stop, Stopped, closes, forbids
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.tasks import stop

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5
STANDING_MAX: Final = 500
TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class StopBoard:
    """Open it as an async context manager; it reads again twice a second. While it cannot read it says what it knew."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standing: tuple[Stop, ...] = ()
        self._listeners: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._troubled = False

    async def __aenter__(self) -> Self:
        await self._look()
        self._task = asyncio.create_task(self._keep_looking(), name="stops.board")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await stop(self._task)
            self._task = None

    @property
    def standing(self) -> tuple[Stop, ...]:
        """What stands still, the oldest first."""
        return self._standing

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever something was stopped or runs again. It must be quick and may not raise."""
        self._listeners.append(listener)

    def require_order(self, *, market: str, side: str, order_type: str) -> None:
        """Raise Stopped when such an order is known to be refused."""
        for each in self._standing:
            if forbids(each, market=market, side=side, order_type=order_type):
                raise Stopped(each)

    def words_for(self, market: str) -> str | None:
        """Why nobody can trade in this market, in plain words; None when somebody can."""
        return next((each.words for each in self._standing if closes(each, market=market)), None)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        try:
            async with self._database.read() as connection:
                found = await repository.list_stops(connection, standing=True, limit=STANDING_MAX)
        except TROUBLE as error:
            if not self._troubled:
                log.warning("stops_not_read", cause=type(error).__name__)
            self._troubled = True
            return
        self._troubled = False
        standing = tuple(sorted(found, key=lambda each: (each.started_at, each.id)))
        if standing != self._standing:
            self._standing = standing
            for listener in self._listeners:
                listener()
