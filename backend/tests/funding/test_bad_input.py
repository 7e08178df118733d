"""Nonsense about money at every door of funding: a problem with a stable code and field, and nothing moved or saved.

Where the fault is a limit, the answer says which and its value.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.chaos.money_at_risk import Street
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.cards import Till
from tests.support.customers import Person
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

BITCOIN = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
LITECOIN = "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1"
ACCOUNT = {"currency": "EUR", "holder": "Pat Person", "iban": "DE02120300000000202051"}
PROFILE = {
    "legal_name": "Pat Person",
    "birth_date": "1990-05-17",
    "address": {"lines": ["Unter den Linden 1"], "city": "Berlin", "postal_code": "10117", "country": "DE"},
}
MARKUP = "<script>alert(1)</script>"
HUGE = "9" * 60


def deposit(**changes: Any) -> dict[str, Any]:
    return {"amount": "50", "currency": "USD", **changes}


def quote(**changes: Any) -> dict[str, Any]:
    return {"from": "USD", "to": "EUR", "give": "50", **changes}


def withdrawal(**changes: Any) -> dict[str, Any]:
    return {"asset": "USD", "amount": "50", "destination": "card", **changes}


def address(**changes: Any) -> dict[str, Any]:
    return {"asset": "BTC", "network": "bitcoin", "address": BITCOIN, "label": "cold", **changes}


def account(**changes: Any) -> dict[str, Any]:
    return {**ACCOUNT, **changes}


Bad = tuple[str, dict[str, Any], int, str, str | None]
BAD: dict[str, Bad] = {
    # Amounts
    "a deposit of a tenth of a cent": ("deposits", deposit(amount="50.001"), 422, "invalid", "amount"),
    "a deposit of nothing": ("deposits", deposit(amount="0"), 422, "below_minimum", "amount"),
    "a negative deposit": ("deposits", deposit(amount="-50"), 422, "below_minimum", "amount"),
    "a deposit above any limit": ("deposits", deposit(amount="10000000"), 422, "above_maximum", "amount"),
    "a deposit of 60 digits": ("deposits", deposit(amount=HUGE), 422, "invalid_field", "amount"),
    "a deposit that is no number": ("deposits", deposit(amount="NaN"), 422, "invalid_field", "amount"),
    "a conversion of a tenth of a cent": ("conversions/quote", quote(give="50.001"), 422, "too_many_decimals", "give"),
    "a conversion of nothing": ("conversions/quote", quote(give="0"), 422, "below_minimum", "give"),
    "a negative conversion": ("conversions/quote", quote(give="-1"), 422, "below_minimum", "give"),
    "a conversion with two amounts": ("conversions/quote", quote(get="1"), 422, "invalid", "give"),
    "a withdrawal of a tenth of a cent": (
        "withdrawals",
        withdrawal(amount="50.001"),
        422,
        "withdrawal_amount",
        "amount",
    ),
    "a withdrawal of nothing": ("withdrawals", withdrawal(amount="0"), 422, "withdrawal_amount", "amount"),
    "a negative withdrawal": ("withdrawals", withdrawal(amount="-50"), 422, "withdrawal_amount", "amount"),
    "a withdrawal above any limit": ("withdrawals", withdrawal(amount="10000000"), 422, "withdrawal_amount", "amount"),
    "a refund of a tenth of a cent": (
        "deposits/{hers}/refunds",
        {"amount": "1.001"},
        422,
        "refund_amount_invalid",
        "amount",
    ),
    "a refund of nothing": ("deposits/{hers}/refunds", {"amount": "0"}, 422, "refund_amount_invalid", "amount"),
    "a negative refund": ("deposits/{hers}/refunds", {"amount": "-1"}, 422, "refund_amount_invalid", "amount"),
    "a refund of more than came": ("deposits/{hers}/refunds", {"amount": "98.51"}, 422, "refund_too_much", "amount"),
    # Currencies
    "a deposit of francs": ("deposits", deposit(currency="CHF"), 422, "invalid", "currency"),
    "a deposit of bitcoin": ("deposits", deposit(currency="BTC"), 422, "invalid", "currency"),
    "a conversion to francs": ("conversions/quote", quote(to="CHF"), 422, "unknown_currency", "to"),
    "a conversion of bitcoin": ("conversions/quote", quote(**{"from": "BTC"}), 422, "unknown_currency", "from"),
    "a conversion to the same": ("conversions/quote", quote(to="USD"), 422, "invalid", "to"),
    "a withdrawal of francs": ("withdrawals", withdrawal(asset="CHF"), 422, "withdrawal_not_possible", "asset"),
    "coins to a card": ("withdrawals", withdrawal(asset="BTC"), 422, "withdrawal_not_possible", "asset"),
    # Destinations
    "an address with a wrong letter": (
        "withdrawal-addresses",
        address(address=BITCOIN[:-1] + "b"),
        422,
        "address_invalid",
        "address",
    ),
    "an address of another network": (
        "withdrawal-addresses",
        address(address="0x" + "ab" * 20),
        422,
        "address_invalid",
        "address",
    ),
    "an address of another coin": (
        "withdrawal-addresses",
        address(address=LITECOIN),
        422,
        "address_invalid",
        "address",
    ),
    "a network that is not this coin's": (
        "withdrawal-addresses",
        address(network="ethereum"),
        422,
        "no_withdrawals",
        "network",
    ),
    "an account number with wrong digits": (
        "bank-accounts",
        account(iban="DE02120300000000202052"),
        422,
        "bank_account_invalid",
        "iban",
    ),
    "an account in another currency": ("bank-accounts", account(currency="CHF"), 422, "invalid_field", "currency"),
    "a destination that is nobody's": (
        "withdrawals",
        withdrawal(destination=str(uuid4())),
        404,
        "destination_not_found",
        None,
    ),
    "a deposit of somebody else": ("deposits/{unknown}/refunds", {"amount": "1"}, 404, "deposit_not_found", None),
    # Names with markup
    "a label with markup": ("withdrawal-addresses", address(label=MARKUP), 422, "invalid", "label"),
    "a holder with markup": ("bank-accounts", account(holder=MARKUP), 422, "bank_account_invalid", "holder"),
    "a beneficiary with markup": (
        "withdrawal-addresses",
        address(beneficiary={"receiver": "hosted", "name": MARKUP, "provider": "Some Exchange", "country": "US"}),
        422,
        "invalid",
        "beneficiary.name",
    ),
    # Fields that nobody knows
    "a deposit with a fee of one's own": ("deposits", deposit(fee="0"), 422, "invalid_field", "fee"),
    "a withdrawal for somebody else": (
        "withdrawals",
        withdrawal(user_id=str(uuid4())),
        422,
        "invalid_field",
        "user_id",
    ),
    "a conversion with a rate of one's own": ("conversions/quote", quote(rate="2"), 422, "invalid_field", "rate"),
    "an address that may be used at once": (
        "withdrawal-addresses",
        address(usable_at="2020-01-01T00:00:00Z"),
        422,
        "invalid_field",
        "usable_at",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[Street]:
    settings = settings_for(
        module_database_urls, redis_server.url, sandbox, fx_url="", fx_rates="EUR/USD=1.25,GBP/USD=1.5"
    )
    async with running_api(settings) as (http, app):
        yield Street(Till(app, http, sandbox))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pat(street: Street) -> Person:
    """Somebody verified, with a card deposit of 100 USD (1.50 of it the fee) and 1,000 USD from elsewhere."""
    person = await street.customer()
    put = await street.till.http.put("/api/profile", json=PROFILE, headers=person.bearer)
    assert put.is_success, put.text
    await street.paid(person)
    async with street.till.brokerage.database.transaction() as connection:
        await books.credit(connection, UserId(UUID(person.id)), "USD", Decimal(1000))
    return person


NOTHING = """
SELECT (SELECT count(*) FROM journals) + (SELECT count(*) FROM deposits) + (SELECT count(*) FROM refunds)
     + (SELECT count(*) FROM withdrawals) + (SELECT count(*) FROM conversions)
     + (SELECT count(*) FROM conversion_quotes) + (SELECT count(*) FROM mails)
     + (SELECT count(*) FROM withdrawal_addresses) + (SELECT count(*) FROM bank_accounts)
"""


@pytest.mark.parametrize("name", BAD)
async def test_nonsense_is_refused_by_name_and_nothing_moves(street: Street, pat: Person, name: str) -> None:
    path, body, status, code, field = BAD[name]
    hers = await street.till.books("SELECT id FROM deposits WHERE user_id = $1", UUID(pat.id))
    before = await street.till.books(NOTHING)
    answer = await street.post(pat, path.format(hers=hers, unknown=uuid4()), body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field), problem
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert MARKUP not in answer.text
    assert len(answer.content) < 2_000
    assert await street.till.books(NOTHING) == before
    assert await street.till.balance(pat) == (Decimal("1098.5"), 0)


LIMITS: dict[str, tuple[str, dict[str, Any], str]] = {
    "the smallest deposit": ("deposits", deposit(amount="9.99"), "10"),
    "the largest deposit": ("deposits", deposit(amount="10000000"), "999999.99"),
    "the smallest withdrawal": ("withdrawals", withdrawal(amount="0.99"), "1"),
    "the largest withdrawal": ("withdrawals", withdrawal(amount="50000.01"), "50000"),
    "what is left of a deposit": ("deposits/{hers}/refunds", {"amount": "98.51"}, "98.5"),
}


@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_is_told_with_its_value(street: Street, pat: Person, name: str) -> None:
    path, body, value = LIMITS[name]
    hers = await street.till.books("SELECT id FROM deposits WHERE user_id = $1", UUID(pat.id))
    problem = (await street.post(pat, path.format(hers=hers), body)).json()
    assert value in problem["details"].values(), problem
    assert value in problem["detail"].replace(",", ""), problem
