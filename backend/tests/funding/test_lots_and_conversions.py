"""Card money in another currency is still card money: what it stands for stays by worth, wherever it went."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[Street]:
    settings = settings_for(
        module_database_urls, redis_server.url, sandbox, fx_url="", fx_rates="EUR/USD=1.25,GBP/USD=1.5"
    )
    async with running_api(settings) as (http, app):
        yield Street(Till(app, http, sandbox))


async def wallet(street: Street, who: Person) -> dict[str, dict[str, Any]]:
    """What may leave, by currency."""
    answer = await street.till.http.get("/api/wallet/withdrawable", headers=who.bearer)
    assert answer.status_code == 200, answer.text
    return {item["currency"]: item for item in answer.json()["items"]}


async def test_converted_card_money_stays_until_it_is_released(street: Street) -> None:
    ann = await street.customer()
    deposit = await street.paid(ann)
    euros = await street.convert(ann, "80")
    seen = await wallet(street, ann)
    assert (seen["USD"]["withdrawable"], seen["EUR"]["withdrawable"]) == ("0", "0"), "all of it is the card's"
    assert seen["EUR"]["available"] == euros
    # 100 USD of her own: so much worth is free, in whichever currency she takes it, less what the conversion cost.
    async with street.till.brokerage.database.transaction() as connection:
        await books.credit(connection, UserId(UUID(ann.id)), "USD", Decimal(100))
    seen = await wallet(street, ann)
    worth = Decimal("118.5") + Decimal(euros) * Decimal("1.25") - 100
    assert Decimal(seen["USD"]["withdrawable"]) == worth
    assert Decimal(seen["EUR"]["withdrawable"]) == Decimal(euros), "her own worth covers them"
    await street.convert(ann, "60")
    seen = await wallet(street, ann)
    there = {currency: Decimal(seen[currency]["available"]) for currency in ("USD", "EUR")}
    worth = there["USD"] + there["EUR"] * Decimal("1.25") - 100
    assert Decimal(seen["USD"]["withdrawable"]) == min(there["USD"], worth)
    assert Decimal(seen["EUR"]["withdrawable"]) == min(there["EUR"], worth / Decimal("1.25"))
    await released(street, deposit)
    seen = await wallet(street, ann)
    assert {currency: Decimal(seen[currency]["withdrawable"]) for currency in there} == there
    assert await street.till.broken_laws() == []


async def test_a_dispute_of_money_that_was_converted_is_owed_and_paid_from_what_comes_back(street: Street) -> None:
    ann = await street.customer()
    deposit = await street.paid(ann)
    euros = await street.convert(ann, "98.5")
    await street.dispute(deposit)
    await street.turn()
    owed = "SELECT amount - collected - written_off FROM debts WHERE user_id = $1"
    assert await street.till.books(owed, UUID(ann.id)) == 100, "the euros are no dollars"
    assert (await wallet(street, ann))["EUR"]["withdrawable"] == "0"
    back = await street.convert(ann, euros, source="EUR", target="USD")
    await street.turn()
    assert await street.till.balance(ann) == (0, 0)
    assert await street.till.books(owed, UUID(ann.id)) == 100 - Decimal(back)
    assert await street.till.broken_laws() == []


async def released(street: Street, deposit: dict[str, Any]) -> None:
    """Its days have passed."""
    connection = await books.connect(street.till.brokerage.settings.owner_database_url)
    try:
        await connection.execute("UPDATE lots SET release_at = now() WHERE id = $1", UUID(deposit["id"]))
    finally:
        await connection.close()
