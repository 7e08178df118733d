"""How often anybody may ask: sliding windows in Redis for each address, account and API key.

A process takes requests from Redis in small lots (a lease) and hands them out by itself, so that a busy client costs
one Redis round trip a lot and not one a request. What is leased is counted at once, so a budget is never exceeded by
more than the lots in hand when the window moves on: at most a twentieth of it for each process, for a second. What
remains of a lot is given back with the next one.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any, Literal

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis

from bitcurrent.kernel.errors import TooMany, Unavailable
from bitcurrent.web.problems import REDIS_ERRORS

log = structlog.get_logger()

RateName = Literal["public", "read", "write", "money", "login", "bot", "webhook", "upload"]
SubjectKind = Literal["address", "account", "key"]

LEASE_SECONDS = 1.0
LEASE_SHARE = 20
"""A lot is a twentieth of a budget, at least one request and at most `LEASE_MAX`."""
LEASE_MAX = 100
REST_SECONDS = 1.0
"""How long Redis is left alone after it did not answer, so that requests do not all wait for it."""
LEASES_MAX = 50_000
TRIES_MAX = 200
FETCHES_MAX = 8
"""Questions to Redis at the same time: others need its connections too."""

REFUSED = Counter("bitcurrent_rate_limited", "Requests refused because a budget was spent.", ("rate", "subject"))


@dataclass(frozen=True, slots=True)
class Rate:
    """A class of operations and its budgets: requests in any `seconds`. 0: not counted for that subject.

    `closed`: when Redis cannot count them, such requests are refused; others go on uncounted.
    """

    name: RateName
    seconds: int
    address: int
    account: int = 0
    key: int = 0
    closed: bool = False

    def budget(self, kind: SubjectKind) -> int:
        """Requests for a subject of this kind."""
        return {"address": self.address, "account": self.account, "key": self.key}[kind]


RATES: dict[RateName, Rate] = {
    rate.name: rate
    for rate in (
        Rate("public", 60, address=600),
        Rate("read", 60, address=3_000, account=600, key=600),
        Rate("write", 60, address=600, account=120, key=120),
        # Whatever moves or promises money: placing and replacing orders; later deposits and withdrawals.
        Rate("money", 60, address=1_200, account=300, key=300, closed=True),
        # Whatever is written by somebody who has not said who they are. Attempts on one account are counted besides.
        Rate("login", 60, address=60, closed=True),
        # Signed messages of those whom we work with, from a few addresses; each is proven before it costs anything.
        Rate("webhook", 60, address=60_000),
        # Files of some megabytes, each of which is decoded and made anew.
        Rate("upload", 3_600, address=600, account=60, closed=True),
    )
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a request is counted for."""

    kind: SubjectKind
    name: str


@lru_cache(maxsize=10_000)
def address_subject(address: str) -> Subject:
    """The subject of an address. In IPv6 a customer is given a whole /64, so that is what is counted."""
    try:
        known = ip_address(address)
    except ValueError:
        return Subject("address", address)
    if isinstance(known, IPv6Address):
        known = known.ipv4_mapped or IPv6Address(int(known) >> 64 << 64)
    return Subject("address", str(known))


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of the tightest budget; `reset` is in seconds until its window begins anew."""

    rate: Rate
    limit: int
    remaining: int
    reset: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The three headers in common use, and the two of the IETF's draft."""
        name, seconds = self.rate.name, self.rate.seconds
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset),
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name.encode(), self.limit, seconds)),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (name.encode(), self.remaining, self.reset)),
        ]


class RateLimited(TooMany):
    """A budget is spent."""

    code = "rate_limited"

    def __init__(self, standing: Standing, kind: SubjectKind, seconds: int) -> None:
        whose = {"address": "from your address", "account": "for your account", "key": "with this API key"}[kind]
        super().__init__(
            f"Too many requests {whose}: at most {standing.limit} in {standing.rate.seconds} seconds. "
            f"Nothing was done; try again in {seconds} seconds.",
            details={
                "retry_after_seconds": str(seconds),
                "limit": str(standing.limit),
                "window_seconds": str(standing.rate.seconds),
                "rate": standing.rate.name,
                "counted_for": kind,
            },
        )
        self.standing = standing


# Two counters a subject: this window's and the one's before, which counts less and less as this one goes on. Takes
# from all subjects or, when one has nothing left, from none. One hash tag: the script works on a Redis Cluster too.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[1])
local bucket = math.floor(now / window)
local left = window - now % window
local found, answer, refused = {}, {left}, false
for i, key in ipairs(KEYS) do
    local limit, want, back = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
    local kept = redis.call('HMGET', key, 'bucket', 'current', 'before')
    local at, current, before = tonumber(kept[1] or -1), tonumber(kept[2] or 0), tonumber(kept[3] or 0)
    if at == bucket - 1 then
        before, current = current, 0
    elseif at ~= bucket then
        before, current = 0, 0
    end
    current = math.max(0, current - back)
    local free, wait = math.floor(limit - current - before * left / window), 0
    if free < 1 then
        refused = true
        if current < limit then
            wait = left - (limit - 1 - current) * window / before
        else
            wait = left + window - (limit - 1) * window / current
        end
    end
    found[i] = {current, before, free, math.ceil(wait), want}
end
for i, key in ipairs(KEYS) do
    local current, before, free, wait, want = unpack(found[i])
    local granted = refused and 0 or math.min(want, free)
    redis.call('HSET', key, 'bucket', bucket, 'current', current + granted, 'before', before)
    redis.call('PEXPIRE', key, 2 * window)
    answer[#answer + 1] = granted
    answer[#answer + 1] = math.max(0, free - granted)
    answer[#answer + 1] = wait
end
return answer
"""


class _Lease:
    """Requests of one subject that this process may still hand out."""

    __slots__ = (
        "free",
        "kind",
        "limit",
        "name",
        "refused_until",
        "renewing",
        "resets_at",
        "runs_out",
        "tokens",
        "wait_until",
    )

    def __init__(self, name: str, kind: SubjectKind, limit: int) -> None:
        self.name, self.kind, self.limit = name, kind, limit
        self.tokens = 0
        self.free = limit
        self.runs_out = self.resets_at = self.refused_until = self.wait_until = 0.0
        self.renewing: asyncio.Future[None] | None = None


class RateLimits:
    """Counts requests. One for each process."""

    def __init__(self, redis: Redis, *, factor: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._take = redis.register_script(_TAKE)
        self._factor = factor
        self._clock = clock
        self._leases: dict[tuple[str, str, str], _Lease] = {}
        self._rests_until = 0.0
        self._few = asyncio.Semaphore(FETCHES_MAX)
        self.round_trips = 0

    def budget(self, rate: Rate, kind: SubjectKind) -> int:
        """Requests of this class for a subject of this kind, in this installation."""
        return rate.budget(kind) * self._factor

    def refuse_spent(self, rate: Rate, subject: Subject) -> None:
        """Raise RateLimited when it is known here that nothing is left: for what comes before any other work."""
        lease = self._leases.get((rate.name, subject.kind, subject.name))
        if lease is not None and self._clock() < lease.refused_until:
            raise self._refusal(rate, lease)

    def spend_leased(self, rate: Rate, subjects: Sequence[Subject]) -> Standing | None:
        """Take one request from lots in hand, without waiting; None when some lot is used up."""
        now = self._clock()
        leases = []
        for subject in subjects:
            lease = self._leases.get((rate.name, subject.kind, subject.name))
            if lease is None or lease.tokens < 1 or now >= lease.runs_out:
                return None
            leases.append(lease)
        for lease in leases:
            lease.tokens -= 1
        return self._standing(rate, leases)

    async def spend(self, rate: Rate, subjects: Sequence[Subject]) -> Standing | None:
        """Take one request from every subject's budget; None when Redis is gone and the request goes on uncounted.

        Raises RateLimited, and Unavailable when Redis is gone and the class is closed without it.
        """
        counted = [subject for subject in subjects if rate.budget(subject.kind) > 0]
        for _ in range(TRIES_MAX):
            if standing := self.spend_leased(rate, counted):
                return standing
            if self._clock() < self._rests_until:
                if rate.closed:
                    raise Unavailable(
                        "Requests of this kind cannot be counted at the moment, so nothing was done. "
                        "Try again in a moment."
                    )
                return None
            await self._renew(rate, [self._lease(rate, subject) for subject in counted])
        raise Unavailable("Too many requests at the same moment. Nothing was done; try again in a second.")

    async def _renew(self, rate: Rate, leases: Sequence[_Lease]) -> None:
        """Fetch what is missing, unless somebody is fetching it already: then wait for them."""
        if under_way := next((lease.renewing for lease in leases if lease.renewing is not None), None):
            await asyncio.shield(under_way)
            return
        now = self._clock()
        wanted = [lease for lease in leases if lease.tokens < 1 or now >= lease.runs_out]
        if not wanted:
            return
        if spent := next((lease for lease in wanted if now < lease.refused_until), None):
            raise self._refusal(rate, spent)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for lease in wanted:
            lease.renewing = done
        try:
            async with self._few:
                await self._fetch(rate, wanted)
        except REDIS_ERRORS as error:
            self._rests_until = self._clock() + REST_SECONDS
            log.warning("requests_not_counted", cause=type(error).__name__, rate=rate.name)
        finally:
            for lease in wanted:
                lease.renewing = None
            done.set_result(None)

    async def _fetch(self, rate: Rate, leases: Sequence[_Lease]) -> None:
        """Give back what is left of the last lots and take new ones, in one round trip."""
        arguments: list[str | int] = [rate.seconds * 1000]
        for lease in leases:
            arguments += [lease.limit, min(LEASE_MAX, max(1, lease.limit // LEASE_SHARE)), lease.tokens]
            lease.tokens = 0
        self.round_trips += 1
        answer = [int(number) for number in await self._take([lease.name for lease in leases], arguments)]
        now = self._clock()
        for number, lease in enumerate(leases):
            granted, lease.free, wait = answer[1 + 3 * number : 4 + 3 * number]
            lease.tokens += granted
            lease.runs_out, lease.resets_at = now + LEASE_SECONDS, now + answer[0] / 1000
            if wait > 0:
                lease.wait_until = now + wait / 1000
                # Asked again after a second: somebody else may have given something back.
                lease.refused_until = min(lease.wait_until, now + LEASE_SECONDS)
        if spent := next((lease for lease in leases if now < lease.refused_until), None):
            raise self._refusal(rate, spent)

    def _lease(self, rate: Rate, subject: Subject) -> _Lease:
        name = (rate.name, subject.kind, subject.name)
        if (lease := self._leases.get(name)) is None:
            if len(self._leases) >= LEASES_MAX:
                self._forget()
            lease = _Lease(f"{{rates}}:{':'.join(name)}", subject.kind, self.budget(rate, subject.kind))
            self._leases[name] = lease
        return lease

    def _forget(self) -> None:
        """Drop what has run out; the lots in hand too when that is not enough: Redis has counted them."""
        now = self._clock()
        self._leases = {
            name: lease for name, lease in self._leases.items() if now < lease.runs_out or lease.renewing is not None
        }
        if len(self._leases) >= LEASES_MAX:
            self._leases.clear()

    def _standing(self, rate: Rate, leases: Sequence[_Lease]) -> Standing:
        lease = min(leases, key=lambda each: each.free + each.tokens)
        reset = max(1, -int(-(lease.resets_at - self._clock()) // 1))
        return Standing(rate, lease.limit, lease.free + lease.tokens, reset)

    def _refusal(self, rate: Rate, lease: _Lease) -> RateLimited:
        REFUSED.labels(rate.name, lease.kind).inc()
        seconds = max(1, -int(-(lease.wait_until - self._clock()) // 1))
        return RateLimited(Standing(rate, lease.limit, 0, seconds), lease.kind, seconds)


COUNT = "bitcurrent.count"
"""Under this name an ASGI scope holds the `Count` of its request until somebody completes it."""


class Count:
    """The counting of one request: begun with its address, completed once it is known whose it is."""

    __slots__ = ("_address", "_answers", "_done", "_limits", "_rate")

    def __init__(self, limits: RateLimits, rate: Rate, address: Subject, answers: list[tuple[bytes, bytes]]) -> None:
        # Before anything is looked up: who has spent what there was costs us next to nothing.
        self._limits, self._rate, self._address, self._answers = limits, rate, address, answers
        self._done = False
        try:
            limits.refuse_spent(rate, address)
        except RateLimited as refusal:
            self._done = True
            answers += refusal.standing.headers()
            raise

    async def complete(self, *, account: str | None = None, key: str | None = None) -> None:
        """Count it, once, for the address and whoever is named; raises what `RateLimits.spend` raises."""
        if self._done:
            return
        self._done = True
        subjects = [self._address]
        if account is not None:
            subjects.append(Subject("account", account))
        if key is not None:
            subjects.append(Subject("key", key))
        try:
            standing = await self._limits.spend(self._rate, subjects)
        except RateLimited as refusal:
            self._answers += refusal.standing.headers()
            raise
        if standing is not None:
            self._answers += standing.headers()

    async def settle(self) -> None:
        """Count it for its address when nothing else did: it was refused before anybody was recognised."""
        with contextlib.suppress(RateLimited, Unavailable):
            await self.complete()


async def count_caller(scope: Any, *, account: str | None = None, key: str | None = None) -> None:
    """Complete the count of the request in this scope, where there is one."""
    count = scope.get(COUNT)
    if isinstance(count, Count):
        await count.complete(account=account, key=key)
