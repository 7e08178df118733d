"""An API that dies in the middle of a conversion: the same request to another one converts once, and wholly."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher import addresses
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.settings import Settings
from tests.chaos.processes import Process, start, until_ready
from tests.support import books
from tests.support.brokerage import settings_for
from tests.support.customers import register

pytestmark = pytest.mark.asyncio(loop_scope="module")

POINTS = ("conversion.recorded", "conversion.moved", "inside_idempotent_transaction", "after_idempotent_commit")


@dataclass(slots=True)
class House:
    """An API that lives, what others are started with, and the books."""

    settings: Settings
    living: Process
    folder: Path
    connection: Connection

    def client(self, api: Process) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{addresses.HERE}:{api.port}", timeout=10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    settings = settings_for(module_database_urls, redis_server.url, fx_rates="EUR/USD=1.25")
    folder = tmp_path_factory.mktemp("conversions")
    living = start("serve", settings, folder)
    connection = await books.connect(module_database_urls.app)
    try:
        await until_ready(living)
        yield House(settings, living, folder, connection)
        assert await books.broken_laws(connection) == []
    finally:
        living.end()
        await connection.close()


@pytest.mark.parametrize("point", POINTS)
async def test_one_request_is_one_conversion_whoever_dies(house: House, point: str) -> None:
    async with house.client(house.living) as http:
        ann = await register(http, database_url=house.settings.database_url)
        await books.credit(house.connection, UserId(UUID(ann.id)), "USD", Decimal(1000))
        dying = start("serve", house.settings, house.folder, crash_at=point)
        try:
            await until_ready(dying)
            wish = {"from": "USD", "to": "EUR", "give": "100"}
            quote = (await http.post("/api/conversions/quote", json=wish, headers=ann.bearer)).json()
            asked: dict[str, Any] = {
                "json": {"quote_id": quote["id"]},
                "headers": {**ann.bearer, "Idempotency-Key": str(new_id())},
            }
            async with house.client(dying) as other:
                with pytest.raises(httpx.TransportError):
                    await other.post("/api/conversions", **asked)
            # Its own process has died; the one that watches it says so and ends.
            assert await asyncio.to_thread(lambda: addresses.wait_until(lambda: dying.dead, seconds=30, pause=0.02))
            assert "Unexpected exit" in dying.words()
        finally:
            dying.end()
        answer = await http.post("/api/conversions", **asked)
        assert (answer.status_code, answer.json().get("get")) == (201, "79.6"), answer.text
        balances = (await http.get("/api/balances", headers=ann.bearer)).json()["items"]
    assert {one["currency"]: one["total"] for one in balances} == {"USD": "900", "EUR": "79.6"}
    count = "SELECT count(*) FROM conversions WHERE user_id = $1"
    assert await house.connection.fetchval(count, UUID(ann.id)) == 1
