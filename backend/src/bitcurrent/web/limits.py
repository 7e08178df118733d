"""Sliding-window limits in Redis, for what must not be tried too often.

A limit that cannot be checked is not waived: without Redis the caller is asked to come back.
"""

import secrets
from dataclasses import dataclass

from redis.asyncio import Redis

from bitcurrent.kernel.errors import TooMany, Unavailable
from bitcurrent.web.problems import REDIS_ERRORS

# One sorted set a key, one member an attempt, scored by Redis' own clock in milliseconds.
_ATTEMPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - window)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
    local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
    return math.max(1, tonumber(oldest[2]) + window - now)
end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], window)
return 0
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` in any `seconds`."""

    name: str
    attempts: int
    seconds: int


class Limiter:
    """Counts attempts."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._attempt = redis.register_script(_ATTEMPT)

    async def attempt(self, limit: Limit, key: str) -> None:
        """Count one attempt; raises TooMany with the seconds to wait, or Unavailable when Redis is gone."""
        arguments: list[str | int] = [limit.seconds * 1000, limit.attempts, secrets.token_hex(8)]
        try:
            milliseconds = int(await self._attempt(keys=[_key(limit, key)], args=[*arguments]))
        except REDIS_ERRORS as error:
            raise Unavailable(
                "This cannot be checked for safety at the moment, so nothing was done. Try again in a moment."
            ) from error
        if milliseconds > 0:
            seconds = -(-milliseconds // 1000)
            raise TooMany(
                f"Too many attempts; try again in {seconds} seconds.", details={"retry_after_seconds": str(seconds)}
            )

    async def forgive(self, limit: Limit, key: str) -> None:
        """Forget the attempts of somebody who turned out to be right; left to expire when Redis is gone."""
        try:
            await self._redis.delete(_key(limit, key))
        except REDIS_ERRORS:
            return


def _key(limit: Limit, key: str) -> str:
    return f"limit:{limit.name}:{key}"
