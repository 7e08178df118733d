"""Money of several currencies is one portfolio, in whatever currency somebody reads it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Balance
from bitcurrent.portfolio.model import Cash, View
from tests.portfolio.test_model import NOON, portfolio, position
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person, create_key, key_headers, register

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Desk:
    """The application, and somebody with 1,000 USD, 100 EUR and 10 GBP."""

    client: httpx.AsyncClient
    ann: Person

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = await self.client.get(path, params=query, headers=self.ann.bearer)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[Desk]:
    settings = settings_for(module_database_urls, redis_server.url, fx_rates="EUR/USD=1.25")
    connection = await books.connect(module_database_urls.app)
    async with running_api(settings) as (client, _):
        ann = await register(client)
        for currency, amount in (("USD", 1000), ("EUR", 100), ("GBP", 10)):
            await books.credit(connection, UserId(UUID(ann.id)), currency, Decimal(amount))
        yield Desk(client, ann)
    await connection.close()


async def test_every_currency_counts_that_has_a_rate(desk: Desk) -> None:
    found = await desk.get("/api/portfolio")
    assert (found["currency"], found["total"], found["cash"]) == ("USD", "1125", "1125")
    assert [(one["currency"], one["total"], one["value"]) for one in found["cash_by_currency"]] == [
        ("USD", "1000", "1000"),
        ("EUR", "100", "125"),
        ("GBP", "10", None),
    ]
    # What nobody can value is named and not counted.
    assert (found["unpriced"], found["stale"], found["positions"]) == (["GBP"], True, [])


async def test_the_same_in_euro(desk: Desk) -> None:
    found = await desk.get("/api/portfolio", currency="EUR")
    assert (found["currency"], found["rate"], found["total"], found["cash_available"]) == ("EUR", "0.8", "900", "900")
    assert (await desk.get("/api/positions", currency="EUR"))["valued_in"] == "EUR"


async def test_a_currency_without_a_rate_or_a_name_is_refused(desk: Desk) -> None:
    assert (await desk.get("/api/portfolio", 503, currency="GBP"))["code"] == "not_configured"
    assert (await desk.get("/api/portfolio", 422, currency="BTC"))["code"] == "unknown_currency"


async def test_a_program_is_not_told_an_equity_that_leaves_money_out(desk: Desk) -> None:
    key = key_headers(*await create_key(desk.client, desk.ann, "read"))
    answer = await desk.client.get("/v2/account", headers=key)
    assert (answer.status_code, "GBP" in answer.text) == (503, True), answer.text


async def test_figures_are_the_dollars_at_one_rate() -> None:
    euros = Cash(
        balance=Balance(currency="EUR", available=Decimal(80), held=Decimal(20)), rate=Decimal("1.25"), rate_at=NOON
    )
    found = portfolio(position(), cash="50")
    both = type(found)(as_of=NOON, cash=found.cash, positions=found.positions, currencies=(euros,))
    assert [both.cash_value, both.total, both.unpriced] == [175, 295, ()]
    view = View(currency="EUR", rate=Decimal("0.8"))
    assert [view.of(both.total), View(currency="USD", rate=Decimal(1)).of(both.total)] == [236, 295]
