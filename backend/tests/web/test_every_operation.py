"""What holds for every operation of the API, generated from its own OpenAPI document: none is left out."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from bitcurrent.app import build_app
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web import openapi
from tests.support.brokerage import ORIGIN, running_api, settings_for
from tests.support.customers import Person, register
from tests.web.test_openapi import NOWHERE

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITES = ("post", "put", "patch", "delete")
MASS = ("role", "kyc_status", "kyc_level", "balance", "user_id", "status", "id", "is_admin")
"""What somebody might add to a request to be more than they are."""

DOCUMENT = openapi.describe(build_app(settings_for(NOWHERE, "redis://127.0.0.1:9/0")))
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    f"{method.upper()} {path}": (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
# Bodies with fields: a file has none.
WITH_BODY = [
    name
    for name, (_, _, operation) in OPERATIONS.items()
    if "application/json" in operation.get("requestBody", {}).get("content", {})
]
GETS = [name for name, (method, _, _) in OPERATIONS.items() if method == "get"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        module_database_urls, redis_server.url, base_url=ORIGIN.replace("http:", "https:"), allowed_origins=ORIGIN
    )
    async with running_api(settings) as (running, _):
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ann(client: httpx.AsyncClient) -> Person:
    return await register(client)


def address_of(name: str) -> tuple[str, str]:
    """A method and a path that leads to the operation, and to nothing of anybody's."""
    method, path, operation = OPERATIONS[name]
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            a_uuid = parameter["schema"].get("format") == "uuid"
            path = path.replace(f"{{{parameter['name']}}}", str(new_id()) if a_uuid else "nothing")
    return method, path


def properties_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The fields of a described object."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    found: dict[str, Any] = schema.get("properties", {})
    return found


async def rows_of(database: DatabaseUrls, user_id: str) -> list[Any]:
    connection = await asyncpg.connect(database.owner)
    try:
        user = await connection.fetchrow("SELECT * FROM users WHERE id = $1", UUID(user_id))
        balances = await connection.fetch("SELECT * FROM balances WHERE user_id = $1", UUID(user_id))
        return [user, *balances]
    finally:
        await connection.close()


@pytest.mark.parametrize("name", WITH_BODY)
async def test_nobody_becomes_more_by_adding_a_field(
    client: httpx.AsyncClient, ann: Person, module_database_urls: DatabaseUrls, name: str
) -> None:
    method, path = address_of(name)
    operation = OPERATIONS[name][2]
    known = properties_of(operation["requestBody"]["content"]["application/json"]["schema"])
    before = await rows_of(module_database_urls, ann.id)
    for field in MASS:
        if field in known:
            continue  # its meaning there is what the operation is about
        answer = await client.request(method, path, json={field: "admin"}, headers=ann.bearer)
        problem = answer.json()
        # A gate before the body (an operator's right, a second factor) may refuse first; nobody comes further.
        assert answer.status_code in ({422, 403} if operation.get("security") else {422}), (name, field, problem)
        if answer.status_code == 422:
            assert (problem["code"], problem["field"]) == ("invalid_field", field), (name, field)
    assert await rows_of(module_database_urls, ann.id) == before


async def test_no_customer_writes_who_they_are() -> None:
    """Fields of that name are an operator's business only, or name what is looked for."""
    for name in WITH_BODY:
        operation = OPERATIONS[name][2]
        known = properties_of(operation["requestBody"]["content"]["application/json"]["schema"])
        if "/admin/" not in name:
            assert not set(known) & {"role", "kyc_status", "kyc_level", "balance", "user_id", "is_admin"}, name


async def test_every_described_body_is_closed() -> None:
    for name in WITH_BODY:
        schema = OPERATIONS[name][2]["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert schema.get("additionalProperties") is False, name


async def test_every_write_takes_an_idempotency_key_or_says_why_not() -> None:
    for name, (method, _, operation) in OPERATIONS.items():
        if method in WRITES:
            takes = any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
            says = operation.get(openapi.REPEATABLE_EXTENSION, "")
            assert takes or len(says) > 10, name


async def test_every_read_takes_fields() -> None:
    for name in GETS:
        operation = OPERATIONS[name][2]
        if "application/json" in operation["responses"].get("200", {}).get("content", {}):
            assert any(each["name"] == "fields" for each in operation.get("parameters", [])), name


async def test_fields_that_there_are_not_are_refused_wherever_fields_are_taken(
    client: httpx.AsyncClient, ann: Person
) -> None:
    checked = 0
    for name in GETS:
        _, path = address_of(name)
        taken = any(each["name"] == "fields" for each in OPERATIONS[name][2].get("parameters", []))
        if taken and (await client.get(path, headers=ann.bearer)).status_code == 200:
            answer = await client.get(path, params={"fields": "password_hash"}, headers=ann.bearer)
            assert (answer.status_code, answer.json()["code"]) == (422, "unknown_fields"), name
            checked += 1
    assert checked >= 10


async def test_every_page_has_the_same_bounds() -> None:
    paged = 0
    for name in GETS:
        for parameter in OPERATIONS[name][2].get("parameters", []):
            if parameter["name"] == "limit":
                schema = parameter["schema"]
                assert (schema["default"], schema["minimum"], schema["maximum"]) == (50, 1, 500), name
                paged += 1
    assert paged >= 6


@pytest.mark.parametrize("name", list(OPERATIONS))
async def test_every_answer_carries_every_header(client: httpx.AsyncClient, ann: Person, name: str) -> None:
    method, path = address_of(name)
    answer = await client.request(method, path, headers=ann.bearer if method == "get" else {})
    headers = answer.headers
    assert int(headers["strict-transport-security"].split("max-age=")[1].split(";")[0]) >= 31_536_000
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    private = OPERATIONS[name][2].get("security") or not answer.is_success
    if private:
        assert headers["cache-control"] == "no-store", name
