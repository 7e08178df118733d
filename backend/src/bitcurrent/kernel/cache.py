"""Redis, which is never the truth, and the sharing of equal concurrent reads."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

T = TypeVar("T")


def connect_redis(url: str, *, connections_max: int = 50) -> Redis:
    """A client whose every call is bounded by a second: without Redis we go on from PostgreSQL, and soon."""
    # A blocking pool: who finds every connection busy waits for one, and is not told that Redis is gone.
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        timeout=1.0,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        max_connections=connections_max,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)


class SingleFlight(Generic[T]):
    """Equal reads that arrive while one is under way share its answer."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def read(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        """The result of `load()`, run once for all who ask for `key` at the same time."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(load))
            self._running[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        # A caller that goes away must not cancel the read that others wait for.
        return await asyncio.shield(task)

    def _forget(self, key: Hashable, done: asyncio.Task[T]) -> None:
        self._running.pop(key, None)
        # Whoever waits gets the failure; when all have gone away, nobody misses it.
        if not done.cancelled():
            done.exception()


class NextFlight(Generic[T]):
    """Equal reads that arrive while one is under way share the one after it: none is answered with what was read
    before it was asked, so that whoever has just written reads what they wrote.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def read(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        """The result of a `load()` that begins no earlier than this call."""
        running = self._running.get(key)
        if running is None:
            task = asyncio.ensure_future(_run(load))
            self._fly(key, task)
        else:
            waiting = self._next.get(key)
            if waiting is None:
                waiting = self._next[key] = asyncio.ensure_future(self._after(running, key, load))
            task = waiting
        # A caller that goes away must not cancel the read that others wait for.
        return await asyncio.shield(task)

    async def _after(self, running: "asyncio.Task[T]", key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        await asyncio.wait([running])
        this = self._next.pop(key)
        self._fly(key, this)
        return await load()

    def _fly(self, key: Hashable, task: "asyncio.Task[T]") -> None:
        self._running[key] = task
        task.add_done_callback(lambda done: self._land(key, done))

    def _land(self, key: Hashable, done: "asyncio.Task[T]") -> None:
        if self._running.get(key) is done:
            del self._running[key]
        # Whoever waits gets the failure; when all have gone away, nobody misses it.
        if not done.cancelled():
            done.exception()


async def _run(load: Callable[[], Awaitable[T]]) -> T:
    return await load()
