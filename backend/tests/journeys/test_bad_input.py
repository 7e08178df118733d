"""Nonsense and malice at the door: a clear problem with a stable code, nothing held, nothing secret in the log."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from bitcurrent.identity.tokens import Tokens
from bitcurrent.kernel.ids import SessionId, UserId
from tests.support.own_api import Contract
from tests.support.system import System
from tests.support.visitors import Visitor, visitor

CANARY = "canary-7f3a-password-that-nobody-else-has"
ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.01", "limit_price": "40000"}
MARKET = {"symbol": "BTC-USD", "side": "buy", "type": "market"}
EVERYTHING = "10000"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def her(system: System, contract: Contract) -> AsyncIterator[Visitor]:
    """One customer for all the nonsense."""
    async with visitor(system, contract, USD=EVERYTHING) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def ann(system: System, her: Visitor) -> AsyncIterator[Visitor]:
    """She sends something bad; afterwards all her money is there and no log knows her secrets."""
    yield her
    await her.nothing_happened(available=EVERYTHING)
    for name in ("api", "worker", "live"):
        log = system.log(name)
        assert CANARY not in log
        assert her.token not in log


@pytest_asyncio.fixture(loop_scope="module")
async def ben(system: System, contract: Contract) -> AsyncIterator[Visitor]:
    """Somebody else, with money."""
    async with visitor(system, contract, USD="10000") as one:
        yield one


async def post_raw(who: Visitor, content: bytes, kind: str = "application/json") -> httpx.Response:
    """A body that no library would send."""
    return await who.http.post("/api/orders", content=content, headers={"Content-Type": kind})


def without(order: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    """An order with parts left out and changed."""
    return {name: value for name, value in {**order, **changes}.items() if name not in names}


BAD_ORDERS: dict[str, tuple[Any, int, str, str | None]] = {
    "unknown symbol": (without(ORDER, symbol="NOPE-USD"), 422, "unknown_market", "symbol"),
    "too many decimals": (without(ORDER, quantity="0.0000000001"), 422, "quantity_increment", "quantity"),
    "NaN as text": (without(ORDER, quantity="NaN"), 422, "invalid_field", "quantity"),
    "infinity as text": (without(ORDER, quantity="Infinity"), 422, "invalid_field", "quantity"),
    "1e400 as text": (without(ORDER, quantity="1e400"), 422, "invalid_field", "quantity"),
    "a number of 10,000 digits": (without(ORDER, quantity="9" * 10_000), 422, "invalid_field", "quantity"),
    "negative": (without(ORDER, quantity="-1"), 422, "not_positive", "quantity"),
    "zero": (without(ORDER, quantity="0"), 422, "not_positive", "quantity"),
    "both sizes": (without(ORDER, notional="10"), 422, "size_ambiguous", "notional"),
    "no size": (without(ORDER, "quantity"), 422, "size_missing", "quantity"),
    "no price": (without(ORDER, "limit_price"), 422, "limit_price_missing", "limit_price"),
    "a price on a market order": (
        {**MARKET, "notional": "50", "limit_price": "1"},
        422,
        "limit_price_not_allowed",
        "limit_price",
    ),
    "no stop": (without(ORDER, type="stop_limit"), 422, "stop_price_missing", "stop_price"),
    "a field nobody knows": (without(ORDER, user_id=str(uuid4())), 422, "invalid_field", "user_id"),
    "a type nobody knows": (without(ORDER, type="twap"), 422, "invalid_field", "type"),
    "an object for a number": (without(ORDER, quantity={"$gt": 0}), 422, "invalid_field", "quantity"),
    "true for a number": (without(ORDER, quantity=True), 422, "invalid_field", "quantity"),
    "SQL for a symbol": (without(ORDER, symbol="'; DROP TABLE orders"), 422, "unknown_market", "symbol"),
    "a null byte": (without(ORDER, client_order_id="a\x00b"), 422, "invalid_field", "client_order_id"),
    "an endless client order id": (without(ORDER, client_order_id="x" * 129), 422, "invalid_field", "client_order_id"),
    "more than she has": (without(ORDER, quantity="1"), 409, "insufficient_funds", None),
    "a coin she does not have": ({**MARKET, "side": "sell", "quantity": "0.01"}, 409, "insufficient_funds", None),
    "a list": ([ORDER], 400, "malformed_json", None),
    "a string": ("buy", 400, "malformed_json", None),
    "null": (None, 400, "malformed_json", None),
}


@pytest.mark.parametrize("name", BAD_ORDERS)
async def test_a_bad_order_is_refused_by_name(ann: Visitor, name: str) -> None:
    body, status, code, field = BAD_ORDERS[name]
    answer = await post_raw(ann, json.dumps(body).encode())
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field), problem
    assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": NaN}', 400, "malformed_json"),
        (b'{"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": 1e400}', 422, "invalid_field"),
        (b'{"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": -50}', 422, "not_positive"),
        (b'{"symbol": "BTC-USD"', 400, "malformed_json"),
        (b"", 400, "malformed_json"),
        (b"\xff\xfe\x00", 400, "malformed_json"),
        (b"[" * 30_000, 400, "malformed_json"),
        (b'"' + b"x" * 60_000 + b'"', 400, "malformed_json"),
    ],
    ids=["NaN", "1e400", "negative", "cut", "empty", "not UTF-8", "deep", "long string"],
)
async def test_a_body_that_is_no_order_is_refused(ann: Visitor, content: bytes, status: int, code: str) -> None:
    answer = await post_raw(ann, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_ten_megabytes_are_refused_before_they_are_read(ann: Visitor) -> None:
    answer = await post_raw(ann, b'{"symbol": "' + b"x" * 10_000_000 + b'"}')
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (413, "body_too_large"), problem
    assert problem["details"]["bytes_max"] == "65536"


async def test_an_expired_token_is_refused_and_says_so(system: System, ann: Visitor) -> None:
    session = (await ann.ask("GET", "/api/me", 200))["session_id"]
    then = datetime.now(UTC) - timedelta(days=2)
    tokens = Tokens(system.settings.secret_key)
    expired = tokens.sign(UserId(ann.user_id), SessionId(UUID(session)), then, then + timedelta(days=1))
    for method, path in (("POST", "/api/orders"), ("GET", "/api/orders"), ("DELETE", "/api/orders")):
        answer = await ann.http.request(
            method, path, json=ORDER if method == "POST" else None, headers={"Authorization": f"Bearer {expired}"}
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "token_expired"), answer.text
    assert expired not in system.log("api")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer", "Basic YTpi", "Bearer " + "x" * 5_000])
async def test_a_token_that_is_none_lets_nobody_in(ann: Visitor, header: str) -> None:
    answer = await ann.http.post("/api/orders", json=ORDER, headers={"Authorization": header})
    assert answer.status_code == 401


async def test_somebody_elses_order_does_not_exist(ann: Visitor, ben: Visitor) -> None:
    theirs = await ben.resting(client_order_id="of-ben")
    path = f"/api/orders/{theirs['id']}"
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"limit_price": "39000"})):
        problem = await ann.refused(path, 404, "order_not_found", body, method=method)
        unknown = await ann.refused(f"/api/orders/{uuid4()}", 404, "order_not_found", body, method=method)
        assert problem == unknown, "whether an id exists must not show"
    await ann.refused("/api/orders/by-client-order-id/of-ben", 404, "order_not_found", None, method="GET")
    assert (await ann.ask("GET", f"/api/fills?order_id={theirs['id']}", 200))["items"] == []
    assert (await ben.order(theirs["id"]))["state"] == "submitted"
    await ben.ask("DELETE", path, 200)


RULES: dict[str, tuple[dict[str, Any], str, str, dict[str, str]]] = {
    "smallest buy": ({**MARKET, "notional": "9.99"}, "cost_minimum", "notional", {"minimum": "10"}),
    "smallest limit buy": (without(ORDER, quantity="0.0002"), "cost_minimum", "quantity", {"minimum": "10"}),
    "largest order": ({**MARKET, "notional": "200000.01"}, "cost_maximum", "notional", {"maximum": "200000"}),
    "decimals of notional": ({**MARKET, "notional": "10.0000000001"}, "notional_places", "notional", {"places": "9"}),
}


@pytest.mark.parametrize("name", RULES)
async def test_a_rule_is_named_with_its_value(ann: Visitor, name: str) -> None:
    body, code, field, details = RULES[name]
    problem = await ann.refused("/api/orders", 422, code, body)
    assert (problem["field"], problem["details"]) == (field, details)
    assert next(iter(details.values())) in problem["detail"].replace(",", "")
    assert await ann.refused("/api/orders/preview", 422, code, body) == problem


async def test_a_markets_own_rules_are_named_with_their_values(ann: Visitor) -> None:
    market = await ann.ask("GET", "/api/markets/BTC-USD", 200)
    step, tick = market["min_trade_increment"], market["price_increment"]
    problem = await ann.refused("/api/orders", 422, "quantity_increment", without(ORDER, quantity="0.0100000000001"))
    assert problem["details"] == {"increment": step}
    problem = await ann.refused("/api/orders", 422, "price_increment", without(ORDER, limit_price="40000.0000001"))
    assert problem["details"] == {"increment": tick}
    problem = await ann.refused("/api/orders", 422, "quantity_minimum", without(ORDER, quantity=step))
    assert problem["details"] == {"minimum": market["min_order_size"]}


async def test_wrong_addresses_and_methods_are_problems_too(ann: Visitor) -> None:
    for method, path, status in (
        ("GET", "/api/orders/not-an-id", 404),
        ("GET", "/api/nothing", 404),
        ("PUT", "/api/orders", 405),
        ("GET", "/api/orders?limit=501", 422),
        ("GET", "/api/orders?limit=many", 422),
        ("GET", "/api/orders?cursor=nonsense", 422),
        ("GET", "/api/orders?side=up", 422),
        ("GET", "/api/orders?after=yesterday", 422),
        ("GET", "/api/orders?symbol=NOPE", 404),
    ):
        answer = await ann.http.request(method, path)
        assert answer.status_code == status, f"{path}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"


async def test_passwords_in_bad_requests_are_told_to_nobody(system: System, ann: Visitor) -> None:
    for path, body in (
        ("/api/login", {"email": "nobody@journeys.test", "password": CANARY, "extra": CANARY}),
        ("/api/login", {"email": CANARY, "password": [CANARY]}),
        ("/api/register", {"email": "not an address", "password": CANARY, "display_name": "x"}),
        ("/api/password", {"current_password": CANARY, "new_password": "short"}),
    ):
        answer = await ann.http.post(path, json=body)
        assert answer.is_client_error
        assert CANARY not in answer.text
    assert CANARY not in system.log("api")
