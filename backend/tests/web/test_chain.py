"""The chain before every handler: declared once, run in that order, shown as it runs."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import brotli  # type: ignore[import-untyped]  # shipped without types
import httpx
import pytest
import pytest_asyncio
from litestar import Litestar, get, post
from litestar.params import FromPath
from litestar.routes import HTTPRoute

from bitcurrent.app import ROUTES, build_app
from bitcurrent.identity.guards import requires_session
from bitcurrent.identity.kyc import requires_kyc
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web import openapi
from bitcurrent.web.answers import CACHEABLE
from bitcurrent.web.chain import LAYERS, ORDER, RATE, Operations, declares, gate_of
from bitcurrent.web.rates import RATES
from bitcurrent.web.schemas import Answer
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person, register
from tests.web.test_openapi import NOWHERE

pytestmark = pytest.mark.asyncio(loop_scope="module")
APP_ORIGIN = "https://app.example"


class Sample(Answer, frozen=True, kw_only=True):
    name: str
    count: int


@get("/test/name/{name:str}", opt={CACHEABLE: True})
async def sample(name: FromPath[str]) -> Sample:
    return Sample(name=name, count=len(name))


@get("/test/samples")
async def samples() -> list[Sample]:
    return [Sample(name="a", count=1), Sample(name="b", count=2)]


@get("/test/long-list")
async def long_list() -> list[str]:
    return ["much of the same"] * 500


@post("/test/verified", guards=[requires_session, requires_kyc("basic")])
async def verified() -> Sample:
    return Sample(name="in", count=1)


@post("/test/money", guards=[requires_session], opt={RATE: "money"})
async def money() -> Sample:
    return Sample(name="in", count=1)


MORE = (sample, samples, long_list, verified, money)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(module_database_urls, redis_server.url, allowed_origins=APP_ORIGIN)
    async with running_api(settings, (*ROUTES, *MORE)) as (running, _):
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ann(client: httpx.AsyncClient) -> Person:
    return await register(client)


@pytest.fixture(scope="module")
def app() -> Litestar:
    return build_app(settings_for(NOWHERE, "redis://127.0.0.1:9/0"))


async def test_the_edge_runs_the_layers_in_the_declared_order(app: Litestar) -> None:
    edge: Any = app.asgi_handler
    ran = [step.__name__ for step in edge._steps]
    assert ran == ["_allow_origin", "_count", "_refuse_foreign_writes", "_clean_address"]
    assert [layer.name for layer in LAYERS] == [
        "security_headers", "cors", "rate_limits", "csrf", "input_rules", "authentication", "kyc", "conduct",
        "second_factor",
    ]  # fmt: skip


async def test_gates_stand_in_the_order_of_the_chain_at_every_route(app: Litestar) -> None:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, _ in route.route_handler_map.values():
                places = [ORDER[gate_of(guard).layer] for guard in handler.resolve_guards()]
                assert places == sorted(places), handler


async def test_every_guard_says_what_it_asks(app: Litestar) -> None:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, _ in route.route_handler_map.values():
                assert all(declares(guard) for guard in handler.resolve_guards()), handler


async def test_the_document_shows_the_chain_of_every_operation(app: Litestar) -> None:
    document = openapi.describe(app)
    assert [layer["name"] for layer in document[openapi.CHAIN]] == list(ORDER)
    place = {step["layer"]: step["asks"] for step in document["paths"]["/api/orders"]["post"][openapi.CHAIN]}
    assert "`money`" in place["rate_limits"]
    assert "refused while requests cannot be counted" in place["rate_limits"]
    assert "`trade`" in place["authentication"]
    read = [step["layer"] for step in document["paths"]["/api/markets"]["get"][openapi.CHAIN]]
    assert read == ["security_headers", "cors", "rate_limits", "input_rules"]
    for item in document["paths"].values():
        for operation in item.values():
            layers = [step["layer"] for step in operation[openapi.CHAIN]]
            assert layers == sorted(layers, key=lambda name: ORDER[name])
            assert ("authentication" in layers) == bool(operation.get("security"))


async def test_an_operation_is_found_as_litestar_finds_it(app: Litestar) -> None:
    operations = Operations(app)
    for path in ("/api/orders", "/api/orders/", "//api//orders"):
        found = operations.find("POST", path)
        assert (found.template, found.rate) == ("/api/orders", RATES["money"])
    one = operations.find("PATCH", "/api/orders/0190f6f3-0000-7000-8000-000000000000")
    assert (one.template, one.rate) == ("/api/orders/{order_id}", RATES["money"])
    assert operations.find("POST", "/api/login").rate == RATES["login"]
    assert operations.find("POST", "/nowhere").rate == RATES["login"]
    assert operations.find("GET", "/nowhere").rate == RATES["public"]
    assert operations.find("GET", "/v2/account").own_chain
    assert operations.find("GET", "/health/live").rate is None


async def test_pages_of_named_origins_may_read_and_others_may_not(client: httpx.AsyncClient) -> None:
    ours = await client.get("/health/live", headers={"Origin": APP_ORIGIN})
    assert ours.headers["access-control-allow-origin"] == APP_ORIGIN
    assert ours.headers["access-control-allow-credentials"] == "true"
    assert "RateLimit-Remaining" in ours.headers["access-control-expose-headers"]
    for origin in ("https://evil.example", "null", APP_ORIGIN + ".evil.example", "*"):
        theirs = await client.get("/health/live", headers={"Origin": origin})
        assert "access-control-allow-origin" not in theirs.headers
        assert theirs.headers["cross-origin-resource-policy"] == "same-origin"
    refused = await client.get("/api/me", headers={"Origin": APP_ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, APP_ORIGIN)


async def test_a_browser_that_asks_before_it_writes_is_answered(client: httpx.AsyncClient) -> None:
    asks = {"Origin": APP_ORIGIN, "Access-Control-Request-Method": "POST"}
    answer = await client.options("/api/orders", headers=asks)
    assert answer.status_code == 204
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]
    foreign = await client.options("/api/orders", headers={**asks, "Origin": "https://evil.example"})
    assert "access-control-allow-methods" not in foreign.headers


@pytest.mark.parametrize(
    "path", ["/test/name/%00", "/test/name/a%0d%0ab", "/test/name/%E2%80%AEtxt", "/test/name/x?a=%07"]
)
async def test_addresses_hold_no_control_characters(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")
    assert "control character U+" in answer.json()["detail"]


async def test_addresses_are_read_in_their_normal_form(client: httpx.AsyncClient) -> None:
    assert (await client.get("/test/name/Zoe%CC%88")).json() == {"name": "Zo\u00eb", "count": 3}


async def test_a_body_that_is_announced_too_large_is_refused_before_anybody_is_recognised(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/api/orders", content=b"x" * 70_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_the_verification_gate_opens_with_the_level_and_closes_again(
    client: httpx.AsyncClient, ann: Person, module_database_urls: DatabaseUrls
) -> None:
    unknown = await client.post("/test/verified")
    assert unknown.status_code == 401
    refused = await client.post("/test/verified", headers=ann.bearer)
    assert (refused.status_code, refused.json()["code"]) == (403, "kyc_required")
    assert refused.json()["details"] == {"needed": "basic", "reached": "none"}
    for level, status in (("basic", 201), ("full", 201), ("none", 403)):
        connection = await asyncpg.connect(module_database_urls.owner)
        await connection.execute("UPDATE users SET kyc_level = $1 WHERE id = $2", level, ann.id)
        await connection.close()
        assert (await client.post("/test/verified", headers=ann.bearer)).status_code == status


async def test_an_entity_tag_saves_the_body(client: httpx.AsyncClient) -> None:
    first = await client.get("/test/name/ann")
    assert first.headers["cache-control"] == "public, no-cache"
    again = await client.get("/test/name/ann", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (await client.get("/test/name/ben", headers={"If-None-Match": first.headers["etag"]})).status_code == 200
    for path in ("/api/openapi.json", "/docs", "/docs/docs.js", "/docs/docs.css"):
        tag = (await client.get(path)).headers["etag"]
        assert (await client.get(path, headers={"If-None-Match": tag})).status_code == 304


async def test_private_answers_are_kept_by_nobody(client: httpx.AsyncClient, ann: Person) -> None:
    answer = await client.get("/api/me", headers=ann.bearer)
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


async def test_every_read_takes_fields(client: httpx.AsyncClient, ann: Person) -> None:
    assert (await client.get("/test/name/ann?fields=count")).json() == {"count": 3}
    assert (await client.get("/test/samples?fields=name")).json() == [{"name": "a"}, {"name": "b"}]
    assert list((await client.get("/api/me?fields=scopes", headers=ann.bearer)).json()) == ["scopes"]
    page = await client.get("/api/sessions?fields=id,device", headers=ann.bearer)
    assert [set(item) for item in page.json()["items"]] == [{"id", "device"}]
    unknown = await client.get("/api/me?fields=password_hash", headers=ann.bearer)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_fields")
    long = await client.get("/api/me", params={"fields": "a," * 300}, headers=ann.bearer)
    assert (long.status_code, long.json()["field"]) == (422, "fields")


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [("br, gzip", "br"), ("gzip", "gzip"), ("identity", None), ("gzip;q=1, br;q=0.5", "br")],
)
async def test_long_answers_are_compressed_as_the_client_takes_them(
    client: httpx.AsyncClient, accepts: str, encoding: str | None
) -> None:
    async with client.stream("GET", "/test/long-list", headers={"Accept-Encoding": accepts}) as answer:
        packed = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert answer.headers.get("content-encoding") == encoding
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert unpack(packed).startswith(b'["much of the same"')
    assert len(packed) < 1_000 or encoding is None
