"""How often a customer's programs may call: so many requests a minute, told in every answer's headers.

Counted for the customer, not for the key: a second key is no second budget. And for the address, before anybody is
recognised: who tries keys spends that one.
"""

import dataclasses
import time
from dataclasses import dataclass

from redis.asyncio import Redis

from bitcurrent.kernel.errors import TooMany
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.rates import Rate, RateLimited, RateLimits, Standing, Subject, address_subject

REQUESTS_PER_MINUTE = 200
"""As at Alpaca: bots are written to live with it."""

ADDRESS_REQUESTS_PER_MINUTE = 4_000
"""Many customers' programs may share one address: a data centre's."""


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
    """Counts requests, by the same sliding windows as the rest of the API."""

    def __init__(self, redis: Redis, *, requests_per_minute: int = REQUESTS_PER_MINUTE) -> None:
        self._limits = RateLimits(redis)
        self._rate = Rate("bot", 60, address=ADDRESS_REQUESTS_PER_MINUTE, account=requests_per_minute)
        self._closed = dataclasses.replace(self._rate, closed=True)

    def refuse_spent(self, address: str) -> None:
        """Raise BudgetSpent when this address is known to have nothing left: before anything is looked up."""
        try:
            self._limits.refuse_spent(self._rate, address_subject(address))
        except RateLimited as refusal:
            raise _spent(refusal) from None

    async def spend(self, address: str, user_id: UserId | None = None, *, must_count: bool = False) -> Remaining | None:
        """Count one request; None when Redis is gone and this one goes on without.

        Raises BudgetSpent, and Unavailable when Redis is gone and the request must be counted.
        """
        subjects = [address_subject(address)]
        if user_id is not None:
            subjects.append(Subject("account", str(user_id)))
        try:
            standing = await self._limits.spend(self._closed if must_count else self._rate, subjects)
        except RateLimited as refusal:
            raise _spent(refusal) from None
        return None if standing is None else _remaining(standing)


def _remaining(standing: Standing) -> Remaining:
    return Remaining(standing.limit, standing.remaining, int(time.time()) + standing.reset)


def _spent(refusal: RateLimited) -> BudgetSpent:
    return BudgetSpent(_remaining(refusal.standing), int(refusal.details["retry_after_seconds"]))
