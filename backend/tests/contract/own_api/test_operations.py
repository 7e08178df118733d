"""Every operation of our document is asked once so that it works and once so that it refuses, and kept to its word."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from uuid import UUID

import pytest
import pytest_asyncio

from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web.openapi import describe
from tests.contract.own_api import (
    address_operations,
    breaker_operations,
    case_operations,
    conduct_operations,
    currency_operations,
    deposit_operations,
    desk_operations,
    identity_operations,
    kyc_operations,
    monitoring_operations,
    notice_operations,
    proof_operations,
    reversal_operations,
    withdrawal_operations,
)
from tests.contract.own_api import reconciliation_operations as reconciliation_work
from tests.contract.own_api.house import House
from tests.support import books
from tests.support.brokerage import client_of, running_api, settings_for
from tests.support.customers import PASSWORD, create_key, key_headers, log_in, register
from tests.support.own_api import Contract
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANNOT_REFUSE = frozenset({"HealthLiveLive"})
"""It answers as long as there is anybody to answer."""
BITCOIN = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.001", "limit_price": "40000"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[House]:
    await asyncio.to_thread(lambda: sandbox.control("reset"))
    async with running_api(settings_for(module_database_urls, redis_server.url, sandbox)) as (_, app):
        await app.state["market_data"].sync_markets()
        await app.state["market_data"].refresh_prices()
        contract = Contract(describe(app))
        client = client_of(app)
        client.event_hooks = {"response": [contract.hook]}
        ann = await register(client)
        async with app.state["database"].transaction() as connection:
            await books.credit(connection, UserId(UUID(ann.id)), "USD", Decimal(100_000))
        yield House(app, client, contract, ann, sandbox)


async def test_health_tells_the_truth(
    house: House, module_database_urls: DatabaseUrls, redis_server: RedisServer
) -> None:
    await house.ask("GET", "/health/live", 200)
    await house.ask("GET", "/health/ready", 200)
    async with running_api(settings_for(module_database_urls, "redis://127.0.0.1:9/0")) as (client, _):
        client.event_hooks = {"response": [house.contract.hook]}
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["redis"]) == (503, "down")
        # Whoever cannot be counted does not begin to log in.
        answer = await client.post("/api/login/passkey/options")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_identity_keeps_to_its_description(house: House) -> None:
    ann = house.ann
    again = {"email": ann.email, "display_name": "Ann", "password": PASSWORD}
    await house.ask("POST", "/api/register", 202, again)
    assert (await log_in(house.http, ann.email)).status_code == 200
    assert (await log_in(house.http, ann.email, "not the password")).status_code == 401
    await house.ask("GET", "/api/me", 200)
    await house.nobody("GET", "/api/me")
    await house.ask("GET", "/api/sessions", 200, limit=1)
    await house.ask("GET", "/api/sessions", 422, limit=0)
    other = (await log_in(house.http, ann.email)).json()
    own = (await house.http.get("/api/me", headers={"Authorization": f"Bearer {other['token']}"})).json()
    await house.ask("DELETE", f"/api/sessions/{own['session_id']}", 204)
    await house.ask("DELETE", f"/api/sessions/{own['session_id']}", 404)
    await house.ask("DELETE", "/api/sessions", 200)
    await house.nobody("DELETE", "/api/sessions")
    key_id, secret = await create_key(house.http, ann, "read")
    await house.ask("POST", "/api/api-keys", 422, {"label": "bot", "scopes": ["everything"]})
    answer = await house.http.get("/api/api-keys", headers=key_headers(key_id, secret))
    assert answer.status_code == 403
    await house.ask("GET", "/api/api-keys", 200)
    await house.ask("DELETE", f"/api/api-keys/{key_id}", 204)
    await house.ask("DELETE", "/api/api-keys/BKNOBODYSKEY", 404)
    change = {"current_password": PASSWORD, "new_password": PASSWORD + " and more"}
    await house.ask("POST", "/api/password", 200, change)
    assert (await house.http.post("/api/password", json=change, headers=ann.bearer)).status_code in {401, 403, 422}
    leaving = await register(house.http)
    assert (await house.http.post("/api/logout", headers=leaving.bearer)).status_code == 204
    assert (await house.http.post("/api/logout", headers=leaving.bearer)).status_code == 401


async def test_markets_keep_to_their_description(house: House) -> None:
    await house.ask("GET", "/api/markets", 200)
    await house.ask("GET", "/api/markets", 200, fields="symbol,bid")
    await house.ask("GET", "/api/markets", 422, fields="everything")
    tag = (await house.http.get("/api/markets")).headers["etag"]
    same = await house.http.get("/api/markets", headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    await house.ask("GET", "/api/markets/BTC-USD", 200)
    await house.ask("GET", "/api/markets/NOPE-USD", 404)
    await house.ask("GET", "/api/markets/BTC-USD/candles", 200, timeframe="1Hour", limit=5)
    await house.ask("GET", "/api/markets/BTC-USD/candles", 422, timeframe="fortnight")
    await house.ask("GET", "/api/markets/BTC-USD/book", 200, depth=3)
    await house.ask("GET", "/api/markets/NOPE-USD/book", 404)
    await house.ask("GET", "/api/markets/BTC-USD/trades", 200, limit=5)
    await house.ask("GET", "/api/markets/NOPE-USD/trades", 404)


async def test_trading_keeps_to_its_description(house: House) -> None:
    await house.ask("POST", "/api/orders/preview", 200, BITCOIN)
    await house.ask("POST", "/api/orders/preview", 422, {**BITCOIN, "quantity": "0"})
    placed = await house.ask("POST", "/api/orders", 201, {**BITCOIN, "client_order_id": "first"})
    await house.ask("POST", "/api/orders", 409, {**BITCOIN, "quantity": "4.9"})
    path = f"/api/orders/{placed['id']}"
    await house.ask("GET", path, 200)
    await house.ask("GET", f"/api/orders/{new_id()}", 404)
    await house.ask("GET", "/api/orders/by-client-order-id/first", 200)
    await house.ask("GET", "/api/orders/by-client-order-id/none", 404)
    await house.ask("GET", "/api/orders", 200, symbol="BTC-USD", side="buy", state="accepted", open=True, limit=3)
    await house.ask("GET", "/api/orders", 200, fields="id,state")
    await house.ask("GET", "/api/orders", 422, cursor="nonsense")
    await house.ask("PATCH", path, 409, {"limit_price": "41000"})
    await house.books("SELECT mark_submitted($1, $2)", UUID(placed["id"]), "venue-1")
    await house.ask("PATCH", path, 201, {"limit_price": "41000"})
    await house.books("SELECT settle_fill($1, $2, 'x-1', 0.0004, 40000, now())", new_id(), UUID(placed["id"]))
    await house.ask("GET", "/api/fills", 200, order_id=placed["id"], limit=5)
    await house.ask("GET", "/api/fills", 422, order_id="nonsense")
    waiting = await house.ask("POST", "/api/orders", 201, BITCOIN)
    await house.ask("DELETE", f"/api/orders/{waiting['id']}", 200)
    await house.ask("DELETE", f"/api/orders/{new_id()}", 404)
    await house.ask("DELETE", "/api/orders", 200, symbol="ETH-USD")
    await house.ask("DELETE", "/api/orders", 404, symbol="NOPE-USD")
    await house.ask("GET", "/api/fees", 200)
    await house.nobody("GET", "/api/fees")


async def test_portfolio_keeps_to_its_description(house: House) -> None:
    await house.ask("GET", "/api/balances", 200)
    await house.nobody("GET", "/api/balances")
    await house.ask("GET", "/api/balances/USD/explanation", 200)
    await house.ask("GET", "/api/balances/USD/explanation", 422, limit=0)
    await house.ask("GET", "/api/positions", 200)
    await house.nobody("GET", "/api/positions")
    await house.ask("GET", "/api/portfolio", 200)
    await house.nobody("GET", "/api/portfolio")


async def test_privacy_keeps_to_its_description(house: House) -> None:
    someone = await register(house.http)
    profile = {
        "legal_name": "Pat Person",
        "birth_date": "1980-02-29",
        "address": {"lines": ["1 High Street"], "city": "Springfield", "country": "US"},
        "documents": [{"kind": "passport", "number": "X1234567", "country": "US"}],
    }
    assert (await house.http.get("/api/profile", headers=someone.bearer)).status_code == 404
    assert (await house.http.put("/api/profile", json={}, headers=someone.bearer)).status_code == 422
    for method, path, body, status in (
        ("PUT", "/api/profile", profile, 200),
        ("GET", "/api/profile", None, 200),
        ("GET", "/api/me/export", None, 200),
        ("POST", "/api/me/erasure", {"password": PASSWORD}, 202),
    ):
        await house.nobody(method, path, body)
        answer = await house.http.request(method, path, json=body, headers=someone.bearer)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "exercise",
    [
        address_operations.addresses,
        address_operations.lost_transfers,
        case_operations.cases,
        *desk_operations.EXERCISES,
        conduct_operations.conduct,
        monitoring_operations.monitoring,
        kyc_operations.verification,
        kyc_operations.verification_desk,
        currency_operations.conversions,
        deposit_operations.deposits,
        deposit_operations.campaigns,
        currency_operations.exports,
        currency_operations.statements,
        identity_operations.accounts_by_mail,
        identity_operations.tokens_for_browsers,
        identity_operations.api_keys,
        identity_operations.authenticator_apps,
        identity_operations.passkeys,
        identity_operations.lost_factors,
        identity_operations.four_eyes,
        reconciliation_work.reconciliation,
        withdrawal_operations.bank_accounts,
        withdrawal_operations.withdrawals,
        withdrawal_operations.payouts,
        withdrawal_operations.terms,
        reversal_operations.refunds,
        reversal_operations.disputes_and_debts,
        proof_operations.solvency,
        proof_operations.tax,
        notice_operations.limits_and_stops,
        breaker_operations.breaker_rules,
        notice_operations.messages_and_preferences,
        notice_operations.letters_to_look_at,
        # The last: with a list in force withdrawals that are clear need nobody.
        case_operations.screening,
    ],
    ids=lambda exercise: exercise.__name__,
)
async def test_people_and_operators_keep_to_their_description(
    house: House, exercise: Callable[[House], Awaitable[None]]
) -> None:
    await exercise(house)


async def test_an_address_that_there_is_not_answers_a_problem(house: House) -> None:
    await house.ask("GET", "/api/nothing", 404)
    await house.ask("PUT", "/api/orders", 405)


async def test_no_operation_was_left_out(house: House) -> None:
    count = len(house.contract.operations())
    succeeded, refused = len(house.contract.succeeded), len(house.contract.refused)
    print(f"own API: {count} operations, {succeeded} succeeded and {refused} refused at least once")
    assert house.contract.missing(cannot_refuse=CANNOT_REFUSE) == []
