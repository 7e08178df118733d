"""Sliding windows in Redis: budgets hold, lots are given back, Redis is asked seldom, and its absence is told apart."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.web.rates import LEASE_SECONDS, Rate, RateLimited, RateLimits, Subject, address_subject

READ = Rate("read", 60, address=1_000, account=100, key=100)
MONEY = Rate("money", 60, address=1_000, account=100, closed=True)
ADDRESS = Subject("address", "203.0.113.9")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect_redis(redis_server.url)
    await client.flushdb()
    yield client
    await client.aclose()


def account(name: str) -> Subject:
    return Subject("account", name)


async def spent(limits: RateLimits, rate: Rate, *subjects: Subject, tries: int) -> int:
    """How many of so many requests are let through."""
    through = 0
    for _ in range(tries):
        try:
            await limits.spend(rate, subjects)
        except RateLimited:
            continue
        through += 1
    return through


async def test_a_budget_lets_through_exactly_what_it_says(redis: Redis) -> None:
    limits = RateLimits(redis)
    assert await spent(limits, READ, ADDRESS, account("ann"), tries=130) == 100
    assert await spent(limits, READ, ADDRESS, account("ben"), tries=10) == 10


async def test_a_refusal_says_for_whom_and_when_to_come_back(redis: Redis) -> None:
    limits = RateLimits(redis)
    await spent(limits, READ, account("ann"), tries=100)
    with pytest.raises(RateLimited) as refused:
        await limits.spend(READ, [account("ann")])
    assert refused.value.details["counted_for"] == "account"
    assert refused.value.details["limit"] == "100"
    assert 1 <= int(refused.value.details["retry_after_seconds"]) <= 120
    assert refused.value.standing.remaining == 0


async def test_a_refused_request_takes_nothing_from_the_other_budgets(redis: Redis) -> None:
    limits = RateLimits(redis)
    await spent(limits, READ, account("ann"), tries=100)
    fresh = Subject("address", "198.51.100.1")
    assert await spent(limits, READ, fresh, account("ann"), tries=50) == 0
    standing = await RateLimits(redis).spend(READ, [fresh])
    assert standing is not None
    assert standing.remaining == 999


async def test_processes_share_a_budget(redis: Redis) -> None:
    many = [RateLimits(redis) for _ in range(4)]
    through = sum(await asyncio.gather(*(spent(each, READ, account("ann"), tries=60) for each in many)))
    # Never more than the budget; less only by what the others still hold in hand: a twentieth each.
    assert 85 <= through <= 100


async def test_many_at_once_are_counted_once_each(redis: Redis) -> None:
    limits = RateLimits(redis)

    async def one() -> bool:
        try:
            await limits.spend(READ, [ADDRESS, account("ann")])
        except RateLimited:
            return False
        return True

    assert sum(await asyncio.gather(*(one() for _ in range(150)))) == 100


async def test_a_busy_client_costs_one_round_trip_a_lot(redis: Redis) -> None:
    limits = RateLimits(redis, factor=100)
    for _ in range(1_000):
        await limits.spend(READ, [ADDRESS, account("ann")])
    assert limits.round_trips <= 12  # lots of a hundred


async def test_what_remains_of_a_lot_is_given_back(redis: Redis) -> None:
    """One request a second for most of a minute: whole lots would have used the budget up after twenty."""
    clock = Clock()
    limits = RateLimits(redis, clock=clock)
    for _ in range(50):
        await limits.spend(READ, [account("slow")])
        clock.now += LEASE_SECONDS
    standing = await limits.spend(READ, [account("slow")])
    assert standing is not None
    assert standing.remaining == 49


async def test_the_window_slides(redis: Redis) -> None:
    """A window of a second: after it has passed once, a part is free again, and after twice everything."""
    short = Rate("read", 1, address=0, account=40)
    limits = RateLimits(redis)
    assert await spent(limits, short, account("ann"), tries=60) == 40
    await asyncio.sleep(1.3)
    again = await spent(RateLimits(redis), short, account("ann"), tries=60)
    assert 1 <= again <= 40
    await asyncio.sleep(2.1)
    assert await spent(RateLimits(redis), short, account("ann"), tries=60) == 40


async def test_who_has_spent_everything_is_refused_without_asking_redis(redis: Redis) -> None:
    limits = RateLimits(redis)
    await spent(limits, READ, account("ann"), tries=101)
    asked = limits.round_trips
    assert await spent(limits, READ, account("ann"), tries=50) == 0
    with pytest.raises(RateLimited):
        limits.refuse_spent(READ, account("ann"))
    assert limits.round_trips == asked


async def test_without_redis_reads_go_on_and_money_does_not() -> None:
    nowhere = connect_redis("redis://127.0.0.1:9/0")
    limits = RateLimits(nowhere)
    assert await limits.spend(READ, [account("ann")]) is None
    for _ in range(3):
        with pytest.raises(Unavailable):
            await limits.spend(MONEY, [account("ann")])
    assert limits.round_trips == 1  # and then Redis is left alone for a second
    await nowhere.aclose()


async def test_headers_tell_the_tightest_budget(redis: Redis) -> None:
    standing = await RateLimits(redis).spend(READ, [ADDRESS, account("ann")])
    assert standing is not None
    headers = dict(standing.headers())
    assert headers[b"ratelimit-limit"] == b"100"
    assert headers[b"ratelimit-remaining"] == b"99"
    assert 1 <= int(headers[b"ratelimit-reset"]) <= 60
    assert headers[b"ratelimit-policy"] == b'"read";q=100;w=60'
    assert headers[b"ratelimit"].startswith(b'"read";r=99;t=')


async def test_a_burst_of_strangers_is_counted_and_not_taken_for_a_lost_redis(redis: Redis) -> None:
    limits = RateLimits(redis)
    standings = await asyncio.gather(
        *(limits.spend(MONEY, [ADDRESS, account(f"customer {number}")]) for number in range(300))
    )
    assert all(standing is not None and standing.remaining == 99 for standing in standings)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_that_one_customer_owns_is_one_subject(address: str, counted: str) -> None:
    assert address_subject(address) == Subject("address", counted)
