"""Who may do what, for every operation of the document: nobody, somebody else, a customer as operator, a weak key.

The list of operations is the running application's own; what is not listed here as public must refuse. A new path
parameter must say here whose it is, and a new operation without a login must say here why.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.funding.addresses.model import AddressWish
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.portfolio.exports.tasks import Scribe
from bitcurrent.web.openapi import describe
from tests.contract.own_api.conduct_operations import conduct_belongings
from tests.contract.own_api.deposit_operations import deposit_belongings
from tests.contract.own_api.kyc_operations import kyc_belongings
from tests.contract.own_api.reversal_operations import reversal_belongings
from tests.support import books
from tests.support.brokerage import ORIGIN, running_api, settings_for
from tests.support.customers import Person, create_key, enrol, key_headers, log_in, register
from tests.support.own_api import PUBLIC, Contract, Operation
from tests.support.sandbox import Sandbox
from tests.support.withdrawal_flows import Holder, asked

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHARED = {
    "symbol": "a market is everybody's",
    "asset": "an asset's name: the answer is about whoever asks",
    "month": "a month: the statement is of whoever asks",
    "year": "a year: the tax report is of whoever asks",
}
PLACES = {"symbol": "BTC-USD", "year": "2025"}
"""What stands in a path for what is everybody's; for all else an asset's name."""
ANY_KEY = {"me": "tells a key about itself"}
ASKS_ONLY = {"previewOrder": "computes, and changes nothing"}
BODIES: dict[str, Any] = {"replaceOrder": {"limit_price": "41000"}, "changeApiKey": {"label": "renamed"}}
"""Where a body of only what is required says nothing."""
ADMIN = "/api/admin/"
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(slots=True)
class House:
    """The running application, two customers with everything that a customer can have, and ann's belongings by name."""

    app: Litestar
    http: httpx.AsyncClient
    contract: Contract
    ann: Person
    ben: Person
    belongings: dict[str, str]
    keys: dict[str, dict[str, str]]
    asked: Counter[str] = field(default_factory=Counter)

    def private(self) -> list[Operation]:
        return [operation for operation in self.contract.operations() if operation.id not in PUBLIC]

    def about(self) -> list[Operation]:
        """Operations on one thing that belongs to somebody."""
        return [one for one in self.private() if set(_parameters(one)) - set(SHARED) and not one.path.startswith(ADMIN)]

    async def ask(self, operation: Operation, who: dict[str, str], *, body: bool = False) -> httpx.Response:
        """An operation on what is ann's, with the least that its body must have."""
        self.asked[operation.id] += 1
        path = operation.path
        for name in _parameters(operation):
            path = path.replace(f"{{{name}}}", self.belongings.get(name) or PLACES.get(name, "USD"))
        content = BODIES.get(operation.id) or self._least(operation) if body else None
        self.http.cookies.clear()
        return await self.http.request(operation.method, path, json=content, headers=who)

    def _least(self, operation: Operation) -> Any:
        content = operation.described.get("requestBody", {}).get("content", {}).get("application/json")
        return least(self.contract.document, content["schema"]) if content else None


def least(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """The smallest value that a schema allows, as far as our document's schemas go."""
    if "$ref" in schema:
        return least(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for words in ("anyOf", "oneOf"):
        if words in schema:
            return least(document, next(way for way in schema[words] if way.get("type") != "null"))
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else next(one for one in kinds if one != "null")
    if kind == "object":
        known = schema.get("properties", {})
        return {name: least(document, known[name]) for name in schema.get("required", [])}
    if kind == "array":
        return [least(document, schema["items"])] * max(schema.get("minItems", 0), 1)
    if kind == "string":
        formats = {"uuid": str(new_id()), "date-time": "2030-01-01T00:00:00Z", "date": "2000-01-01"}
        plain = "1" if "pattern" in schema else "a" * max(schema.get("minLength", 1), 1)
        return formats.get(schema.get("format", ""), plain)
    # A document's bounds are floats (1.0), which is no integer on our wire.
    return int(schema.get("minimum", 1)) if kind in {"integer", "number"} else False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[House]:
    await asyncio.to_thread(lambda: sandbox.control("reset"))
    async with running_api(settings_for(module_database_urls, redis_server.url, sandbox)) as (_, app):
        await app.state["market_data"].sync_markets()
        await app.state["market_data"].refresh_prices()
        # From a network that may reach the back office: only the role is in the way there.
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 40000))  # type: ignore[arg-type]  # httpx types ASGI with plain dicts
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=30) as http:
            ann, ben = await register(http), await register(http)
            async with app.state["database"].transaction() as connection:
                await books.credit(connection, UserId(UUID(ann.id)), "USD", Decimal(100_000))
            belongings = await _belongings(app, http, ann)
            await enrol(http, ben)
            keys = {scopes: key_headers(*await create_key(http, ann, *scopes.split())) for scopes in ("read", "trade")}
            yield House(app, http, Contract(describe(app)), ann, ben, belongings, keys)


async def _belongings(app: Litestar, http: httpx.AsyncClient, ann: Person) -> dict[str, str]:
    """One thing of ann's for every name of a path's parameter."""
    second = (await log_in(http, ann.email)).json()["token"]
    session = (await http.get("/api/me", headers={"Authorization": f"Bearer {second}"})).json()["session_id"]
    order = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.001", "limit_price": "40000"}
    placed = await http.post("/api/orders", json={**order, "client_order_id": "hers"}, headers=ann.bearer)
    assert placed.status_code == 201, placed.text
    # The venue has it: it can be replaced.
    async with app.state["database"].transaction() as connection:
        await connection.fetchval("SELECT mark_submitted($1, 'venue-1')", UUID(placed.json()["id"]))
    conversion = await _converted(http, ann)
    key_id, _ = await create_key(http, ann, "read")
    passkey = new_id()
    async with app.state["database"].transaction() as connection:
        await connection.execute(
            "INSERT INTO passkeys (id, user_id, credential_id, public_key, sign_count, label, transports, backed_up) "
            "VALUES ($1, $2, $3, $3, 0, 'hers', '{}', false)",
            passkey,
            UUID(ann.id),
            os.urandom(32),
        )
    return {
        **await conduct_belongings(app, ann),
        **await reversal_belongings(app, ann),
        **await deposit_belongings(app, ann),
        **await kyc_belongings(http, ann),
        "session_id": session,
        "order_id": placed.json()["id"],
        "client_order_id": "hers",
        "key_id": key_id,
        "passkey_id": str(passkey),
        # Operators' business: a customer must not learn whether they exist.
        "conversion_id": conversion,
        "export_id": await _exported(app, http, ann),
        "address_id": await _address(app, ann),
        "withdrawal_id": await _withdrawal(app, ann),
        "account_id": await _bank_account(app, ann),
        "batch_id": str(new_id()),
        "approval_id": str(new_id()),
        "case_id": str(new_id()),
        "restriction_id": str(new_id()),
        "screening_id": str(new_id()),
        "alert_id": str(new_id()),
        "rule_name": "velocity",
        "break_id": str(new_id()),
        "request_id": str(new_id()),
        "stop_id": str(new_id()),
        "template": "withdrawal_sent",
        "message_id": await _message(app, ann),
        "user_id": ann.id,
    }


async def _exported(app: Litestar, http: httpx.AsyncClient, ann: Person) -> str:
    asked = await http.post("/api/exports", json={"kind": "trades"}, headers=ann.bearer)
    assert asked.status_code == 202, asked.text
    assert await Scribe(app.state["database"], app.state["letters"], Counter()).write_next()
    return str(asked.json()["id"])


async def _message(app: Litestar, ann: Person) -> str:
    async with app.state["database"].transaction() as connection:
        template, values = "recovery_codes_renewed", {"when": "now"}
        await app.state["letters"].notify(connection, user_id=UserId(UUID(ann.id)), template=template, values=values)
        return str(await connection.fetchval("SELECT id FROM messages WHERE user_id = $1 LIMIT 1", UUID(ann.id)))


async def _converted(http: httpx.AsyncClient, ann: Person) -> str:
    wish = {"from": "USD", "to": "EUR", "give": "10"}
    quote = (await http.post("/api/conversions/quote", json=wish, headers=ann.bearer)).json()
    done = await http.post("/api/conversions", json={"quote_id": quote["id"]}, headers=ann.bearer)
    assert done.status_code == 201, done.text
    return str(done.json()["id"])


async def _address(app: Litestar, ann: Person) -> str:
    """An address of hers for coins."""
    wish = AddressWish(asset="BTC", network="bitcoin", address="1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", label="hers")
    async with app.state["database"].transaction() as connection:
        saved = await app.state["address_book"].add(connection, UserId(UUID(ann.id)), wish, address="203.0.113.7")
    return str(saved.id)


async def _withdrawal(app: Litestar, ann: Person) -> str:
    """A withdrawal of hers that waits for its confirmation."""
    async with app.state["database"].transaction() as connection:
        return str((await asked(Holder(connection, UserId(UUID(ann.id))), "USD", "50", fee="1")).id)


async def _bank_account(app: Litestar, ann: Person) -> str:
    """A bank account of hers, saved without asking whose name it is in."""
    account_id = new_id()
    async with app.state["database"].transaction() as connection:
        await connection.execute(
            "INSERT INTO bank_accounts (id, user_id, usable_at, currency, scheme, label, fingerprint, data_key,"
            " details) VALUES ($1, $2, now(), 'USD', 'us', 'US •••• 4321', $3, $3, $3)",
            account_id,
            UUID(ann.id),
            os.urandom(32),
        )
    return str(account_id)


def _parameters(operation: Operation) -> Iterator[str]:
    for parameter in operation.described.get("parameters", []):
        if parameter["in"] == "path":
            yield parameter["name"]


def _told(operation: Operation, answer: httpx.Response) -> str:
    return f"{operation}: {answer.status_code} {answer.text[:150]}"


async def test_who_needs_no_login_is_listed_with_a_reason(house: House) -> None:
    open_to_all = {one.id for one in house.contract.operations() if not one.described.get("security")}
    assert open_to_all == set(PUBLIC), "an operation without a login that nobody gave a reason for, or a name of none"


async def test_nobody_gets_401(house: House) -> None:
    wrong = []
    for operation in house.private():
        for who in ({}, {"Authorization": "Bearer nonsense"}, key_headers("BKNOBODY", "nothing")):
            answer = await house.ask(operation, who)
            if answer.status_code != 401:
                wrong.append(_told(operation, answer))
    assert wrong == []


async def test_a_customer_is_nobody_in_the_back_office(house: House) -> None:
    wrong, count = [], 0
    for operation in house.private():
        if operation.path.startswith(ADMIN):
            count += 1
            for who in (house.ann.bearer, house.ben.bearer, *house.keys.values()):
                answer = await house.ask(operation, who, body=True)
                if answer.status_code != 403:
                    wrong.append(_told(operation, answer))
    assert wrong == []
    assert count == sum(one.path.startswith(ADMIN) for one in house.contract.operations())


async def test_a_key_does_no_more_than_its_scopes(house: House) -> None:
    wrong = []
    for operation in house.private():
        writes = operation.method in WRITES and operation.id not in ASKS_ONLY
        if operation.id in ANY_KEY or operation.path.startswith(ADMIN):
            continue
        # A key that may trade and not read does not read; a key that may read writes nothing.
        answer = await house.ask(operation, house.keys["read" if writes else "trade"], body=True)
        if answer.status_code != 403:
            wrong.append(_told(operation, answer))
    assert wrong == []


async def test_what_is_somebody_elses_is_not_there(house: House) -> None:
    about = house.about()
    unknown = {name for one in house.private() for name in _parameters(one)} - set(SHARED) - set(house.belongings)
    assert unknown == set(), f"say in SHARED or _belongings whose these are: {unknown}"
    reads = [one for one in about if one.method == "GET"]
    before = {one.id: (await house.ask(one, house.ann.bearer)).text for one in reads}
    wrong = []
    for operation in about:
        answer = await house.ask(operation, house.ben.bearer, body=True)
        if answer.status_code != 404:
            wrong.append(_told(operation, answer))
    assert wrong == []
    for operation in reads:
        answer = await house.ask(operation, house.ann.bearer)
        assert (answer.status_code, answer.text) == (200, before[operation.id]), str(operation)
    # The same requests from their owner find something: the 404 above was about who asked.
    for operation in sorted(about, key=lambda one: one.method == "DELETE"):
        answer = await house.ask(operation, house.ann.bearer, body=True)
        if not (answer.is_success or answer.status_code == 409):
            wrong.append(_told(operation, answer))
    assert wrong == []


async def test_no_operation_was_left_out(house: House) -> None:
    operations = house.contract.operations()
    private = house.private()
    operators = [one for one in private if one.path.startswith(ADMIN)]
    print(
        f"authorisation: {len(private)} private and {len(operations) - len(private)} public operations, "
        f"{house.asked.total()} requests; "
        f"{len(operators)} of operators, {len(house.about())} on owned things"
    )
    assert [str(one) for one in private if not house.asked[one.id]] == []
    documented = {one.path for one in operations}
    beside = {route.path_format for route in house.app.routes if hasattr(route, "path_format")} - documented
    assert {path for path in beside if path.startswith("/api/")} == {"/api/openapi.json"}
