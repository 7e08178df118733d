"""The one reader of the event log in this process: follows it and hands on what is new."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.events import WAKE_CHANNEL, Cursor, Event, newest_cursor, read_events

POLL_SECONDS: Final = 0.25
POLL_SECONDS_FIRST: Final = 0.004
"""After a hint the event may still be hidden behind an older transaction: look again soon, then ever less often."""

RETRY_SECONDS: Final = 1.0
BATCH: Final = 500
STALE_SECONDS: Final = 5.0

DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
REDIS_ERRORS = (RedisError, OSError, TimeoutError)
Route = Callable[[Connection, Sequence[Event]], Awaitable[None]]

log = structlog.get_logger(__name__)


class EventReader:
    """Follows the whole log with a cursor that no late commit can slip behind.

    `database` is best a pool of its own: reading the log must not wait behind customers' snapshots.
    """

    def __init__(self, database: Database, redis: Redis, route: Route) -> None:
        self._database = database
        self._redis = redis
        self._route = route
        self._wake = asyncio.Event()
        self._cursor: Cursor | None = None
        self._read_at: float | None = None
        self.hears_redis = False

    @property
    def is_well(self) -> bool:
        """Whether the log was read within the last seconds."""
        return self._read_at is not None and asyncio.get_running_loop().time() - self._read_at < STALE_SECONDS

    async def start(self) -> None:
        """Take the log's end as the beginning; must be done before the first stream begins."""
        async with self._database.read() as connection:
            self._cursor = await newest_cursor(connection)
        self._read_at = asyncio.get_running_loop().time()

    async def follow(self) -> None:
        """Read for as long as this task runs. PostgreSQL may go and come back: nothing is skipped."""
        pause = POLL_SECONDS
        while True:
            pause = POLL_SECONDS_FIRST if await self._woken(pause) else min(pause * 2, POLL_SECONDS)
            try:
                if await self._read_on():
                    pause = POLL_SECONDS_FIRST
            except DATABASE_ERRORS as error:
                log.warning("live_log_not_read", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def listen(self) -> None:
        """Hear the writers' hints for as long as this task runs; without Redis the poll goes on alone."""
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(WAKE_CHANNEL)
                    while True:
                        message = await channel.get_message(timeout=5.0)
                        self.hears_redis = True
                        if message is not None:
                            self._wake.set()
            except REDIS_ERRORS as error:
                if self.hears_redis:
                    log.warning("live_hears_no_hints", error=type(error).__name__)
                self.hears_redis = False
            await asyncio.sleep(RETRY_SECONDS)

    async def _woken(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    async def _read_on(self) -> bool:
        """Route everything that is new; whether there was anything."""
        assert self._cursor is not None, "start() comes first"
        found_any = False
        async with self._database.read() as connection:
            while True:
                events, behind = await read_events(connection, self._cursor, BATCH)
                await self._route(connection, events)
                # Only now: when routing fails the same events are read again, and known numbers are skipped.
                self._cursor = behind
                self._read_at = asyncio.get_running_loop().time()
                found_any = found_any or bool(events)
                if len(events) < BATCH:
                    return found_any
