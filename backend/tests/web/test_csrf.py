"""A cookie alone writes nothing: without the token of its session a write is refused."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.settings import Settings
from bitcurrent.web.csrf import Csrf
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import PASSWORD, Person, create_key, key_headers, register

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def settings(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> Settings:
    return settings_for(module_database_urls, redis_server.url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with running_api(settings) as (http, _):
        yield http


async def _browser(client: httpx.AsyncClient) -> tuple[Person, str]:
    """Somebody whose client holds the cookies of a login, and the token for writes."""
    client.cookies.clear()
    person = await register(client)
    answer = await client.post("/api/login", json={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 200
    return person, answer.json()["csrf_token"]


WRITES = (
    ("POST", "/api/orders", {"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": "10"}),
    ("POST", "/api/password", {"current_password": PASSWORD, "new_password": "another fine password"}),
    ("POST", "/api/email", {"new_email": "x@example.test", "password": PASSWORD}),
    ("POST", "/api/account/close", {"password": PASSWORD}),
    ("DELETE", "/api/sessions", None),
    ("DELETE", "/api/orders", None),
    ("POST", "/api/logout", None),
)


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_a_cookie_alone_writes_nothing(client: httpx.AsyncClient, method: str, path: str, body: object) -> None:
    _, token = await _browser(client)
    for wrong in (None, "", "nonsense", token[:-1], token.swapcase(), "ä"):
        headers = [] if wrong is None else [(b"X-CSRF-Token", wrong.encode())]
        answer = await client.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_token"), wrong
    assert (await client.get("/api/me")).status_code == 200
    answer = await client.request(method, path, json=body, headers={"X-CSRF-Token": token})
    assert answer.status_code != 403 or answer.json()["code"] != "csrf_token"


async def test_the_token_of_another_session_is_none(client: httpx.AsyncClient) -> None:
    _, theirs = await _browser(client)
    _, own = await _browser(client)
    assert own != theirs
    refused = await client.post("/api/logout", headers={"X-CSRF-Token": theirs})
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_token")
    assert (await client.post("/api/logout", headers={"X-CSRF-Token": own})).status_code == 204


async def test_a_page_reads_its_token_from_the_cookie_or_asks_for_it(client: httpx.AsyncClient) -> None:
    person, token = await _browser(client)
    assert client.cookies["csrf"] == token
    assert (await client.get("/api/csrf")).json() == {"csrf_token": token}
    client.cookies.clear()
    assert (await client.get("/api/csrf", headers=person.bearer)).status_code == 404
    assert (await client.get("/api/csrf")).status_code == 401


async def test_programs_need_none(client: httpx.AsyncClient) -> None:
    person, _ = await _browser(client)
    answer = await client.delete("/api/sessions", headers=person.bearer)
    assert answer.status_code == 200
    client.cookies.clear()
    key = await create_key(client, person, "read", "trade")
    assert (await client.delete("/api/orders", headers=key_headers(*key))).status_code != 403


async def test_logging_out_takes_both_cookies_back(client: httpx.AsyncClient) -> None:
    _, token = await _browser(client)
    answer = await client.post("/api/logout", headers={"X-CSRF-Token": token})
    cookies = answer.headers.get_list("set-cookie")
    assert sorted(cookie.partition("=")[0] for cookie in cookies) == ["csrf", "session"]
    assert all("Max-Age=0" in cookie for cookie in cookies)


def test_behind_tls_the_cookies_of_that_name_count(settings: Settings) -> None:
    csrf = Csrf(msgspec.structs.replace(settings, base_url="https://broker.example"))
    headers = {b"cookie": b"session=old; __Host-session=real"}
    assert csrf.session_token_in(headers) == "real"
    csrf.check_write({**headers, b"x-csrf-token": csrf.token_for("real").encode()})
    # A cookie without the prefix could have been set by a neighbour: it speaks for nobody.
    csrf.check_write({b"cookie": b"session=old"})
