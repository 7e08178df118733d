"""Lists that customers ask for: written aside, whole, exact, and however long."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.portfolio.exports import tasks
from bitcurrent.portfolio.exports.model import TRADE_COLUMNS, TRANSACTION_COLUMNS
from bitcurrent.portfolio.exports.tasks import Scribe
from bitcurrent.trading import repository, venue_repository
from bitcurrent.web.csv import encode_row
from tests.support import books
from tests.support.books import Ticket
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person, register

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = 200_000
MEMORY_MAX = 32 * 1024 * 1024


@dataclass(slots=True)
class Desk:
    """The application, a writer, and the books."""

    client: httpx.AsyncClient
    app: Litestar
    connection: Connection
    owner: Connection
    counts: Counter[str] = field(default_factory=Counter)

    async def customer(self, **money: str) -> Person:
        person = await register(self.client)
        for currency, amount in money.items():
            await books.credit(self.connection, UserId(UUID(person.id)), currency, Decimal(amount))
        return person

    async def ask(self, who: Person, status: int = 202, *, span: dict[str, str] | None = None, **wish: str) -> Any:
        answer = await self.client.post("/api/exports", json={**wish, **(span or {})}, headers=who.bearer)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def read(self, who: Person, export: Any) -> Any:
        return (await self.client.get(f"/api/exports/{export['id']}", headers=who.bearer)).json()

    async def write(self) -> int:
        """Write all that waits."""
        scribe, written = Scribe(self.app.state["database"], self.app.state["letters"], self.counts), 0
        while await scribe.write_next():
            written += 1
        return written

    async def rows(self, who: Person, export: Any) -> list[dict[str, str]]:
        answer = await self.client.get(f"/api/exports/{export['id']}/file", headers=who.bearer)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8"), answer.text
        return list(csv.DictReader(io.StringIO(answer.text)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[Desk]:
    async with running_api(settings_for(module_database_urls, redis_server.url)) as (client, app):
        connection = await books.connect(module_database_urls.app)
        owner = await books.connect(module_database_urls.owner)
        yield Desk(client, app, connection, owner)
        assert await books.broken_laws(connection) == []
        await connection.close()
        await owner.close()


async def test_transactions_add_up_to_the_balances(desk: Desk) -> None:
    ann = await desk.customer(USD="1000", EUR="50")
    ticket = Ticket(quantity=Decimal(2), price=Decimal(10)).order(UserId(UUID(ann.id)))
    assert (await repository.place_one(desk.connection, ticket)).outcome == "accepted"
    export = await desk.ask(ann, kind="transactions")
    assert (export["state"], export["percent"], export["file"]) == ("asked", 0, None)
    assert await desk.write() == 1
    done = await desk.read(ann, export)
    assert (done["state"], done["percent"], done["rows"], done["schema"]) == (
        "done",
        100,
        4,
        "bitcurrent.transactions.v1",
    )
    rows = await desk.rows(ann, export)
    assert tuple(rows[0]) == TRANSACTION_COLUMNS
    assert [(row["asset"], row["part"], row["amount"], row["balance_after"], row["total_after"]) for row in rows] == [
        ("USD", "available", "1000", "1000", "1000"),
        ("EUR", "available", "50", "50", "50"),
        ("USD", "available", "-20", "980", "980"),
        ("USD", "held", "20", "20", "1000"),
    ]
    assert rows[2]["reference"] == f"hold:{ticket.id}"
    message = "SELECT count(*) FROM messages WHERE user_id = $1 AND template = 'export_ready'"
    assert await desk.connection.fetchval(message, UUID(ann.id)) == 1
    story = await desk.connection.fetchval("SELECT payload FROM events WHERE subject = $1", UUID(export["id"]))
    assert story == {"kind": "transactions", "rows": "4"}


async def test_trades_tell_fee_and_net_in_what_was_received(desk: Desk) -> None:
    ann = await desk.customer(USD="1000")
    ticket = Ticket(quantity=Decimal(2), price=Decimal(10), client_order_id="=1+1").order(UserId(UUID(ann.id)))
    assert (await repository.place_one(desk.connection, ticket)).outcome == "accepted"
    await venue_repository.mark_submitted(desk.connection, ticket.id, f"venue-{ticket.id}")
    told = books.execution(f"{ticket.id}:1", Decimal(2), Decimal(9))
    assert await venue_repository.settle_fill(desk.connection, ticket.id, told) == "settled"
    export = await desk.ask(ann, kind="trades")
    await desk.write()
    (row,) = await desk.rows(ann, export)
    assert tuple(row) == TRADE_COLUMNS
    assert (row["symbol"], row["side"], row["quantity"], row["price"], row["gross"], row["gross_asset"]) == (
        "BTC/USD",
        "buy",
        "2",
        "9",
        "18",
        "USD",
    )
    assert (row["fee"], row["fee_asset"], row["net"], row["net_asset"]) == ("0.005", "BTC", "1.995", "BTC")
    # What somebody typed is text, whatever a spreadsheet would make of it.
    assert row["client_order_id"] == "'=1+1"


async def test_cells_are_exact_and_no_formulas() -> None:
    row = encode_row((Decimal("-0.000000000000000001"), "@x", "+x", "\tx", "a,b\n", None, Decimal("1E+3")))
    assert row == b"-0.000000000000000001,'@x,'+x,'\tx,\"a,b\n\",,1000\r\n"


async def test_a_span_is_kept_and_one_that_is_none_refused(desk: Desk) -> None:
    ann = await desk.customer(USD="1000")
    early = await desk.ask(
        ann, kind="transactions", span={"from": "2021-01-01T00:00:00Z", "until": "2021-02-01T00:00:00Z"}
    )
    await desk.write()
    assert await desk.rows(ann, early) == []
    refused = await desk.ask(ann, 422, kind="transactions", span={"from": "2090-01-01T00:00:00Z"})
    assert refused["field"] == "from"
    assert (await desk.ask(ann, 422, kind="transactions", span={"from": "2021-01-01T00:00:00"}))["field"] == "from"
    await desk.ask(ann, 422, kind="secrets")


async def test_three_wait_at_most_and_none_is_fetched_before_its_time(desk: Desk) -> None:
    ann, ben = await desk.customer(USD="1"), await desk.customer()
    asked = [await desk.ask(ann, kind="trades") for _ in range(3)]
    assert (await desk.ask(ann, 409, kind="trades"))["code"] == "exports_waiting"
    file = f"/api/exports/{asked[0]['id']}/file"
    early = await desk.client.get(file, headers=ann.bearer)
    assert (early.status_code, early.json()["code"]) == (409, "export_not_ready")
    assert await desk.write() == 3
    assert (await desk.client.get(file, headers=ben.bearer)).status_code == 404
    listed = (await desk.client.get("/api/exports", params={"limit": 2}, headers=ann.bearer)).json()
    assert [item["id"] for item in listed["items"]] == [asked[2]["id"], asked[1]["id"]]
    rest = (await desk.client.get("/api/exports", params={"cursor": listed["next"]}, headers=ann.bearer)).json()
    assert [item["id"] for item in rest["items"]] == [asked[0]["id"]]


async def test_a_list_whose_writer_died_is_begun_anew_and_given_up_in_the_end(desk: Desk) -> None:
    ann = await desk.customer(USD="1000")
    export = await desk.ask(ann, kind="transactions")
    age = "UPDATE exports SET claimed_at = now() - interval '1 hour' WHERE id = $1"
    dead = "UPDATE exports SET state = 'running', attempts = $2, claimed_at = now() WHERE id = $1"
    await desk.owner.execute(dead, UUID(export["id"]), 1)
    await desk.owner.execute("INSERT INTO export_pieces VALUES ($1, 0, 'half')", UUID(export["id"]))
    assert await desk.write() == 0, "its writer may still live"
    await desk.owner.execute(age, UUID(export["id"]))
    assert await desk.write() == 1
    assert len(await desk.rows(ann, export)) == 1
    hopeless = await desk.ask(ann, kind="transactions")
    await desk.owner.execute(dead, UUID(hopeless["id"]), 3)
    await desk.owner.execute(age, UUID(hopeless["id"]))
    assert await desk.write() == 0
    assert (await desk.read(ann, hopeless))["state"] == "failed"


async def test_what_is_over_is_forgotten_with_its_pieces(desk: Desk) -> None:
    ann = await desk.customer(USD="1000")
    export = await desk.ask(ann, kind="transactions")
    await desk.write()
    over = "UPDATE exports SET expires_at = now() - interval '1 second' WHERE id = $1"
    await desk.owner.execute(over, UUID(export["id"]))
    assert (await desk.read(ann, export))["code"] == "no_such_export"
    await Scribe(desk.app.state["database"], desk.app.state["letters"], desk.counts)._purge()
    left = "SELECT count(*) FROM export_pieces WHERE export_id = $1"
    assert await desk.owner.fetchval(left, UUID(export["id"])) == 0


async def _much(connection: Connection, user_id: UUID) -> None:
    """Two hundred thousand lines of one customer, a hundred to a journal."""
    await connection.execute(
        """
        WITH made AS MATERIALIZED (SELECT uuidv7() AS id, n FROM generate_series(1, $2::integer / 100) n), j AS (
            INSERT INTO journals (id, created_at, kind, reference)
            SELECT id, uuid_extract_timestamp(id), 'demo_credit', 'test:' || id FROM made
        )
        INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
        SELECT id, line, uuid_extract_timestamp(id), CASE WHEN line > 100 THEN 'bank' ELSE 'available' END,
            CASE WHEN line <= 100 THEN $1::uuid END, 'USD', CASE WHEN line > 100 THEN -1 ELSE 1 END,
            CASE WHEN line <= 100 THEN (n - 1) * 100 + line END
        FROM made, generate_series(1, 200) line
        """,
        user_id,
        LINES,
    )
    await connection.execute(
        "INSERT INTO balances (user_id, currency, available) VALUES ($1, 'USD', $2)", user_id, LINES
    )


async def test_two_hundred_thousand_lines_take_no_more_memory_than_a_few(desk: Desk) -> None:
    ann = await desk.customer()
    await _much(desk.owner, UUID(ann.id))
    export = await desk.ask(ann, kind="transactions")
    writing = asyncio.create_task(desk.write())
    memory = psutil.Process().memory_info
    before, peak = memory().rss, 0
    while not writing.done():
        peak = max(peak, memory().rss - before)
        await asyncio.sleep(0.01)
    assert await writing == 1
    done = await desk.read(ann, export)
    assert (done["state"], done["rows"]) == ("done", LINES)
    sizes = await desk.owner.fetch("SELECT length(body) FROM export_pieces WHERE export_id = $1", UUID(export["id"]))
    print(f"export: {LINES:,} lines, {done['bytes'] / 1e6:.1f} MB in {len(sizes)} pieces, peak {peak / 1e6:.1f} MB")
    assert peak < MEMORY_MAX
    assert max(row[0] for row in sizes) < 2 * tasks.PIECE_BYTES
    last = b""
    async with desk.client.stream("GET", f"/api/exports/{export['id']}/file", headers=ann.bearer) as answer:
        async for chunk in answer.aiter_bytes():
            last = (last + chunk)[-400:]
    cells = last.decode().splitlines()[-1].split(",")
    assert (cells[8], cells[9]) == (str(LINES), str(LINES))
