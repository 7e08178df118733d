"""What every answer of the real application carries, and what every refusal looks like."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
import pytest_asyncio
from litestar import get, post
from redis.exceptions import ConnectionError as RedisConnectionError

from bitcurrent.app import ROUTES
from bitcurrent.kernel import errors
from bitcurrent.kernel.logs import configure_logs
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web.csrf import Csrf
from tests.support.brokerage import ORIGIN, running_api, settings_for
from tests.support.customers import register

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCIDENTS: dict[str, Exception] = {
    "invalid": errors.Invalid("No.", field="quantity", details={"minimum": "1"}),
    "unauthenticated": errors.Unauthenticated("No."),
    "forbidden": errors.Forbidden("No."),
    "not-found": errors.NotFound("No."),
    "conflict": errors.Conflict("No."),
    "too-many": errors.TooMany("No.", details={"retry_after_seconds": "7"}),
    "unavailable": errors.Unavailable("No."),
    "bug": RuntimeError("a canary that only the log may show"),
    "postgresql-gone": asyncpg.ConnectionDoesNotExistError("connection was closed"),
    "postgresql-refuses": ConnectionRefusedError(),
    "postgresql-stops": asyncpg.AdminShutdownError("terminating connection"),
    "redis-gone": RedisConnectionError("gone"),
    "too-slow": TimeoutError(),
}


@get("/test/accident/{name:str}")
async def accident(name: str) -> None:
    raise ACCIDENTS[name]


@post("/test/accident/{name:str}")
async def accident_of_a_write(name: str) -> None:
    raise ACCIDENTS[name]


@get("/test/long")
async def long_answer() -> list[str]:
    return ["much of the same"] * 500


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(module_database_urls, redis_server.url, allowed_origins="https://app.example")
    routes = (*ROUTES, accident, accident_of_a_write, long_answer)
    async with running_api(settings, routes) as (running, _):
        yield running


@pytest.fixture
def csrf(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> Csrf:
    return Csrf(settings_for(module_database_urls, redis_server.url))


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("invalid", 422, "invalid"),
        ("unauthenticated", 401, "unauthenticated"),
        ("forbidden", 403, "forbidden"),
        ("not-found", 404, "not_found"),
        ("conflict", 409, "conflict"),
        ("too-many", 429, "too_many_requests"),
        ("unavailable", 503, "unavailable"),
        ("bug", 500, "internal_error"),
        ("postgresql-gone", 503, "unavailable"),
        ("postgresql-refuses", 503, "unavailable"),
        ("postgresql-stops", 503, "unavailable"),
        ("redis-gone", 503, "unavailable"),
        ("too-slow", 503, "unavailable"),
    ],
)
async def test_every_accident_is_a_problem_document(
    client: httpx.AsyncClient, name: str, status: int, code: str
) -> None:
    answer = await client.get(f"/test/accident/{name}")
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:bitcurrent:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_refusal_keeps_its_field_details_and_headers(client: httpx.AsyncClient) -> None:
    invalid = (await client.get("/test/accident/invalid")).json()
    assert (invalid["field"], invalid["details"]) == ("quantity", {"minimum": "1"})
    assert (await client.get("/test/accident/too-many")).headers["retry-after"] == "7"
    assert "Bearer" in (await client.get("/test/accident/unauthenticated")).headers["www-authenticate"]


async def test_a_read_changed_nothing_and_of_a_write_it_is_not_known(client: httpx.AsyncClient) -> None:
    read = await client.get("/test/accident/postgresql-gone")
    write = await client.post("/test/accident/postgresql-gone")
    assert (read.json()["details"], write.json()["details"]) == ({"outcome": "none"}, {"outcome": "unknown"})
    assert "not known whether" in write.json()["detail"]


async def test_the_reference_of_an_accident_is_in_the_log(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("info")
    answer = await client.get("/test/accident/bug")
    reference = answer.json()["reference"]
    assert reference == answer.headers["x-request-id"]
    lines = [line for line in capsys.readouterr().out.splitlines() if reference in line]
    assert any("a canary that only the log may show" in line for line in lines)


async def test_the_access_log_names_the_path_and_never_the_query(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("info")
    await client.get("/health/live?token=canary-in-the-query", headers={"X-Request-Id": "my-own-request-1"})
    written = capsys.readouterr().out
    assert '"path":"/health/live"' in written
    assert "my-own-request-1" in written
    assert "canary-in-the-query" not in written


@pytest.mark.parametrize("path", ["/health/live", "/api/me", "/api/nowhere", "/test/accident/bug", "/docs"])
async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert len(headers["x-request-id"]) >= 8
    assert headers["cache-control"] == ("public, max-age=300" if path == "/docs" else "no-store")


async def test_a_request_id_that_could_break_the_log_is_replaced(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"X-Request-Id": 'x" evil="1'})
    assert answer.headers["x-request-id"].isalnum()


async def test_unknown_addresses_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    unknown = await client.get("/api/nowhere")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no_such_route")
    method = await client.put("/api/login", json={})
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in method.headers["allow"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b"[1]", 400, "malformed_json"),
        (b'"text"', 400, "malformed_json"),
        (b"email=a&password=b", 400, "malformed_json"),
        (b'{"email": "a@b.example"}', 422, "invalid_field"),
        (b'{"email": 5, "password": "x"}', 422, "invalid_field"),
        (b'{"email": "a@b.example", "password": "x", "admin": true}', 422, "invalid_field"),
        (b"[" * 60_000, 400, "malformed_json"),
        (b" " * 65_537, 413, "body_too_large"),
        (b"x" * 10_000_000, 413, "body_too_large"),
    ],
)
async def test_a_bad_body_is_refused_by_code(client: httpx.AsyncClient, body: bytes, status: int, code: str) -> None:
    answer = await client.post("/api/login", content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_body_of_unknown_length_is_cut_off_before_it_is_held(client: httpx.AsyncClient) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(10_000):
            given += 10_000
            yield b"x" * 10_000

    answer = await client.post("/api/login", content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert given < 20_000_000  # of a hundred million: what follows is not even read


async def test_a_long_answer_is_compressed_where_the_client_takes_it(client: httpx.AsyncClient) -> None:
    packed = await client.get("/test/long", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 1_000
    plain = await client.get("/test/long", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == packed.json()


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": ORIGIN}, True),
        ({"Origin": "https://app.example"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ORIGIN + ".evil.example"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ],
)
async def test_a_page_of_another_site_cannot_write_with_a_cookie(
    client: httpx.AsyncClient, csrf: Csrf, headers: dict[str, str], allowed: bool
) -> None:
    person = await register(client)
    cookie = {"Cookie": f"session={person.token}", "X-CSRF-Token": csrf.token_for(person.token), **headers}
    answer = await client.post("/api/logout", headers=cookie)
    if allowed:
        assert answer.status_code == 204
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
        assert (await client.get("/api/me", headers=person.bearer)).status_code == 200


@pytest.mark.parametrize("token", [None, "", "wrong", "another session's"])
async def test_a_cookie_alone_cannot_write(client: httpx.AsyncClient, csrf: Csrf, token: str | None) -> None:
    person = await register(client)
    headers = {"Cookie": f"session={person.token}", "Origin": ORIGIN}
    if token is not None:
        headers["X-CSRF-Token"] = csrf.token_for("another") if token == "another session's" else token
    answer = await client.post("/api/logout", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_token")
    assert (await client.get("/api/me", headers=person.bearer)).status_code == 200


async def test_metrics_never_pass_through_the_public_port(client: httpx.AsyncClient) -> None:
    assert (await client.get("/metrics")).status_code == 404


async def test_health_names_what_is_missing(database_urls: DatabaseUrls) -> None:
    async with running_api(settings_for(database_urls, "redis://127.0.0.1:9/0")) as (client, _):
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json() == {"status": "down", "postgresql": "ok", "redis": "down", "schema": "ok"}
        live = await asyncio.wait_for(client.get("/health/live"), 2)
        assert live.status_code == 200
