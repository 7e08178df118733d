"""Market data on real servers: the sandbox venue, PostgreSQL and Redis of the session."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis.asyncio import Redis

from bitcurrent.integrations.alpaca.data import AlpacaData
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.market_data.feed import PriceFeed
from bitcurrent.market_data.service import MarketData
from tests.support.sandbox import Sandbox

FEED_PACE = {"poll_seconds": 0.5, "silence_seconds_max": 1.5}
"""The feed of most tests: everything as always, only sooner."""


@pytest.fixture
def venue(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, without what another test left behind, and left behind clean."""
    sandbox.control("reset")
    yield sandbox
    sandbox.control("reset")


def source_of(venue: Sandbox, **changes: Any) -> AlpacaData:
    """A source that asks this venue."""
    return AlpacaData(
        **{
            "trading_url": venue.trading_url,
            "data_url": venue.data_url,
            "data_stream_url": venue.data_stream_url,
            "key_id": venue.key_id,
            "secret_key": venue.secret_key,
            **changes,
        }
    )


def dead_source() -> AlpacaData:
    """A source whose venue is not there."""
    nowhere = "http://127.0.0.1:9"
    return AlpacaData(
        trading_url=nowhere, data_url=nowhere, data_stream_url="ws://127.0.0.1:9", key_id="K", secret_key="S"
    )


@pytest.fixture
async def source(venue: Sandbox) -> AsyncIterator[AlpacaData]:
    """The venue as a source."""
    async with source_of(venue) as opened:
        yield opened


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """A migrated database of the test's own, as the app's role."""
    opened = await Database.connect(database_urls.app, connections_min=1, connections_max=4)
    yield opened
    await opened.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An empty Redis."""
    client = connect_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def market_data(database: Database, redis: Redis, source: AlpacaData) -> AsyncIterator[MarketData]:
    """The service with the venue's markets taken over."""
    async with MarketData(database=database, redis=redis, source=source) as opened:
        await opened.sync_markets()
        yield opened


@asynccontextmanager
async def running(feed: PriceFeed) -> AsyncIterator[PriceFeed]:
    """The feed at work until the block ends; a fault of its own fails the test."""
    task = asyncio.create_task(feed.run())
    try:
        yield feed
        if task.done():
            await task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(
    is_so: Callable[[], bool] | Callable[[], Awaitable[bool]], *, seconds: float = 5.0, what: str = "it"
) -> None:
    """Wait until something holds; fail with its name when it never does."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        answer = is_so()
        if answer if isinstance(answer, bool) else await answer:
            return
        if loop.time() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        await asyncio.sleep(0.02)


def times_asked(venue: Sandbox, fault_id: int) -> int:
    """How many requests a fault has struck."""
    return next((fault["struck"] for fault in venue.state()["faults"] if fault["id"] == fault_id), 0)
