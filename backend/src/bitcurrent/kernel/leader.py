"""One leader among equal processes, by a PostgreSQL advisory lock that lives and dies with its connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.tasks import stop

log = structlog.get_logger(__name__)

TRY_SECONDS = 1.0
BEAT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
LEADER_KEY: Final = 0x6269_7463_0001
"""The advisory lock of whoever talks to the venue; one number for every worker of an installation."""
FROZEN_SECONDS = 4
"""The server ends a leader's session that says nothing for so long: a frozen process must not keep the lead."""
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Leadership:
    """Runs work only while this process holds the lock named by `key`; all others stand by.

    The lock's connection is used for nothing else. When it is lost, the work is cancelled at once.
    """

    def __init__(self, url: str, key: int) -> None:
        self._url = url
        self._key = key
        self.leading = False

    async def lead(self, work: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
        """Run `work` whenever leading, until `stopping` is set, at which `work` is expected to end by itself."""
        while not stopping.is_set():
            try:
                await self._campaign(work, stopping)
            except _LOST as error:
                log.warning("leadership_connection_lost", error=type(error).__name__)
                await _pause(stopping, TRY_SECONDS)

    async def _campaign(self, work: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=ANSWER_SECONDS,
            command_timeout=ANSWER_SECONDS,
            server_settings={"idle_session_timeout": f"{FROZEN_SECONDS}s", "application_name": "bitcurrent leader"},
        )
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._key):
                if await _pause(stopping, TRY_SECONDS):
                    return
            self.leading = True
            log.info("leadership_taken")
            await self._reign(connection, work, stopping)
        finally:
            self.leading = False
            with contextlib.suppress(*_LOST):
                await connection.close(timeout=1.0)
            connection.terminate()

    async def _reign(
        self, connection: Connection, work: Callable[[], Awaitable[None]], stopping: asyncio.Event
    ) -> None:
        task = asyncio.create_task(_begin(work))
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        beat = asyncio.create_task(self._beat(connection, lost))
        try:
            await asyncio.wait({task, beat}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stop(task, beat)
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error
        if not stopping.is_set():
            log.warning("leadership_lost")

    async def _beat(self, connection: Connection, lost: asyncio.Event) -> None:
        """Ask for a sign of life every second; returns when there is none."""
        while not await _pause(lost, BEAT_SECONDS):
            try:
                await connection.execute("SELECT 1")
            except _LOST:
                return


async def _begin(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _pause(until: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most so long; whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        return False
    return True
