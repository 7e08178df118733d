"""Health over the real application."""

from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.brokerage import running_api, settings_for


async def test_a_ready_api_says_what_is_there(database_urls: DatabaseUrls, redis_url: str) -> None:
    async with running_api(settings_for(database_urls, redis_url)) as (client, _):
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (
            200,
            {"status": "ok", "postgresql": "ok", "redis": "ok", "schema": "ok"},
        )
        assert (await client.get("/health/live")).json() == {"status": "ok"}


async def test_an_unknown_address_and_method_are_problems(database_urls: DatabaseUrls, redis_url: str) -> None:
    async with running_api(settings_for(database_urls, redis_url)) as (client, _):
        answer = await client.get("/api/nowhere")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "no_such_route"
        assert (await client.post("/health/live")).json()["code"] == "method_not_allowed"
