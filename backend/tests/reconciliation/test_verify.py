"""The proof of the books sees what is wrong: each law broken on purpose, as only the owner without guards could."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO

import asyncpg
import pytest
from rich.console import Console

from bitcurrent.audit.service import record, seal_batch
from bitcurrent.funding.laws import FUNDING_LAWS
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres
from bitcurrent.ledger.verification import Report, ask
from bitcurrent.reconciliation.commands import verify as command
from bitcurrent.reconciliation.service import LAWS, verify
from bitcurrent.trading import repository, venue_repository
from tests.support import books
from tests.support.books import Ticket
from tests.support.brokerage import settings_for
from tests.support.databases import fresh_database


@dataclass(frozen=True, slots=True)
class Books:
    """A customer with 1,000 USD who bought a coin and has an order open; `owner` may switch the guards off."""

    app: Connection
    owner: Connection
    user_id: UserId

    async def broken_by(self, change: str) -> Report:
        """What the laws say of a change that is then undone."""
        transaction = self.owner.transaction()
        await transaction.start()
        try:
            await self.owner.execute(change)
            return await ask(self.owner, LAWS)
        finally:
            await transaction.rollback()


@pytest.fixture(scope="module")
def books_url(postgres: ScratchPostgres, migrated_template: str) -> Iterator[DatabaseUrls]:
    """A database of this module's own, so that every test finds the same little life in it."""
    with fresh_database(postgres, migrated_template) as urls:
        asyncio.run(live_a_little(urls))
        yield urls


@pytest.fixture
async def life(books_url: DatabaseUrls) -> AsyncIterator[Books]:
    app, owner = await books.connect(books_url.app), await books.connect(books_url.owner)
    user_id = await app.fetchval("SELECT user_id FROM fills ORDER BY created_at LIMIT 1")
    yield Books(app, owner, user_id)
    assert await books.broken_laws(app) == []
    await app.close()
    await owner.close()


async def live_a_little(urls: DatabaseUrls) -> None:
    app = await books.connect(urls.app)
    user_id = await books.customer(app, USD="1000")
    filled, waiting = Ticket().order(user_id), Ticket(quantity=Decimal(2)).order(user_id)
    for order in (filled, waiting):
        assert (await repository.place_one(app, order)).outcome == "accepted"
    told = books.execution("x-1", Decimal(1), Decimal(9))
    assert await venue_repository.settle_fill(app, filled.id, told) == "settled"
    await app.close()


async def test_sound_books_keep_every_law(life: Books) -> None:
    report = await verify(life.app)
    assert report.holds
    assert [finding.law for finding in report.findings] == list(LAWS)
    # None of them is kept only because it looked at nothing; tests/funding sees to those of funding.
    unasked = [finding.law for finding in report.findings if not finding.checked]
    assert [law.title for law in unasked if law not in FUNDING_LAWS] == []


UNGUARDED = "ALTER TABLE {0} DISABLE TRIGGER ALL; {1}"
NEW_LINE = """
    INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
    SELECT id, 9, created_at, {values} FROM journals WHERE kind = 'fill'
"""


@pytest.mark.parametrize(
    ("table", "act", "laws", "names"),
    [
        ("entries", NEW_LINE.format(values="'fees', NULL::uuid, 'USD', 1, NULL"), "I1 L2 I4", "is out by 1 USD"),
        ("balances", "UPDATE balances SET available = available + 1 WHERE currency = 'USD'", "I2 I2", "entries say"),
        (
            "balances",
            "UPDATE balances SET available = available + 1, held = held - 1 WHERE held > 0",
            "I2 I2 I7",
            "orders hold 20",
        ),
        (
            "entries",
            "UPDATE entries SET balance_after = balance_after + 1 WHERE account = 'held' AND amount < 0",
            "I2",
            "do not lead from nothing",
        ),
        ("balances", "INSERT INTO balances VALUES (uuidv7(), 'USD', 1, 0)", "I2", "available 1"),
        ("journal_references", "DELETE FROM journal_references WHERE reference = 'fill:x-1'", "I4", "is not taken"),
        ("journal_references", "INSERT INTO journal_references VALUES ('deposit:9', uuidv7())", "I4", "no journal"),
        ("journals", "UPDATE journals SET reference = 'fill:x-2' WHERE kind = 'fill'", "I4 I4", "booked as fill:x-2"),
        (
            "journals",
            """WITH i AS (SELECT uuidv7() AS id) INSERT INTO journals
            SELECT id, uuid_extract_timestamp(id), 'test', 'fill:x-1' FROM i""",
            "I4 L1",
            "belongs to journal",
        ),
        ("entries", "DELETE FROM entries WHERE journal_id IN (SELECT id FROM journals WHERE kind = 'fill')", "", ""),
        (
            "entries",
            """WITH i AS (SELECT uuidv7() AS id) INSERT INTO entries
            SELECT id, n, uuid_extract_timestamp(id), 'fees', NULL, 'USD', 3 - 2 * n, NULL
            FROM i, generate_series(1, 2) AS n""",
            "L1",
            "have no journal",
        ),
        ("entries", "UPDATE entries SET account = 'pocket' WHERE account = 'fees'", "L3 I4", "unknown account pocket"),
        ("fills", "DELETE FROM fills", "I4 I5", "has no fill"),
        ("fills", "UPDATE fills SET fee = fee * 2", "I4 I5", "fee 0.005"),
        ("fills", "UPDATE fills SET cost = cost - 1", "I4 I5", "paid 8 and booked 9"),
        ("fills", "UPDATE fills SET execution_id = 'x-9'", "I4", "booked as fill:x-1"),
        (
            "fills",
            """WITH i AS (SELECT uuidv7() AS id) INSERT INTO fills SELECT i.id, uuid_extract_timestamp(i.id), 'x-9',
            order_id, user_id, market, side, quantity, price, cost, fee, fee_currency, fee_bps, liquidity, filled_at
            FROM fills, i""",
            "I4 I5",
            "of execution x-9 has no journal",
        ),
        ("orders", "UPDATE orders SET held = held + 1 WHERE finished_at IS NULL", "I7", "orders hold 21"),
        ("orders", "UPDATE orders SET hold_amount = hold_amount + 1 WHERE finished_at IS NULL", "I4", "should hold 21"),
        ("orders", "UPDATE orders SET filled_quantity = 0 WHERE finished_at IS NOT NULL", "I5", "says 0 filled"),
        ("orders", "DELETE FROM orders WHERE finished_at IS NULL", "I4 I7", "has no order"),
        ("orders", "UPDATE orders SET unknown_since = now() WHERE finished_at IS NOT NULL", "I7", "still waits"),
    ],
)
async def test_a_break_is_seen_and_named(life: Books, table: str, act: str, laws: str, names: str) -> None:
    report = await life.broken_by(UNGUARDED.format(table, act))
    found = [finding.law.key for finding in report.broken]
    assert found, "the harness did not see it"
    if laws:
        assert found == laws.split()
        assert any(names in text for finding in report.broken for text in finding.breaks), texts(report)


async def test_a_negative_balance_is_seen_even_without_its_check(life: Books) -> None:
    report = await life.broken_by(
        "ALTER TABLE balances DROP CONSTRAINT ck_balances_available_not_negative;"
        "UPDATE balances SET available = -1 WHERE currency = 'USD'"
    )
    assert "I3" in [finding.law.key for finding in report.broken]


async def test_an_order_that_ended_with_its_hold_is_seen_even_without_its_check(life: Books) -> None:
    report = await life.broken_by(
        "ALTER TABLE orders DROP CONSTRAINT ck_orders_ended_holds_nothing;"
        "UPDATE orders SET state = 'canceled', finished_at = now() WHERE finished_at IS NULL"
    )
    assert [finding.law.key for finding in report.broken] == ["I7"]
    assert "is canceled and holds 20 USD" in texts(report)


async def test_only_the_first_breaks_are_named_and_all_are_counted(life: Books) -> None:
    report = await life.broken_by(
        "INSERT INTO balances (user_id, currency, available) SELECT uuidv7(), 'USD', 1 FROM generate_series(1, 40)"
    )
    (finding,) = report.broken
    assert (finding.broken, len(finding.breaks)) == (40, 5)


async def test_all_laws_are_asked_of_one_moment(life: Books, books_url: DatabaseUrls) -> None:
    """Money moves all the time while the laws are asked; no law may see one half of a journal."""
    stop = asyncio.Event()

    async def trade() -> int:
        connection, count = await books.connect(books_url.app), 0
        while not stop.is_set():
            who = await books.customer(connection, USD="100")
            order = Ticket().order(who)
            await repository.place_one(connection, order)
            told = books.execution(str(order.id), Decimal(1), Decimal(10))
            await venue_repository.settle_fill(connection, order.id, told)
            count += 1
        await connection.close()
        return count

    traders = [asyncio.create_task(trade()) for _ in range(3)]
    reports = [await verify(life.app) for _ in range(20)]
    stop.set()
    assert sum(await asyncio.gather(*traders)) > 20
    assert [texts(report) for report in reports if not report.holds] == []


async def test_proving_changes_nothing_and_waits_for_nobody(life: Books) -> None:
    async with life.owner.transaction():
        await life.owner.execute("UPDATE balances SET available = available WHERE true")
        await life.owner.execute("SELECT * FROM orders FOR UPDATE")
        report = await asyncio.wait_for(verify(life.app), 5)
    assert report.holds
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with life.app.transaction(readonly=True):
            await books.credit(life.app, life.user_id, "USD", Decimal(1))


async def test_the_command_shows_a_table_and_its_exit_code_says_it(
    life: Books, books_url: DatabaseUrls, redis_url: str
) -> None:
    code, text = await run(books_url, redis_url)
    assert code == 0
    assert "I7" in text
    assert f"All {len(LAWS) + 1} laws are kept." in text  # with the audit log's
    async with one_dollar_too_many(life):
        code, text = await run(books_url, redis_url)
    assert code == 1
    assert "BROKEN" in text
    assert str(life.user_id) in text


async def test_the_command_speaks_json_to_programs(life: Books, books_url: DatabaseUrls, redis_url: str) -> None:
    async with one_dollar_too_many(life):
        code, text = await run(books_url, redis_url, as_json=True)
    found = json.loads(text)
    assert (code, found["kept"]) == (1, False)
    (law, _) = [law for law in found["laws"] if law["broken"]]
    assert (law["law"], law["broken"]) == ("I2", 1)
    assert str(life.user_id) in law["breaks"][0]


async def test_the_command_follows_the_audit_log_too(life: Books, books_url: DatabaseUrls, redis_url: str) -> None:
    await record(life.app, actor_id=life.user_id, action="session.opened", subject=f"user:{life.user_id}")
    async with life.app.transaction():
        assert await seal_batch(life.app) == 1
    code, text = await run(books_url, redis_url, as_json=True)
    (law,) = [law for law in json.loads(text)["laws"] if law["law"] == "I9"]
    assert (code, law["checked"], law["broken"]) == (0, 1, 0)
    for address in ("203.0.113.7", None):  # changed, and put back
        await life.owner.execute("ALTER TABLE audit_logs DISABLE TRIGGER ALL")
        await life.owner.execute("UPDATE audit_logs SET address = $1", address)
        await life.owner.execute("ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER no_change")
        code, text = await run(books_url, redis_url, as_json=True)
        (law,) = [law for law in json.loads(text)["laws"] if law["law"] == "I9"]
        assert (code, law["broken"]) == ((1, 1) if address else (0, 0))


async def test_books_that_cannot_be_read_are_not_called_sound(redis_url: str) -> None:
    nowhere = DatabaseUrls(owner="", app="postgresql://nobody@127.0.0.1:9/nothing")
    code, text = await run(nowhere, redis_url)
    assert code == 2
    assert "cannot be read" in text


@asynccontextmanager
async def one_dollar_too_many(life: Books) -> AsyncIterator[None]:
    """A break that others see, put right again."""
    change = "UPDATE balances SET available = available + $2 WHERE user_id = $1 AND currency = 'USD'"
    await life.owner.execute(change, life.user_id, 1)
    try:
        yield
    finally:
        await life.owner.execute(change, life.user_id, -1)


async def run(urls: DatabaseUrls, redis_url: str, *, as_json: bool = False) -> tuple[int, str]:
    """The command, in a thread with a loop of its own."""
    console = Console(record=True, width=160, file=StringIO())
    code = await asyncio.to_thread(command, settings_for(urls, redis_url), as_json=as_json, console=console)
    return code, console.export_text()


def texts(report: Report) -> str:
    """Everything that a report complains of."""
    return "; ".join(text for finding in report.broken for text in finding.breaks)
