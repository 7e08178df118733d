"""A database of the time before encryption comes along whole, and nothing lies open in it any more."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest
from alembic import command

from bitcurrent import migrate
from bitcurrent.kernel.crypto import BadKeys, Vault
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres
from tests.support.brokerage import BLIND_INDEX_KEY, ENCRYPTION_KEYS
from tests.support.dumps import dump, found_in

VAULT = Vault.from_text(ENCRYPTION_KEYS, BLIND_INDEX_KEY)
PEOPLE = {f"before{number}@canary.test": f"Canary Person {number}" for number in range(1_100)}  # several batches


async def upgraded(url: str, vault: Vault | None, revision: str) -> None:
    """In a thread: migrations may run an event loop of their own."""
    config = migrate.alembic_config(url, vault)
    with ThreadPoolExecutor(max_workers=1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, command.upgrade, config, revision)


@pytest.fixture
async def older(empty_database_urls: DatabaseUrls) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """The owner of a database as it was before, with people in it."""
    await upgraded(empty_database_urls.owner, None, "0002")
    owner = await asyncpg.connect(empty_database_urls.owner)
    await owner.executemany(
        "INSERT INTO users (id, email, display_name, password_hash) VALUES ($1, $2, $3, 'none')",
        [(new_id(), email, name) for email, name in PEOPLE.items()],
    )
    yield owner
    await owner.close()


async def test_without_the_keys_nothing_is_changed(
    older: "asyncpg.Connection[Any]", empty_database_urls: DatabaseUrls
) -> None:
    with pytest.raises(BadKeys, match="BITCURRENT_ENCRYPTION_KEYS"):
        await upgraded(empty_database_urls.owner, None, "0003")
    assert await older.fetchval("SELECT version_num FROM alembic_version") == "0002"
    assert await older.fetchval("SELECT count(*) FROM users WHERE email LIKE 'before%'") == len(PEOPLE)


async def test_everybody_is_encrypted_found_and_readable(
    older: "asyncpg.Connection[Any]", empty_database_urls: DatabaseUrls, postgres: ScratchPostgres
) -> None:
    assert found_in(dump(empty_database_urls.owner), "@canary.test", "Canary Person")
    await upgraded(empty_database_urls.owner, VAULT, "0003")
    rows = {row["email_index"]: row for row in await older.fetch("SELECT * FROM users")}
    for email, name in PEOPLE.items():
        row = rows[VAULT.blind_index(email, purpose="users.email")]
        record = VAULT.open_record(row["data_key"], table="users", row=row["id"])
        assert record.decrypt(row["email_encrypted"], column="email_encrypted") == email.encode()
        assert record.decrypt(row["display_name_encrypted"], column="display_name_encrypted") == name.encode()
    assert not found_in(dump(empty_database_urls.owner), "@canary.test", "Canary Person")
    # Nor in the table's very file, where dead rows and dropped columns would lie.
    postgres.cluster.sql("CHECKPOINT;")
    name = empty_database_urls.owner.rpartition("/")[2].partition("?")[0]
    file = postgres.cluster.sql("SELECT encode(pg_read_binary_file(pg_relation_filepath('users')), 'hex');", name)
    assert len(file) > 100_000
    assert not found_in(file.encode(), "@canary.test", "Canary Person")
