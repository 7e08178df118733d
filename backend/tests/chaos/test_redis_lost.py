"""Layer F: Redis killed, flushed and frozen under load. Nothing is lost, nobody gets in by it, and reads go on."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.chaos.counting import SCALE, SEED, Layer
from tests.chaos.faulty_venue import Round
from tests.chaos.redis_at_risk import RedisAtRisk, redis_at_risk
from tests.support import books
from tests.support.brokerage import running_api
from tests.support.customers import register
from tests.support.desk import Floor, trading_floor
from tests.support.sandbox import Sandbox

ROUNDS = 2 * SCALE
READ_SECONDS_MAX = 6.0
"""How long a read may take while Redis is away: its own patience, and then PostgreSQL."""
LIMIT = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.001", "limit_price": "40000"}


@dataclass(slots=True)
class Load:
    """Customers who order and read without a pause, and somebody who was logged out and keeps knocking."""

    http: httpx.AsyncClient
    user_id: UserId
    token: str
    ended_token: str
    layer: Layer
    placed: set[str] = field(default_factory=set)
    over: bool = False

    def headers(self, token: str) -> dict[str, str]:
        """Who asks."""
        return {"Authorization": f"Bearer {token}"}

    async def order(self) -> None:
        """An order is taken (and then it is there for good) or put off; nothing else."""
        number = 0
        while not self.over:
            number += 1
            answer = await self.http.post("/api/orders", json=LIMIT, headers=self.headers(self.token))
            assert answer.status_code in {201, 503}, answer.text
            if answer.status_code == 201:
                self.placed.add(answer.json()["id"])
            self.layer.note("orders taken" if answer.status_code == 201 else "orders put off")
            await asyncio.sleep(0.03)

    async def read(self) -> None:
        """What is in PostgreSQL can be read all the time."""
        while not self.over:
            for path in ("/api/orders", "/api/balances", "/api/me"):
                began = time.monotonic()
                answer = await self.http.get(path, headers=self.headers(self.token))
                assert answer.status_code == 200, f"{path}: {answer.text}"
                assert time.monotonic() - began < READ_SECONDS_MAX, path
                self.layer.note("reads")
            await asyncio.sleep(0.02)

    async def knock(self) -> None:
        """A session that was ended lets nobody in, whatever Redis has forgotten."""
        while not self.over:
            answer = await self.http.get("/api/me", headers=self.headers(self.ended_token))
            assert answer.status_code in {401, 503}, answer.text
            self.layer.note("knocks refused")
            await asyncio.sleep(0.02)


@asynccontextmanager
async def load(floor: Floor, layer: Layer) -> AsyncIterator[Load]:
    """Load until the block ends; then whatever one of them has found wrong is raised."""
    async with running_api(floor.brokerage.settings) as (http, _):
        ann, ended = await register(http), await register(http)
        assert (await http.post("/api/logout", headers=ended.bearer)).status_code == 204
        user_id = UserId(UUID(ann.id))
        async with floor.brokerage.database.transaction() as connection:
            await books.credit(connection, user_id, "USD", Decimal(1_000_000))
        running = Load(http, user_id, ann.token, ended.token, layer)
        hands = [asyncio.create_task(hand()) for hand in (running.order, running.order, running.read, running.knock)]
        try:
            yield running
        finally:
            running.over = True
            results = await asyncio.gather(*hands, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


async def _kill(redis: RedisAtRisk) -> None:
    redis.kill()
    await asyncio.sleep(1.5)
    redis.start()


async def _flush(redis: RedisAtRisk) -> None:
    redis.flush()
    await asyncio.sleep(0.3)


async def _freeze(redis: RedisAtRisk) -> None:
    redis.freeze(1500)
    await asyncio.sleep(1.6)


HARMS: tuple[Callable[[RedisAtRisk], Awaitable[None]], ...] = (_kill, _flush, _freeze)


@pytest.mark.timeout(60 + 30 * ROUNDS)
async def test_redis_may_be_lost_at_any_moment(database_urls: DatabaseUrls, sandbox: Sandbox) -> None:
    layer = Layer("F Redis lost", floor=ROUNDS * len(HARMS))
    rng = random.Random(SEED)
    with redis_at_risk() as redis:
        async with trading_floor(database_urls, redis.server.url, sandbox) as floor:
            async with load(floor, layer) as running:
                for _ in range(ROUNDS):
                    for harm in rng.sample(HARMS, len(HARMS)):
                        await asyncio.sleep(rng.uniform(0.1, 0.4))
                        await harm(redis)
                        layer.ran += 1
            await _nothing_lost(floor, running)
    assert layer.notes["orders taken"] > 10 * ROUNDS
    layer.finish()


async def _nothing_lost(floor: Floor, running: Load) -> None:
    found: list[Any] = []
    async with floor.brokerage.database.read() as connection:
        found = await connection.fetch("SELECT id FROM orders WHERE user_id = $1", running.user_id)
    assert {str(row["id"]) for row in found} >= running.placed
    end = Round(floor, SEED, [], [(running.user_id, OrderId(running.user_id))])
    await end._drain()
    await floor.laws()
