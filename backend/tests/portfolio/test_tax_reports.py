"""Tax reports of real fills: days by the country's clock, rates of the day, fees, paper and list."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from pypdf import PdfReader

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Side
from tests.support import books
from tests.support.books import Ticket
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person, create_key, key_headers, register

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Desk:
    """The application, and its books."""

    client: httpx.AsyncClient
    connection: Connection

    async def customer(self) -> Person:
        person = await register(self.client)
        await books.credit(self.connection, UserId(UUID(person.id)), "USD", Decimal(100_000))
        return person

    async def trade(self, who: Person, side: Side, quantity: str, price: str, at: datetime, bps: str = "0") -> None:
        ticket = Ticket(side=side, quantity=Decimal(quantity), price=Decimal(price), fee_bps=Decimal(bps))
        order = ticket.order(UserId(UUID(who.id)))
        assert (await repository.place_one(self.connection, order)).outcome == "accepted"
        await venue_repository.mark_submitted(self.connection, order.id, f"venue-{order.id}")
        told = books.execution(f"{order.id}:1", Decimal(quantity), Decimal(price))
        told = replace(told, filled_at=at)
        assert await venue_repository.settle_fill(self.connection, order.id, told) == "settled"

    async def read(self, who: Person, path: str, status: int = 200) -> Any:
        answer = await self.client.get(path, headers=who.bearer)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def file(self, who: Person, path: str) -> httpx.Response:
        answer = await self.client.get(path, headers=who.bearer)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "private, no-store"
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[Desk]:
    owner = await books.connect(module_database_urls.owner)
    for day, worth in (("2025-01-10", "1.25"), ("2025-03-03", "1.25"), ("2025-04-04", "1.3"), ("2025-06-02", "1.35")):
        await owner.execute(
            "INSERT INTO fx_rates (day, currency, worth, source, rate_at)"
            " VALUES ($1::text::date, 'GBP', $2, 'test', now())",
            day,
            Decimal(worth),
        )
    await owner.close()
    async with running_api(settings_for(module_database_urls, redis_server.url)) as (client, _):
        connection = await books.connect(module_database_urls.app)
        yield Desk(client, connection)
        await connection.close()


def noon(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


async def test_a_sale_is_matched_and_shown_in_pounds_of_each_day(desk: Desk) -> None:
    ann = await desk.customer()
    await desk.trade(ann, Side.BUY, "2", "100", noon("2025-01-10"))
    await desk.trade(ann, Side.SELL, "1", "250", noon("2025-03-03"))
    report = await desk.read(ann, "/api/tax/2024?method=uk")
    assert (report["tax_year"], report["first_day"], report["last_day"]) == ("2024-25", "2024-04-06", "2025-04-05")
    (one,) = report["matches"]
    # 250 USD at 1.25 is 200 GBP; the pool's 2 coins cost 200 USD, 160 GBP.
    assert (one["rule"], one["proceeds"], one["cost"], one["gain"]) == ("pool", "200", "80", "120")
    assert (report["gains"], report["losses"], report["net"], report["exempt_amount"]) == ("120", "0", "120", "3000")
    assert report["holdings"] == [{"asset": "BTC", "quantity": "1", "cost": "80"}]
    assert report["final"] is True
    assert (await desk.read(ann, "/api/tax/2025?method=uk"))["matches"] == []


async def test_a_purchase_of_the_next_year_counts_for_thirty_days(desk: Desk) -> None:
    ben = await desk.customer()
    await desk.trade(ben, Side.BUY, "1", "100", noon("2025-01-10"))
    # Ten minutes before midnight in London is still the fourth of April; half past eleven UTC is the fifth there.
    await desk.trade(ben, Side.SELL, "1", "130", datetime(2025, 4, 4, 23, 30, tzinfo=UTC))
    await desk.trade(ben, Side.BUY, "1", "117", datetime(2025, 4, 10, 9, tzinfo=UTC))
    (one,) = (await desk.read(ben, "/api/tax/2024"))["matches"]
    assert (one["disposed_on"], one["rule"], one["acquired_on"]) == ("2025-04-05", "thirty_days", "2025-04-10")
    assert (one["proceeds"], one["cost"], one["gain"]) == ("100", "90", "10")


async def test_fees_are_costs_on_both_sides(desk: Desk) -> None:
    cyd = await desk.customer()
    await desk.trade(cyd, Side.BUY, "2", "100", noon("2025-01-10"), bps="5000")
    await desk.trade(cyd, Side.SELL, "1", "250", noon("2025-03-03"), bps="100")
    (one,) = (await desk.read(cyd, "/api/tax/2024?method=fifo&currency=USD", 200))["matches"] or [None]
    assert one is None
    report = await desk.read(cyd, "/api/tax/2025?method=fifo&currency=USD")
    (one,) = report["matches"]
    # Half of two coins went as the fee: the one that was left cost all 200.
    assert (one["quantity"], one["proceeds"], one["cost"], one["fee"], one["gain"]) == (
        "1",
        "250",
        "200",
        "2.5",
        "47.5",
    )
    assert (report["costs"], report["currency"], report["exempt_amount"]) == ("202.5", "USD", None)
    assert report["holdings"] == []


async def test_paper_and_list_say_the_same(desk: Desk) -> None:
    dan = await desk.customer()
    await desk.trade(dan, Side.BUY, "3", "100", noon("2025-01-10"))
    await desk.trade(dan, Side.SELL, "1", "50", noon("2025-03-03"))
    await desk.trade(dan, Side.SELL, "1", "150", noon("2025-04-04"))
    report = await desk.read(dan, "/api/tax/2024")
    rows = list(csv.DictReader(io.StringIO((await desk.file(dan, "/api/tax/2024/csv")).text)))
    assert {row["schema"] for row in rows} == {"bitcurrent.tax.v1"}
    assert [(row["disposed_on"], row["gain"]) for row in rows] == [
        (one["disposed_on"], one["gain"]) for one in report["matches"]
    ]
    assert sum(Decimal(row["gain"]) for row in rows) == Decimal(report["net"])
    paper = await desk.file(dan, "/api/tax/2024/pdf")
    assert paper.headers["content-type"] == "application/pdf"
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(paper.content)).pages)
    for words in ("Gains and losses 2024-25", "2025-03-03", "Section 104 pool", "Carried forward"):
        assert words in text
    assert f"Net: {Decimal(report['net']):,.2f}" in text


async def test_what_cannot_be_reported_is_refused(desk: Desk) -> None:
    eve = await desk.customer()
    for path in ("2019", "2199", "2024?method=uk&currency=USD", "2024?method=fifo&currency=JPY", "2024?method=guess"):
        await desk.read(eve, f"/api/tax/{path}", 422)
    await desk.trade(eve, Side.BUY, "1", "100", noon("2025-08-20"))
    problem = await desk.read(eve, "/api/tax/2025", 409)
    assert (problem["code"], problem["details"]["day"]) == ("rate_missing", "2025-08-20")
    assert (await desk.read(eve, "/api/tax/2025?method=fifo"))["holdings"][0]["cost"] == "100"
    key_id, secret = await create_key(desk.client, eve, "read")
    answer = await desk.client.get("/api/tax/2024", headers=key_headers(key_id, secret))
    assert answer.status_code == 403
