"""How often a customer's programs may call: so many requests a minute, told in every answer's headers.

Counted for the customer, not for the key: a second key is no second budget.
"""

import time
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis

from bitcurrent.kernel.errors import TooMany, Unavailable
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.problems import REDIS_ERRORS

REQUESTS_PER_MINUTE = 200
"""As at Alpaca: bots are written to live with it."""

# A window of a minute that begins with its first request. In one step: no counter can stay without an end.
_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], 60000) end
return {n, redis.call('PTTL', KEYS[1])}
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of the budget after this request; `reset_at` in Unix seconds is when it is whole again."""

    limit: int
    remaining: int
    reset_at: int

    def headers(self) -> dict[str, str]:
        """The three headers that Alpaca sends."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_at),
        }


class BudgetSpent(TooMany):
    """The minute's requests are used up."""

    def __init__(self, left: Remaining, seconds: int) -> None:
        super().__init__("rate limit exceeded", details={"retry_after_seconds": str(seconds)})
        self.left = left


class RequestBudget:
    """Counts requests in Redis."""

    def __init__(self, redis: Redis, *, requests_per_minute: int = REQUESTS_PER_MINUTE) -> None:
        self._limit = requests_per_minute
        self._count = redis.register_script(_COUNT)

    async def spend(self, user_id: UserId, *, must_count: bool) -> Remaining | None:
        """Count one request; None when Redis is gone and this one goes on without.

        Raises BudgetSpent, and Unavailable when Redis is gone and the request must be counted.
        """
        try:
            count, milliseconds = await self._count(keys=[f"bot-budget:{user_id}"])
        except REDIS_ERRORS as error:
            if must_count:
                raise Unavailable("requests cannot be counted at the moment, so nothing was done; try again") from error
            log.warning("bot_budget_not_counted", cause=type(error).__name__)
            return None
        seconds = max(1, -(-int(milliseconds) // 1000))
        left = Remaining(self._limit, max(0, self._limit - int(count)), int(time.time()) + seconds)
        if int(count) > self._limit:
            raise BudgetSpent(left, seconds)
        return left
