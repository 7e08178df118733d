"""Budgets as a client meets them: told in every answer, refused when spent, and what becomes of them without Redis."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from bitcurrent.kernel.cache import connect_redis
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web.rates import RATES
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import register

ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": "10"}


@pytest_asyncio.fixture
async def client(database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[httpx.AsyncClient]:
    redis = connect_redis(redis_server.url)
    await redis.flushdb()
    await redis.aclose()
    settings = settings_for(database_urls, redis_server.url, rate_limit_factor=1, trusted_proxies="")
    async with running_api(settings) as (running, _):
        yield running


async def test_every_answer_tells_what_is_left(client: httpx.AsyncClient) -> None:
    ann = await register(client)
    for path, headers, rate, limit in (
        ("/api/markets", {}, "public", 600),
        ("/api/nowhere", {}, "public", 600),
        ("/api/me", {}, "read", 3_000),
        ("/api/me", ann.bearer, "read", 600),
    ):
        answer = await client.get(path, headers=headers)
        assert answer.headers["ratelimit-limit"] == str(limit), path
        assert 0 < int(answer.headers["ratelimit-remaining"]) < limit
        assert 1 <= int(answer.headers["ratelimit-reset"]) <= 60
        assert answer.headers["ratelimit-policy"] == f'"{rate}";q={limit};w=60'
    assert "ratelimit-limit" not in (await client.get("/health/live")).headers


async def test_an_address_that_has_spent_its_attempts_is_refused_whoever_it_says_it_is(
    client: httpx.AsyncClient,
) -> None:
    statuses = [
        (await client.post("/api/login", json={}, headers={"X-Forwarded-For": f"10.0.0.{number}"})).status_code
        for number in range(RATES["login"].address + 5)
    ]
    assert statuses.count(429) == 5
    refused = await client.post("/api/login", json={})
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (429, "rate_limited")
    assert refused.headers["retry-after"] == problem["details"]["retry_after_seconds"]
    assert refused.headers["ratelimit-remaining"] == "0"
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert (await client.get("/api/markets")).status_code == 200  # another class of operations


async def test_an_account_has_one_budget_from_every_device(client: httpx.AsyncClient) -> None:
    ann, ben = await register(client), await register(client)
    again = await client.post("/api/login", json={"email": ann.email, "password": "correct horse battery staple"})
    client.cookies.clear()
    sessions = [ann.bearer, {"Authorization": f"Bearer {again.json()['token']}"}]
    body = {"current_password": "short", "new_password": "short"}
    statuses = [
        (await client.post("/api/password", json=body, headers=sessions[number % 2])).status_code
        for number in range(RATES["write"].account + 10)
    ]
    assert statuses[: RATES["write"].account].count(429) == 0
    assert set(statuses[RATES["write"].account :]) == {429}
    assert (await client.post("/api/password", json=body, headers=ben.bearer)).status_code != 429


async def test_who_sends_wrong_tokens_spends_the_budget_of_the_address(client: httpx.AsyncClient) -> None:
    first = await client.get("/api/me", headers={"Authorization": "Bearer wrong"})
    second = await client.get("/api/me", headers={"Authorization": "Bearer wrong"})
    assert (first.status_code, second.status_code) == (401, 401)
    assert int(second.headers["ratelimit-remaining"]) < int(first.headers["ratelimit-remaining"])


async def test_without_redis_reads_go_on_and_orders_are_refused(
    database_urls: DatabaseUrls, redis_server: RedisServer
) -> None:
    async with running_api(settings_for(database_urls, redis_server.url)) as (client, _):
        ann = await register(client)
    async with running_api(settings_for(database_urls, "redis://127.0.0.1:9/0")) as (client, _):
        assert (await client.get("/api/markets")).status_code == 200
        assert (await client.get("/api/me", headers=ann.bearer)).status_code == 200
        refused = await client.post("/api/orders", json=ORDER, headers=ann.bearer)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert "nothing was done" in refused.json()["detail"]
        assert refused.headers["retry-after"] == "1"
        orders = await client.get("/api/orders", headers=ann.bearer)
        assert orders.json()["items"] == []
