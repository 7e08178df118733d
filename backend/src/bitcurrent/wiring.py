"""Wiring builds every service once, from the settings; the only place that knows all rooms.

API, worker, live server and tests open the same `Brokerage` and take from it what they need.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokerage:
    """Everything that is open. A handler's parameter of a field's name receives that field."""

    settings: Settings
    database: Database
    redis: Redis


@asynccontextmanager
async def open_brokerage(settings: Settings) -> AsyncIterator[Brokerage]:
    """Open the database, Redis and every room's service; close them in reverse when the block ends.

    Raises what PostgreSQL raises when it is not there. Redis may be absent: it is never the truth.
    """
    async with AsyncExitStack() as stack:
        database = await Database.connect(
            settings.database_url,
            connections_min=settings.database_connections_min,
            connections_max=settings.database_connections_max,
        )
        stack.push_async_callback(database.close)
        redis = connect_redis(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        yield Brokerage(settings=settings, database=database, redis=redis)
