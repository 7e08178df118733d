"""Demo data: made once, the same at every start, and never in production."""

from collections.abc import Mapping

import asyncpg
import msgspec
import pytest

from bitcurrent.demo_data import DemoRefused, load
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import App, key_headers, log_in, log_in_with


async def _rows(database: DatabaseUrls) -> Mapping[str, object]:
    connection = await asyncpg.connect(database.owner)
    tables = ("users", "totp_factors", "api_keys", "journals", "entries", "audit_logs", "events", "balances")
    found = {
        table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
        for table in tables
    }
    await connection.close()
    return found


async def test_a_second_load_changes_nothing_and_the_logins_work(database_urls: DatabaseUrls, redis_url: str) -> None:
    import asyncio

    settings = settings_for(database_urls, redis_url)
    logins = await asyncio.to_thread(load, settings)
    before = await _rows(database_urls)
    assert await asyncio.to_thread(load, settings) == logins
    assert await _rows(database_urls) == before
    other = msgspec.structs.replace(settings, secret_key=settings.secret_key[::-1])
    async with running_api(settings) as (client, _):
        for who, role in (("customer", "customer"), ("second_customer", "customer"), ("operator", "admin")):
            login = logins[who]
            if "totp_secret" in login:
                answer = await log_in_with(client, login["email"], App(login["totp_secret"]), login["password"])
            else:
                answer = await log_in(client, login["email"], login["password"])
            assert (answer.status_code, answer.json()["user"]["role"]) == (200, role)
        bot = await client.get("/api/me", headers=key_headers(**_renamed(logins["bot"])))
        assert bot.json()["scopes"] == ["read", "trade"]
        assert bot.json()["user"]["email"] == logins["customer"]["email"]
    connection = await asyncpg.connect(database_urls.app)
    money = await connection.fetch("SELECT currency, available::text, held::text FROM balances")
    sums = await connection.fetchval("SELECT sum(amount) FROM entries")
    await connection.close()
    assert {tuple(row) for row in money} == {("USD", "100000.000000000000000000", "0.000000000000000000")}
    assert sums == 0
    assert await asyncio.to_thread(load, other) != logins


def test_production_gets_no_demo_data(database_urls: DatabaseUrls, redis_url: str) -> None:
    with pytest.raises(DemoRefused):
        load(settings_for(database_urls, redis_url, env="production"))


def _renamed(bot: dict[str, str]) -> dict[str, str]:
    return {"key_id": bot["key_id"], "secret": bot["secret_key"]}
