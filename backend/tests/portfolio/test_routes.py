"""/api/balances, /api/positions and /api/portfolio over the real application and the sandbox's prices."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar
from rich.console import Console

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.market_data.board import PriceBoard
from bitcurrent.market_data.service import MarketData
from bitcurrent.portfolio.commands import explain
from bitcurrent.settings import Settings
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Side
from tests.support import books
from tests.support.books import Ticket
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person, create_key, key_headers, register
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Desk:
    """The application, a customer with 1,000 USD, and the books behind it."""

    client: httpx.AsyncClient
    app: Litestar
    settings: Settings
    connection: Connection
    ann: Person

    @property
    def user_id(self) -> UserId:
        return UserId(UUID(self.ann.id))

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = await self.client.get(path, params=query, headers=self.ann.bearer)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def place(self, ticket: Ticket) -> OrderId:
        new = ticket.order(self.user_id)
        assert (await repository.place_one(self.connection, new)).outcome == "accepted"
        return new.id

    async def fill(self, order_id: OrderId, quantity: str, price: str) -> None:
        told = books.execution(f"{order_id}:{quantity}:{price}", Decimal(quantity), Decimal(price))
        assert await venue_repository.settle_fill(self.connection, order_id, told) == "settled"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def brokerage(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[tuple[httpx.AsyncClient, Litestar, Settings, Connection]]:
    """The application with the venue's prices, for all tests of this module."""
    sandbox.control("reset")
    settings = settings_for(module_database_urls, redis_server.url, sandbox)
    connection = await books.connect(module_database_urls.app)
    async with running_api(settings) as (client, app):
        market_data: MarketData = app.state.market_data
        await market_data.sync_markets()
        await market_data.refresh_prices()
        yield client, app, settings, connection
    assert await books.broken_laws(connection) == []
    await connection.close()


@pytest_asyncio.fixture(loop_scope="module")
async def desk(brokerage: tuple[httpx.AsyncClient, Litestar, Settings, Connection]) -> Desk:
    client, app, settings, connection = brokerage
    await app.state.market_data.refresh_prices()
    desk = Desk(client, app, settings, connection, await register(client))
    await books.credit(connection, desk.user_id, "USD", Decimal(1000))
    return desk


def price_of(desk: Desk, symbol: str) -> Decimal:
    quote = desk.app.state.market_data.find_quote(symbol)
    assert quote is not None
    assert quote.mid is not None
    mid: Decimal = quote.mid
    return mid


async def test_a_balance_says_which_orders_hold_it_and_what_releases_them(desk: Desk) -> None:
    first = await desk.place(Ticket(quantity=Decimal(2), price=Decimal(10), client_order_id="mine"))
    second = await desk.place(Ticket(quantity=Decimal("0.5"), price=Decimal(100)))
    await venue_repository.mark_submitted(desk.connection, second, "venue-1")
    await repository.request_cancel(desk.connection, desk.user_id, second)
    (usd,) = (await desk.get("/api/balances"))["items"]
    assert (usd["currency"], usd["available"], usd["held"], usd["total"]) == ("USD", "930", "70", "1000")
    assert [(h["order_id"], h["client_order_id"], h["amount"]) for h in usd["holds"]] == [
        (str(first), "mine", "20"),
        (str(second), None, "50"),
    ]
    assert usd["holds"][0]["symbol"] == "BTC/USD"
    assert "cancel it" in usd["holds"][0]["released_when"]
    assert "confirms the cancel" in usd["holds"][1]["released_when"]
    assert usd["more_holds"] is False


async def test_only_the_fields_asked_for_come(desk: Desk) -> None:
    assert await desk.get("/api/balances", fields="currency,total") == {
        "items": [{"currency": "USD", "total": "1000"}],
        "next": None,
    }


async def test_an_explanation_tells_each_line_and_that_they_add_up(desk: Desk) -> None:
    order = await desk.place(Ticket(quantity=Decimal(2), price=Decimal(10)))
    await desk.fill(order, "1", "9")
    await books.finish(desk.connection, order, "canceled", Decimal(1))
    story = await desk.get("/api/balances/usd/explanation")
    assert (story["currency"], story["available"], story["held"], story["agrees"]) == ("USD", "991", "0", True)
    assert story["line_count"] == 6
    assert [(line["kind"], line["part"], line["amount"], line["balance_after"]) for line in story["lines"]] == [
        ("release", "available", "11", "991"),
        ("release", "held", "-11", "0"),
        ("fill", "held", "-9", "11"),
        ("hold", "held", "20", "20"),
        ("hold", "available", "-20", "980"),
        ("demo_credit", "available", "1000", "1000"),
    ]
    assert story["lines"][3]["reference"] == f"hold:{order}"
    assert story["lines"][3]["meaning"] == "Set aside for an order"
    newest = await desk.get("/api/balances/USD/explanation", limit=2)
    assert (len(newest["lines"]), newest["line_count"]) == (2, 6)


@pytest.mark.parametrize("asset", ["BTC", "NOPE", "B%20C", "x" * 41])
async def test_there_is_no_story_of_what_one_never_had(desk: Desk, asset: str) -> None:
    problem = await desk.get(f"/api/balances/{asset}/explanation", 422 if len(asset) > 40 else 404)
    assert problem["code"] == ("invalid_field" if len(asset) > 40 else "no_such_balance")


async def test_positions_show_cost_worth_and_gains(desk: Desk) -> None:
    order = await desk.place(Ticket(quantity=Decimal("0.02"), price=Decimal(10_000), fee_bps=Decimal(25)))
    await desk.fill(order, "0.02", "10000")
    (btc,) = (await desk.get("/api/positions"))["items"]
    price = price_of(desk, "BTC/USD")
    net = Decimal("0.01995")
    assert (btc["symbol"], btc["quantity"], btc["available"], btc["cost"]) == ("BTC/USD", "0.01995", "0.01995", "200")
    assert Decimal(btc["price"]) == price
    assert Decimal(btc["market_value"]) == net * price
    assert Decimal(btc["unrealized"]) == net * price - 200
    # 200 USD bought 0.01995 coins after the fee.
    assert btc["average_cost"].startswith("10025.06265664")
    assert (btc["realized"], btc["stale"]) == ("0", False)


async def test_a_sale_makes_profit_real_and_the_account_knows_its_worth(desk: Desk) -> None:
    order = await desk.place(Ticket(quantity=Decimal("0.02"), price=Decimal(10_000), fee_bps=Decimal(0)))
    await desk.fill(order, "0.02", "10000")
    sale = Ticket(side=Side.SELL, quantity=Decimal("0.005"), price=Decimal(12_000), fee_bps=Decimal(0))
    await desk.fill(await desk.place(sale), "0.005", "12000")
    await desk.place(Ticket(quantity=Decimal(1), price=Decimal(60)))
    found = await desk.get("/api/portfolio")
    worth = Decimal("0.015") * price_of(desk, "BTC/USD")
    assert (found["cash"], found["cash_available"], found["cash_held"]) == ("860", "800", "60")
    assert Decimal(found["coins"]) == worth
    assert Decimal(found["total"]) == 860 + worth
    assert found["realized"] == "10"  # 60 received for what had cost 50
    assert Decimal(found["unrealized"]) == worth - 150
    assert (found["stale"], found["unpriced"], found["currency"]) == (False, [], "USD")
    assert found["priced_at"] <= found["as_of"]
    assert found["positions"][0]["cost"] == "150"


async def test_what_is_sold_out_earned_its_profit_and_is_no_position_any_more(desk: Desk) -> None:
    order = await desk.place(Ticket(quantity=Decimal("0.02"), price=Decimal(10_000), fee_bps=Decimal(0)))
    await desk.fill(order, "0.02", "10000")
    sale = Ticket(side=Side.SELL, quantity=Decimal("0.02"), price=Decimal(9_000), fee_bps=Decimal(0))
    await desk.fill(await desk.place(sale), "0.02", "9000")
    found = await desk.get("/api/portfolio")
    assert (found["positions"], found["realized"], found["total"]) == ([], "-20", "980")


async def test_an_old_price_is_used_and_called_stale(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await desk.place(Ticket(quantity=Decimal("0.02"), price=Decimal(10_000)))
    await desk.fill(order, "0.02", "10000")
    board: PriceBoard = desk.app.state.market_data._board
    quote = board.quotes["BTC/USD"]
    seen = now() - timedelta(minutes=3)
    monkeypatch.setitem(board.quotes, "BTC/USD", replace(quote, seen_at=seen))
    found = await desk.get("/api/portfolio")
    assert found["stale"] is True
    assert found["positions"][0]["stale"] is True
    assert msgspec.convert(found["priced_at"], type=type(seen)) == seen
    assert Decimal(found["coins"]) > 0


async def test_a_coin_without_any_price_is_named_and_not_guessed(desk: Desk) -> None:
    await books.credit(desk.connection, desk.user_id, "ZZZ", Decimal(5))
    found = await desk.get("/api/portfolio")
    assert (found["total"], found["unpriced"], found["stale"]) == ("1000", ["ZZZ"], True)
    assert (found["positions"][0]["market_value"], found["positions"][0]["price"]) == (None, None)


async def test_nobody_else_sees_it(desk: Desk) -> None:
    ben = await register(desk.client)
    for path in ("/api/balances", "/api/positions", "/api/portfolio", "/api/balances/USD/explanation"):
        assert (await desk.client.get(path)).status_code == 401
        answer = await desk.client.get(path, headers=ben.bearer)
        assert "1000" not in answer.text
    assert (await desk.client.get("/api/balances", headers=ben.bearer)).json()["items"] == []


async def test_a_key_that_may_read_may_read(desk: Desk) -> None:
    key_id, secret = await create_key(desk.client, desk.ann, "read")
    answer = await desk.client.get("/api/portfolio", headers=key_headers(key_id, secret))
    assert answer.status_code == 200
    assert answer.json()["total"] == "1000"


async def test_the_operator_reads_the_same_story_in_the_terminal(desk: Desk) -> None:
    order = await desk.place(Ticket(quantity=Decimal(2), price=Decimal(10)))
    for user in (desk.ann.email, desk.ann.id):
        code, text = await _explained(desk, user, "usd")
        assert code == 0
        assert f"{desk.ann.email} ({desk.ann.id})" in text
        assert "1000 USD: 980 available, 20 held" in text
        assert str(order) in text
        assert f"hold:{order}" in text
        assert "All 3 lines add up to 980 available and 20 held: the balance." in text


async def test_the_terminal_says_when_there_is_nobody_to_explain(desk: Desk) -> None:
    for user in ("nobody@example.test", "00000000-0000-7000-8000-000000000000", "'; DROP TABLE users"):
        code, text = await _explained(desk, user, "USD")
        assert code == 2
        assert "user" in text.lower() or "e-mail" in text.lower()


async def _explained(desk: Desk, user: str, asset: str) -> tuple[int, str]:
    """Run the command as the operator would: in a process (here a thread) with a loop of its own."""
    console = Console(record=True, width=200, quiet=False, file=StringIO())
    code = await asyncio.to_thread(explain, desk.settings, user, asset, console=console)
    return code, console.export_text()
