"""What programs follow: links lead to real operations, OPTIONS names every method, moments are moments."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web.openapi import describe
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import register
from tests.support.own_api import Contract

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(
    module_database_urls: DatabaseUrls, redis_server: RedisServer
) -> AsyncIterator[tuple[httpx.AsyncClient, Contract]]:
    async with running_api(settings_for(module_database_urls, redis_server.url)) as (client, app):
        yield client, Contract(describe(app))


async def test_an_order_leads_to_what_can_be_done_with_it(api: tuple[httpx.AsyncClient, Contract]) -> None:
    _, contract = api
    operations = {operation.id: operation for operation in contract.operations()}
    links = operations["placeOrder"].described["responses"]["201"]["links"]
    assert set(links) == {"readOrder", "cancelOrder", "replaceOrder"}
    assert links["readOrder"]["parameters"] == {"order_id": "$response.body#/id"}
    listed = operations["listOrders"].described["responses"]["200"]["links"]
    assert listed["readOrder"]["parameters"] == {"order_id": "$response.body#/items/0/id"}
    found = [
        (operation.id, target)
        for operation in operations.values()
        for answer in operation.described["responses"].values()
        for target in answer.get("links", {})
    ]
    assert len(found) >= 20
    assert [one for one in found if one[1] not in operations] == []


async def test_options_names_every_method_of_every_path(api: tuple[httpx.AsyncClient, Contract]) -> None:
    client, contract = api
    methods: dict[str, set[str]] = {}
    for operation in contract.operations():
        methods.setdefault(operation.path, {"OPTIONS"}).add(operation.method)
    for path, known in methods.items():
        if "{" not in path:
            answer = await client.options(path)
            assert set(answer.headers["allow"].split(", ")) == known, path


@pytest.mark.parametrize("text", ["0.5", "1700000000", "yesterday", "2026-01-31", "2026-01-31T12:00:00"])
async def test_what_is_no_moment_is_refused(api: tuple[httpx.AsyncClient, Contract], text: str) -> None:
    client, _ = api
    ann = await register(client)
    answer = await client.get("/api/orders", params={"until": text}, headers=ann.bearer)
    assert (answer.status_code, "until" in answer.json()["detail"]) == (422, True)
    fine = await client.get("/api/orders", params={"until": "2026-01-31T12:00:00+00:00"}, headers=ann.bearer)
    assert fine.status_code == 200
