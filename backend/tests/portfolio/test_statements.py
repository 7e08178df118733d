"""A month's statement: its figures are the ledger's, on paper and as a list."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar
from pypdf import PdfReader

from bitcurrent.funding.conversions import repository as conversions
from bitcurrent.funding.conversions.model import Rate
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger import statements as ledger
from bitcurrent.portfolio.statements.model import LINES_MAX, BooksDiffer, Month, assets_of
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Side
from tests.support import books
from tests.support.books import Ticket
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person, register
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "Žofia Δέλτα Иванова 山田"
THIS_MONTH = str(Month.of(now()))


@dataclass(slots=True)
class Desk:
    """The application with the venue's prices, and the books."""

    client: httpx.AsyncClient
    app: Litestar
    connection: Connection
    owner: Connection

    async def customer(self, **money: str) -> Person:
        person = await register(self.client)
        for currency, amount in money.items():
            await books.credit(self.connection, UserId(UUID(person.id)), currency, Decimal(amount))
        return person

    async def trade(self, who: Person, side: Side, quantity: str, price: str) -> None:
        ticket = Ticket(side=side, quantity=Decimal(quantity), price=Decimal(price)).order(UserId(UUID(who.id)))
        assert (await repository.place_one(self.connection, ticket)).outcome == "accepted"
        await venue_repository.mark_submitted(self.connection, ticket.id, f"venue-{ticket.id}")
        told = books.execution(f"{ticket.id}:1", Decimal(quantity), Decimal(price))
        assert await venue_repository.settle_fill(self.connection, ticket.id, told) == "settled"

    async def get(self, who: Person, path: str, status: int = 200) -> httpx.Response:
        answer = await self.client.get(path, headers=who.bearer)
        assert answer.status_code == status, answer.text
        return answer

    async def rows(self, who: Person, month: str = THIS_MONTH) -> list[dict[str, str]]:
        answer = await self.get(who, f"/api/statements/{month}/csv")
        return list(csv.DictReader(io.StringIO(answer.text)))

    async def paper(self, who: Person, month: str = THIS_MONTH) -> str:
        answer = await self.get(who, f"/api/statements/{month}/pdf")
        assert answer.headers["content-type"] == "application/pdf"
        reader = PdfReader(io.BytesIO(answer.content))
        return "\n".join(page.extract_text() for page in reader.pages)

    async def balances(self, who: Person) -> dict[str, Decimal]:
        items = (await self.get(who, "/api/balances")).json()["items"]
        return {item["currency"]: Decimal(item["total"]) for item in items}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> AsyncIterator[Desk]:
    await asyncio.to_thread(lambda: sandbox.control("reset"))
    async with running_api(settings_for(module_database_urls, redis_server.url, sandbox)) as (client, app):
        await app.state["market_data"].sync_markets()
        connection = await books.connect(module_database_urls.app)
        owner = await books.connect(module_database_urls.owner)
        rate = Rate(base="EUR", quote="USD", middle=Decimal("1.25"), at=now(), source="test")
        await conversions.keep_rate(connection, currency="EUR", rate=rate)
        yield Desk(client, app, connection, owner)
        assert await books.broken_laws(connection) == []
        await connection.close()
        await owner.close()


def sums(rows: list[dict[str, str]]) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """Opening, lines and closing of each asset of a list."""
    found: dict[str, tuple[Decimal, Decimal, Decimal]] = {}
    for row in rows:
        opening, moved, closing = found.get(row["asset"], (Decimal(0), Decimal(0), Decimal(0)))
        if row["row"] == "opening":
            opening = Decimal(row["total_after"])
        elif row["row"] == "line":
            moved += Decimal(row["amount"])
        elif row["row"] == "closing":
            closing = Decimal(row["total_after"])
        found[row["asset"]] = opening, moved, closing
    return found


async def test_opening_and_lines_are_closing_and_closing_is_the_ledger(desk: Desk) -> None:
    ann = await desk.customer(USD="1000", EUR="80")
    await desk.trade(ann, Side.BUY, "2", "9")
    await desk.trade(ann, Side.SELL, "0.5", "11")
    rows = await desk.rows(ann)
    assert {row["schema"] for row in rows} == {"bitcurrent.statement.v1"}
    for asset, (opening, moved, closing) in sums(rows).items():
        assert opening + moved == closing == (await desk.balances(ann))[asset]
    fees = {row["asset"]: Decimal(row["amount"]) for row in rows if row["row"] == "fees"}
    assert fees == {"BTC": Decimal("0.005"), "USD": Decimal("0.01375")}
    worths = {row["asset"]: row["worth_usd"] for row in rows if row["row"] == "closing"}
    assert (worths["USD"], worths["EUR"]) == (str(closing_of(rows, "USD")), "100")
    assert Decimal(worths["BTC"]) > 0
    # The running total behind the last line of an asset is what is left of it.
    last = {row["asset"]: Decimal(row["total_after"]) for row in rows if row["row"] == "line"}
    assert last == await desk.balances(ann)


def closing_of(rows: list[dict[str, str]], asset: str) -> Decimal:
    return next(Decimal(row["total_after"]) for row in rows if row["row"] == "closing" and row["asset"] == asset)


async def test_paper_says_the_same_as_the_list(desk: Desk) -> None:
    ann = await desk.customer(USD="1000", EUR="80")
    await desk.trade(ann, Side.BUY, "2", "9")
    profile = {
        "legal_name": NAME,
        "birth_date": "1980-02-29",
        "address": {"lines": ["1 High Street"], "city": "Springfield", "country": "US"},
    }
    answer = await desk.client.put("/api/profile", json=profile, headers=ann.bearer)
    assert answer.status_code == 200, answer.text
    text = await desk.paper(ann)
    # Letters that the typeface lacks are written in Latin ones.
    assert "Žofia Δέλτα Иванова ShanTian" in text
    assert ann.email in text
    rows = await desk.rows(ann)
    for asset, (_, _, closing) in sums(rows).items():
        assert re.search(rf"Closing\s+{re.escape(plainly(closing))}\b", text), (asset, text)
    bookings = [row["reference"] for row in rows if row["row"] == "line" and row["kind"] in {"fill", "demo_credit"}]
    written = re.sub(r"\s", "", text)
    assert [reference for reference in bookings if reference[:30] not in written] == []
    assert "0.005 BTC" in text


def plainly(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


async def test_a_month_begins_with_what_the_one_before_left(desk: Desk) -> None:
    ann = await desk.customer(USD="1000")
    user_id = UserId(UUID(ann.id))
    start = Month.of(now()).start
    # As it would be had she paid in a day before this month began.
    await _paid_in(desk.owner, user_id, start - timedelta(days=1), Decimal(250))
    before, this = str(Month.of(now()).later(-1)), sums(await desk.rows(ann))
    assert this["USD"] == (Decimal(250), Decimal(1000), Decimal(1250))
    assert sums(await desk.rows(ann, before))["USD"] == (Decimal(0), Decimal(250), Decimal(250))
    assert (await ledger.balances_at(desk.connection, user_id, start))["USD"] == 250
    assert "whole month" in await desk.paper(ann, before)
    assert "the month so far" in await desk.paper(ann)


async def _paid_in(owner: Connection, user_id: UserId, at: datetime, amount: Decimal) -> None:
    milliseconds = int(at.timestamp() * 1000)
    journal = UUID(int=milliseconds << 80 | 0x7 << 76 | 2 << 62 | user_id.int & (1 << 62) - 1)
    async with owner.transaction():
        await owner.execute(
            "SELECT post_journal($1, 'demo_credit', $2, NULL, $3, $4, $5, $6)",
            journal,
            f"test:{journal}",
            ["bank", "available"],
            [None, user_id],
            ["USD", "USD"],
            [-amount, amount],
        )


async def test_months_are_listed_and_those_that_are_none_refused(desk: Desk) -> None:
    ann = await desk.customer(USD="10")
    (month,) = (await desk.get(ann, "/api/statements")).json()["items"]
    assert (month["month"], month["is_complete"]) == (THIS_MONTH, False)
    for wrong in ("2026-13", "2026-1", "1999-01", "now", str(Month.of(now()).later(1))):
        for kind in ("csv", "pdf"):
            assert (await desk.get(ann, f"/api/statements/{wrong}/{kind}", 422)).json()["field"] == "month"


async def test_a_month_that_is_too_long_is_an_export(desk: Desk) -> None:
    ann = await desk.customer()
    rows: list[Any] = [UserId(UUID(ann.id)), LINES_MAX + 1]
    await desk.owner.execute(
        """
        WITH made AS MATERIALIZED (SELECT uuidv7() AS id), j AS (
            INSERT INTO journals (id, created_at, kind, reference)
            SELECT id, uuid_extract_timestamp(id), 'demo_credit', 'test:' || id FROM made
        )
        INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
        SELECT id, line, uuid_extract_timestamp(id), CASE WHEN line > $2 THEN 'bank' ELSE 'available' END,
            CASE WHEN line <= $2 THEN $1::uuid END, 'USD', CASE WHEN line > $2 THEN -1 ELSE 1 END,
            CASE WHEN line <= $2 THEN line END
        FROM made, generate_series(1, 2 * $2::integer) line
        """,
        *rows,
    )
    await desk.owner.execute("INSERT INTO balances (user_id, currency, available) VALUES ($1, 'USD', $2)", *rows)
    for kind in ("csv", "pdf"):
        refused = (await desk.get(ann, f"/api/statements/{THIS_MONTH}/{kind}", 409)).json()
        assert (refused["code"], refused["details"]["instead"]) == ("statement_too_long", "/api/exports")


async def test_a_long_month_on_paper_takes_several_pages(desk: Desk) -> None:
    ann = await desk.customer()
    for _ in range(120):
        await books.credit(desk.connection, UserId(UUID(ann.id)), "USD", Decimal("0.123456789012345678"))
    text = await desk.paper(ann)
    assert "page 3 of 3" in text
    assert text.count("0.123456789012345678") >= 120, "figures are never shortened"
    assert "14.81481468148148136" in text


async def test_books_that_do_not_add_up_make_no_statement() -> None:
    with pytest.raises(BooksDiffer):
        assets_of(opening={"USD": Decimal(1)}, closing={"USD": Decimal(2)}, lines=[], fees={}, worths={})


async def test_months_count_over_years() -> None:
    month = Month.parse("2026-01")
    assert (str(month.later(-1)), str(month.later(12)), month.end) == (
        "2025-12",
        "2027-01",
        datetime(2026, 2, 1, tzinfo=UTC),
    )
    with pytest.raises(Invalid):
        Month.parse("2026-00")
