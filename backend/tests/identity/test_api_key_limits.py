"""An API key's markets and daily amount hold for every way to an order: own API and bot API, alone and all at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.settings import Settings
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.callers import give_key
from tests.support.customers import Person, enrol, key_headers, register
from tests.support.sandbox import Sandbox
from tests.support.signing import Signed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Market:
    client: httpx.AsyncClient
    app: Litestar
    settings: Settings

    async def customer(self, cash: str = "10000") -> Person:
        person = await register(self.client)
        async with self.app.state["database"].transaction() as connection:
            await books.credit(connection, UserId(UUID(person.id)), "USD", Decimal(cash))
        return person

    async def place(self, key: tuple[str, str], **order: Any) -> httpx.Response:
        body = {
            "symbol": "BTC-USD",
            "side": "buy",
            "type": "limit",
            "limit_price": "40000",
            "quantity": "0.001",
            **order,
        }
        headers = key_headers(*key)
        if name := body.pop("idempotency_key", None):
            headers["Idempotency-Key"] = str(name)
        return await self.client.post("/api/orders", json=body, headers=headers)

    async def used(self, person: Person, key: tuple[str, str]) -> str:
        answer = await self.client.get(f"/api/api-keys/{key[0]}", headers=person.bearer)
        return str(answer.json()["used_today"])

    async def held(self, person: Person) -> Decimal:
        async with self.app.state["database"].read() as connection:
            return (await books.balance(connection, UserId(UUID(person.id)), "USD"))[1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[Market]:
    assert redis_server.ask("FLUSHALL") == b"+OK"
    await asyncio.to_thread(lambda: sandbox.control("reset"))
    settings = settings_for(module_database_urls, redis_server.url, sandbox)
    async with running_api(settings) as (client, app):
        await app.state["market_data"].sync_markets()
        await app.state["market_data"].refresh_prices()
        yield Market(client, app, settings)


async def test_a_capped_key_stops_at_its_cap_and_says_what_is_left(market: Market) -> None:
    ann = await market.customer()
    key = await give_key(market.app, ann, "read", "trade", daily_notional=Decimal(100))
    assert (await market.place(key)).status_code == 201
    assert (await market.place(key, quantity="0.00125")).status_code == 201
    assert await market.used(ann, key) == "90"
    refused = await market.place(key)
    assert (refused.status_code, refused.json()["code"]) == (403, "key_daily_cap")
    assert refused.json()["details"] == {"cap": "100", "used": "90", "left": "10", "needed": "40"}
    assert await market.held(ann) == Decimal(90)
    # The same customer's other ways are open.
    other = await give_key(market.app, ann, "trade")
    assert (await market.place(other)).status_code == 201
    assert await market.used(ann, key) == "90"


async def test_of_many_orders_at_once_exactly_those_that_fit_are_placed(market: Market) -> None:
    ann = await market.customer()
    key = await give_key(market.app, ann, "trade", daily_notional=Decimal(200))
    answers = await asyncio.gather(*(market.place(key) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [403] * 15
    assert await market.used(ann, key) == "200"
    assert await market.held(ann) == Decimal(200)


async def test_a_repeated_request_counts_once_and_gets_its_answer_also_beyond_the_cap(market: Market) -> None:
    ann = await market.customer()
    key = await give_key(market.app, ann, "trade", daily_notional=Decimal(50))
    first = await market.place(key, idempotency_key="the-one")
    repeats = await asyncio.gather(*(market.place(key, idempotency_key="the-one") for _ in range(5)))
    assert {answer.json()["id"] for answer in repeats} == {first.json()["id"]}
    assert {answer.headers["idempotent-replayed"] for answer in repeats} == {"true"}
    assert await market.used(ann, key) == "40"
    twins = await asyncio.gather(*(market.place(key, client_order_id="twin", quantity="0.00025") for _ in range(4)))
    assert sorted(answer.status_code for answer in twins) == [201] * 4
    assert await market.used(ann, key) == "50"


async def test_an_order_that_is_not_placed_is_not_counted(market: Market) -> None:
    ann = await market.customer(cash="30")
    key = await give_key(market.app, ann, "trade", daily_notional=Decimal(1000))
    poor = await market.place(key)
    assert (poor.status_code, poor.json()["code"]) == (409, "insufficient_funds")
    assert (await market.place(key, quantity="0")).status_code == 422
    assert await market.used(ann, key) == "0"


async def test_a_replacement_counts_what_it_is_worth_more(market: Market) -> None:
    ann = await market.customer()
    key = await give_key(market.app, ann, "trade", daily_notional=Decimal(100))
    placed = (await market.place(key)).json()
    async with market.app.state["database"].transaction() as connection:
        await connection.execute("SELECT mark_submitted($1, $2)", UUID(placed["id"]), f"venue-{placed['id']}")
    path = f"/api/orders/{placed['id']}"
    too_much = await market.client.patch(path, json={"quantity": "0.003"}, headers=key_headers(*key))
    assert (too_much.status_code, too_much.json()["code"]) == (403, "key_daily_cap")
    more = await market.client.patch(path, json={"quantity": "0.0015"}, headers=key_headers(*key))
    assert more.status_code == 201, more.text
    assert await market.used(ann, key) == "60"


async def test_the_cap_holds_for_the_bot_api_too_and_counts_together(market: Market) -> None:
    ann = await market.customer()
    key = await give_key(market.app, ann, "read", "trade", daily_notional=Decimal(70))
    order = {"symbol": "BTC/USD", "side": "buy", "type": "limit", "time_in_force": "gtc", "qty": "0.001"}
    body = {**order, "limit_price": "40000"}
    assert (await market.client.post("/v2/orders", json=body, auth=Signed(*key))).status_code == 200
    refused = await market.client.post("/v2/orders", json=body, headers=key_headers(*key))
    assert (refused.status_code, refused.json()["code"]) == (403, 40310000)
    assert "30 left" in refused.json()["message"]
    assert (await market.place(key)).json()["code"] == "key_daily_cap"


async def test_the_next_day_begins_anew(market: Market) -> None:
    ann = await market.customer()
    key = await give_key(market.app, ann, "trade", daily_notional=Decimal(50))
    assert (await market.place(key)).status_code == 201
    assert (await market.place(key)).status_code == 403
    database = await asyncpg.connect(market.settings.owner_database_url)
    await database.execute("UPDATE api_key_days SET day = day - 1 WHERE key_id = $1", key[0])
    await database.close()
    assert (await market.place(key)).status_code == 201


async def test_a_raised_cap_counts_at_once(market: Market) -> None:
    ann = await market.customer()
    await enrol(market.client, ann)
    key = await give_key(market.app, ann, "trade", daily_notional=Decimal(50))
    assert (await market.place(key)).status_code == 201
    assert (await market.place(key)).status_code == 403
    raised = await market.client.patch(f"/api/api-keys/{key[0]}", json={"daily_notional": "80"}, headers=ann.bearer)
    assert (raised.status_code, raised.json()["used_today"]) == (200, "40")
    assert (await market.place(key)).status_code == 201


async def test_a_key_trades_in_its_markets_only(market: Market) -> None:
    ann = await market.customer()
    free = await give_key(market.app, ann, "trade")
    bound = await give_key(market.app, ann, "read", "trade", symbols=["ETH-USD"])
    bitcoin = (await market.place(free)).json()
    ether = await market.place(bound, symbol="ETHUSD", limit_price="1000", quantity="0.05")
    assert ether.status_code == 201, ether.text
    for attempt in (
        market.place(bound),
        market.client.patch(f"/api/orders/{bitcoin['id']}", json={"limit_price": "39000"}, headers=key_headers(*bound)),
        market.client.delete(f"/api/orders/{bitcoin['id']}", headers=key_headers(*bound)),
        market.client.delete("/api/orders?symbol=BTC-USD", headers=key_headers(*bound)),
    ):
        refused = await attempt
        assert (refused.status_code, refused.json()["code"]) == (403, "symbol_not_allowed"), refused.text
        assert refused.json()["details"] == {"symbol": "BTC/USD", "allowed": "ETH/USD"}
    gone = await market.client.delete(f"/v2/orders/{bitcoin['id']}", headers=key_headers(*bound))
    assert gone.status_code == 403
    everything = await market.client.delete("/api/orders", headers=key_headers(*bound))
    assert [order["id"] for order in everything.json()] == [ether.json()["id"]]
    still = await market.client.get(f"/api/orders/{bitcoin['id']}", headers=ann.bearer)
    assert still.json()["state"] == "accepted"


async def test_a_key_that_only_reads_places_nothing(market: Market) -> None:
    ann = await market.customer()
    key = await give_key(market.app, ann, "read")
    assert (await market.place(key)).json()["code"] == "scope_missing"


async def test_after_all_of_this_the_laws_hold(market: Market) -> None:
    async with market.app.state["database"].read() as connection:
        assert await books.broken_laws(connection) == []
        assert await books.sequence_gaps(connection) == []
