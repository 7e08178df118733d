"""What the database itself refuses, whoever asks: the app's role, the owner, and even replication mode."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres
from bitcurrent.ledger.model import Journal, Move, available, held, house
from bitcurrent.ledger.service import InsufficientFunds, post
from bitcurrent.trading import repository
from tests.support import books

APPEND_ONLY = ("entries", "journals", "journal_references", "events")
GUARDED = (
    "balances",
    "entries",
    "journals",
    "journal_references",
    "fills",
    "positions",
    "trading_volumes",
    "order_keys",
)
ENTRY = """
    INSERT INTO {table} (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
    VALUES ($1, $2, uuid_extract_timestamp($1), 'venue', NULL, $3, $4, NULL)
"""
JOURNAL = "INSERT INTO {table} (id, created_at, kind, reference) VALUES ($1, uuid_extract_timestamp($1), 'test', $2)"


@dataclass(frozen=True, slots=True)
class Books:
    """Both roles on one database, and a customer with 100 USD and an order of 10."""

    app: Connection
    owner: Connection
    user_id: UserId
    order_id: UUID


@pytest.fixture
async def books_(module_database_urls: DatabaseUrls) -> AsyncIterator[Books]:
    app = await books.connect(module_database_urls.app)
    owner = await books.connect(module_database_urls.owner)
    user_id = await books.customer(app, USD="100")
    placed = await repository.place_one(app, books.Ticket().order(user_id))
    assert placed.order_id is not None
    yield Books(app, owner, user_id, placed.order_id)
    # Whatever was refused has changed nothing.
    assert await books.broken_laws(app) == []
    assert await books.balance(app, user_id, "USD") == (Decimal(90), Decimal(10))
    await app.close()
    await owner.close()


def this_month(table: str, month: datetime | None = None) -> str:
    return f"{table}_p{month or datetime.now(UTC):%Y%m}"


def id_at(moment: datetime) -> UUID:
    """An id of version 7 that names a moment of our choice."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=new_id().int & (1 << 80) - 1 | milliseconds << 80)


@pytest.mark.parametrize("into", ["the table", "its partition"])
async def test_the_owner_cannot_write_an_unbalanced_journal(books_: Books, into: str) -> None:
    table = "entries" if into == "the table" else this_month("entries")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="is unbalanced by 5"):
        await books_.owner.execute(ENTRY.format(table=table), new_id(), 1, "USD", Decimal(5))


async def test_a_journal_that_balances_only_across_assets_is_refused(books_: Books) -> None:
    one = new_id()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="is unbalanced"):
        await books_.owner.execute(
            "INSERT INTO entries (journal_id, line, created_at, account, currency, amount) VALUES "
            "($1, 1, uuid_extract_timestamp($1), 'venue', 'USD', 5), "
            "($1, 2, uuid_extract_timestamp($1), 'venue', 'BTC', -5)",
            one,
        )


async def test_the_door_refuses_an_unbalanced_or_empty_journal_and_what_is_not_a_number(books_: Books) -> None:
    call = "SELECT post_journal($1, 'test', 'test:never', NULL, $2, $3, $4, $5)"
    wrong: list[tuple[list[str], list[UUID | None], list[str], list[Decimal]]] = [
        (["available", "bank"], [books_.user_id, None], ["USD", "USD"], [Decimal(5), Decimal(-4)]),
        (["available", "bank"], [books_.user_id, None], ["USD", "USD"], [Decimal("NaN"), Decimal("NaN")]),
        (["available", "bank"], [books_.user_id, None], ["USD", "USD"], [Decimal("Infinity"), Decimal("-Infinity")]),
        (["available", "bank"], [None, None], ["USD", "USD"], [Decimal(5), Decimal(-5)]),
        (["fees", "bank"], [books_.user_id, None], ["USD", "USD"], [Decimal(5), Decimal(-5)]),
        ([], [], [], []),
    ]
    for arguments in wrong:
        with pytest.raises((asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)):
            await books_.app.execute(call, new_id(), *arguments)


async def test_the_same_reference_twice_posts_once(books_: Books) -> None:
    who = await books.customer(books_.app)
    assert await books.credit(books_.app, who, "USD", Decimal(7), f"deposit:{books_.user_id}")
    assert not await books.credit(books_.app, who, "USD", Decimal(7), f"deposit:{books_.user_id}")
    assert await books.balance(books_.app, who, "USD") == (Decimal(7), Decimal(0))


async def test_two_who_post_the_same_reference_at_once_post_it_once(
    books_: Books, module_database_urls: DatabaseUrls
) -> None:
    who = await books.customer(books_.app)
    other = await books.connect(module_database_urls.app)
    async with books_.app.transaction():
        assert await books.credit(books_.app, who, "USD", Decimal(7), f"deposit:{books_.user_id}")
        second = asyncio.create_task(books.credit(other, who, "USD", Decimal(7), f"deposit:{books_.user_id}"))
        await asyncio.sleep(0.1)
        assert not second.done(), "the second waits for the outcome of the first"
    assert await second is False
    assert await books.balance(books_.app, who, "USD") == (Decimal(7), Decimal(0))
    await other.close()


@pytest.mark.parametrize("into", ["the table", "its partition"])
@pytest.mark.parametrize("month", ["this month", "another month"])
async def test_a_second_journal_with_the_same_reference_is_refused(books_: Books, into: str, month: str) -> None:
    await books.credit(books_.app, await books.customer(books_.app), "USD", Decimal(7), f"deposit:{books_.user_id}")
    moment = datetime.now(UTC) if month == "this month" else datetime.now(UTC) + timedelta(days=40)
    table = "journals" if into == "the table" else this_month("journals", moment)
    with pytest.raises(asyncpg.UniqueViolationError, match="journal_references"):
        await books_.owner.execute(JOURNAL.format(table=table), id_at(moment), f"deposit:{books_.user_id}")


async def test_a_hold_carries_its_orders_id(books_: Books) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="hold_is_order"):
        await books_.owner.execute(
            "INSERT INTO journals (id, created_at, kind, reference) "
            "VALUES ($1, uuid_extract_timestamp($1), 'hold', 'hold:something')",
            new_id(),
        )


async def test_an_id_cannot_be_used_again_in_another_month(books_: Books) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="time_is_in_id"):
        await books_.owner.execute(
            "INSERT INTO journals (id, created_at, kind, reference) VALUES ($1, now() + interval '32 days', 'x', 'y')",
            books_.order_id,
        )


@pytest.mark.parametrize("table", [*APPEND_ONLY, "entries_p", "journals_p", "events_p"])
@pytest.mark.parametrize("act", ["UPDATE {0} SET created_at = now()", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_nobody_changes_what_is_written(
    books_: Books, postgres: ScratchPostgres, module_database_urls: DatabaseUrls, table: str, act: str
) -> None:
    name = this_month(table[:-2]) if table.endswith("_p") else table
    statement = act.format(name)
    if table == "journal_references":
        statement = statement.replace("created_at = now()", "reference = reference")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await books_.app.execute(statement)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="only ever added to"):
        await books_.owner.execute(statement)
    # Replication mode skips ordinary triggers; ours are not ordinary. Only a superuser may turn it on.
    database = module_database_urls.owner.rpartition("/")[2]
    with pytest.raises(Exception, match="only ever added to"):
        postgres.cluster.sql(f"SET session_replication_role = replica; {statement};", database)


async def test_replication_mode_is_not_for_the_owner_and_does_not_unbalance(
    books_: Books, postgres: ScratchPostgres, module_database_urls: DatabaseUrls
) -> None:
    for connection in (books_.app, books_.owner):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SET session_replication_role = replica")
    database = module_database_urls.owner.rpartition("/")[2]
    for table in ("entries", this_month("entries")):
        with pytest.raises(Exception, match="is unbalanced"):
            postgres.cluster.sql(
                "SET session_replication_role = replica; WITH i AS (SELECT uuidv7() AS id) "
                f"INSERT INTO {table} (journal_id, line, created_at, account, currency, amount) "
                "SELECT id, 1, uuid_extract_timestamp(id), 'venue', 'USD', 5 FROM i;",
                database,
            )


async def test_partitions_of_later_months_are_guarded_as_well(books_: Books) -> None:
    await books_.owner.execute("SELECT ensure_partitions(14)")
    found = await books_.owner.fetch(
        """
        SELECT p.relname AS parent, c.relname AS partition, array_agg(t.tgname::text ORDER BY t.tgname) AS guards
        FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent AND p.relkind = 'p'
        JOIN pg_class c ON c.oid = i.inhrelid LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgenabled = 'A'
        WHERE p.relname IN ('entries', 'journals', 'events') GROUP BY 1, 2
        """
    )
    expected = {
        "entries": ["balanced", "no_change", "no_truncate"],
        "journals": ["adjustment_granted", "no_change", "no_truncate", "reference_once"],
        "events": ["no_change", "no_truncate"],
    }
    assert len(found) == 3 * 16
    assert {row["partition"]: row["guards"] for row in found if row["guards"] != expected[row["parent"]]} == {}


@pytest.mark.parametrize("role", ["app", "owner"])
async def test_a_balance_is_never_negative(books_: Books, role: str) -> None:
    connection: Connection = getattr(books_, role)
    too_much = (
        Journal(
            kind="test",
            reference="test:2",
            moves=(Move(source=available(books_.user_id, "USD"), target=house("bank", "USD"), amount=Decimal(91)),),
        ),
        Journal(
            kind="test",
            reference="test:3",
            moves=(Move(source=held(books_.user_id, "USD"), target=house("bank", "USD"), amount=Decimal(11)),),
        ),
    )
    for journal in too_much:
        with pytest.raises(InsufficientFunds):
            async with connection.transaction():
                await post(connection, journal)
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError)):
        await connection.execute("UPDATE balances SET available = -1")


async def test_an_ended_order_cannot_hold_and_no_order_fills_beyond_its_quantity(books_: Books) -> None:
    for change in (
        "state = 'canceled', finished_at = now()",
        "finished_at = now(), held = 0",
        "held = -1",
        "filled_quantity = quantity + 1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await books_.owner.execute(f"UPDATE orders SET {change}")


@pytest.mark.parametrize("table", GUARDED)
async def test_the_app_cannot_write_money_by_itself(books_: Books, table: str) -> None:
    column = await books_.owner.fetchval(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1 LIMIT 1", table
    )
    for statement in (
        f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1",
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await books_.app.execute(statement)


@pytest.mark.parametrize(
    "column",
    ["held", "hold_amount", "filled_quantity", "filled_cost", "fee", "fee_bps", "finished_at", "user_id", "quantity"],
)
async def test_the_app_cannot_write_the_money_of_an_order(books_: Books, column: str) -> None:
    for table in ("orders", this_month("orders")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await books_.app.execute(f"UPDATE {table} SET {column} = {column}")


async def test_the_app_owns_nothing_and_makes_nothing(books_: Books) -> None:
    owned = await books_.owner.fetch("SELECT relname FROM pg_class WHERE relowner = 'bitcurrent_app'::regrole")
    assert owned == []
    attempts = (
        "CREATE TABLE mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER mine AFTER INSERT ON entries EXECUTE FUNCTION refuse_change()",
        "CREATE ROLE mine",
        "CREATE EXTENSION pg_trgm",
        "DROP TABLE feedback, entries",
        "DROP TABLE entries",
        "DROP FUNCTION refuse_change() CASCADE",
        "DROP TRIGGER balanced ON entries",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "ALTER TABLE entries DETACH PARTITION " + this_month("entries"),
        "ALTER TABLE balances DROP CONSTRAINT ck_balances_available_not_negative",
        "ALTER TABLE entries OWNER TO bitcurrent_app",
        "ALTER ROLE bitcurrent_app SUPERUSER",
        "SET ROLE bitcurrent_owner",
        "SET SESSION AUTHORIZATION bitcurrent_owner",
        "COPY entries FROM PROGRAM 'true'",
    )
    let_through = [text for text in attempts if not await refused(books_.app, text)]
    assert let_through == []


async def test_functions_inside_the_money_are_not_doors_of_their_own(books_: Books) -> None:
    calls: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("SELECT move_position($1, 'BTC', 'buy', 5, 5, 0)", (books_.user_id,)),
        ("SELECT hand_over_hold(o) FROM orders o WHERE id = $1", (books_.order_id,)),
        ("SELECT guard_partition('entries', 'balances')", ()),
    )
    for call, arguments in calls:
        before = await books_.owner.fetch("SELECT * FROM positions")
        try:
            await books_.app.execute(call, *arguments)
        except asyncpg.InsufficientPrivilegeError:
            continue
        assert await books_.owner.fetch("SELECT * FROM positions") == before, call


async def refused(connection: Connection, statement: str) -> bool:
    """Whether a statement failed, for whatever reason; one that did not is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError:
        return True
    else:
        return False
    finally:
        await transaction.rollback()
