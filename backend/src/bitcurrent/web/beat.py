"""The leading worker's sign of life in Redis: what it measures, for the API to show. A hint only, never the truth."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from redis.asyncio import Redis

from bitcurrent.kernel.clock import now
from bitcurrent.web.problems import REDIS_ERRORS

KEY: Final = "bitcurrent:worker"
KEPT_SECONDS: Final = 60


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker that leads measured at a moment, by name; counts and seconds as text."""

    at: datetime
    gauges: dict[str, str]


async def tell(redis: Redis, gauges: Mapping[str, tuple[str, float]]) -> bool:
    """Leave a sign of life; False when Redis is not there."""
    beat = Beat(at=now(), gauges={name: f"{value:g}" for name, (_, value) in gauges.items()})
    try:
        await redis.set(KEY, msgspec.json.encode(beat), ex=KEPT_SECONDS)
    except REDIS_ERRORS:
        return False
    return True


async def hear(redis: Redis) -> Beat | None:
    """The newest sign of life; None without one of the last minute, or without Redis."""
    try:
        found = await redis.get(KEY)
    except REDIS_ERRORS:
        return None
    return None if found is None else msgspec.json.decode(found, type=Beat)
