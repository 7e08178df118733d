"""The pool: what a canceled task leaves behind never swallows somebody's commit."""

import asyncio
import random

import pytest

from bitcurrent.kernel.database import Database, StatementNotCommitted
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.launcher.scratch import DatabaseUrls

CANCELED_TASKS = 1500


async def test_a_statement_inside_a_forgotten_transaction_is_refused_and_undone(database_urls: DatabaseUrls) -> None:
    database = await Database.connect(database_urls.owner, connections_min=1, connections_max=1)
    try:
        async with database.read() as connection:
            await connection.execute("CREATE TABLE kept (n int)")
        with pytest.raises(StatementNotCommitted):
            await insert_in_a_forgotten_transaction(database)
        async with database.statement() as connection:
            await connection.execute("INSERT INTO kept VALUES (2)")
        async with database.read() as connection:
            assert await connection.fetchval("SELECT array_agg(n) FROM kept") == [2]
    finally:
        await database.close()


async def insert_in_a_forgotten_transaction(database: Database) -> None:
    async with database.statement() as connection:
        await connection.execute("BEGIN")  # what a canceled task has left open
        await connection.execute("INSERT INTO kept VALUES (1)")


async def test_what_was_answered_is_kept_while_other_tasks_are_canceled(database_urls: DatabaseUrls) -> None:
    database = await Database.connect(database_urls.owner, connections_min=4, connections_max=4)
    seed = 7
    pauses = random.Random(seed)
    answered: list[int] = []

    async def read_long() -> None:
        async with database.transaction() as connection:
            await connection.fetchval("SELECT count(*) FROM kept, pg_sleep(0.001)")

    async def write(number: int) -> None:
        try:
            async with database.statement() as connection:
                await connection.execute("INSERT INTO kept VALUES ($1)", number)
        except StatementNotCommitted:
            return
        answered.append(number)

    async def cancel_some(number: int) -> None:
        task = asyncio.create_task(read_long())
        await asyncio.sleep(pauses.uniform(0, 0.003))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await write(number)

    try:
        async with database.read() as connection:
            await connection.execute("CREATE TABLE kept (n int PRIMARY KEY)")
        for start in range(0, CANCELED_TASKS, 50):
            await asyncio.gather(*(cancel_some(number) for number in range(start, start + 50)), return_exceptions=True)
        other = await Database.connect(database_urls.owner, connections_min=1, connections_max=1)
        async with other.read() as connection:
            kept = {row["n"] for row in await connection.fetch("SELECT n FROM kept")}
        await other.close()
        print(f"seed {seed}: {CANCELED_TASKS} canceled transactions, {len(answered)} answered writes")
        assert len(answered) > CANCELED_TASKS * 0.9
        assert set(answered) <= kept
    finally:
        await database.close()


async def test_a_pool_with_nothing_free_says_so(database_urls: DatabaseUrls) -> None:
    database = await Database.connect(database_urls.app, connections_min=1, connections_max=1, wait_seconds=0.2)
    try:
        async with database.read():
            with pytest.raises(Unavailable):
                async with database.read():
                    pass
    finally:
        await database.close()
