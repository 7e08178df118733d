"""Rotating the key-encryption key: nothing is lost, whoever is killed, and the old key is needed no more."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from bitcurrent.identity import repository
from bitcurrent.kernel import rewrapping
from bitcurrent.kernel.crypto import Undecipherable, UnknownKey, Vault, new_key
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.brokerage import BLIND_INDEX_KEY, settings_for

OLD, NEW = f"old:{new_key()}", f"new:{new_key()}"
OLD_VAULT = Vault.from_text(OLD, BLIND_INDEX_KEY)
BOTH_VAULT = Vault.from_text(f"{NEW},{OLD}", BLIND_INDEX_KEY)
NEW_VAULT = Vault.from_text(NEW, BLIND_INDEX_KEY)
PEOPLE = 450  # more than two batches


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(database_urls.app, connections_min=1, connections_max=4)
    yield opened
    await opened.close()


async def people(database: Database, vault: Vault, count: int = PEOPLE, *, name: str = "p") -> list[UserId]:
    made = []
    async with database.transaction() as connection:
        for number in range(count):
            user_id = UserId(new_id())
            await repository.insert_user(
                connection,
                vault,
                user_id=user_id,
                email=f"{name}{number}@example.test",
                display_name=f"{name} {number}",
                password_hash="none",
                role="customer",
            )
            made.append(user_id)
    return made


async def all_read(database: Database, vault: Vault, users: list[UserId], *, name: str = "p") -> bool:
    async with database.read() as connection:
        found = [await repository.find_user(connection, vault, user_id) for user_id in users]
        by_email = await repository.find_login(connection, vault, f"{name}0@example.test")
    expected = [f"{name}{number}@example.test" for number in range(len(users))]
    return [user.email for user in found if user] == expected and by_email is not None


def keys_command(urls: DatabaseUrls, *words: str, keys: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    settings = settings_for(urls, "redis://127.0.0.1:9/0")
    names = ("secret_key", "password_pepper", "alpaca_key_id", "alpaca_secret_key", "alpaca_trading_url")
    more = ("alpaca_data_url", "alpaca_stream_url", "alpaca_data_stream_url", "database_url", "redis_url", "env")
    own = {f"BITCURRENT_{name.upper()}": getattr(settings, name) for name in (*names, *more)}
    own |= {"BITCURRENT_ENCRYPTION_KEYS": keys, "BITCURRENT_BLIND_INDEX_KEY": BLIND_INDEX_KEY, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "bitcurrent.cli", "keys", *words],
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


async def run_keys(urls: DatabaseUrls, *words: str, keys: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(keys_command, urls, *words, keys=keys, **more)


async def under(database: Database, key_id: str) -> int:
    async with database.read() as connection:
        carriers = await rewrapping.find_carriers(connection)
        return sum([(await rewrapping.count_keys(connection, carrier)).get(key_id, 0) for carrier in carriers])


async def test_the_old_key_may_be_thrown_away_after_a_rotation(database: Database, database_urls: DatabaseUrls) -> None:
    users = await people(database, OLD_VAULT)
    with pytest.raises(UnknownKey):
        await all_read(database, NEW_VAULT, users)
    answer = await run_keys(database_urls, "rotate", keys=f"{NEW},{OLD}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"Done: {PEOPLE} data keys wrapped anew; all {PEOPLE} are under the key new." in answer.stdout
    assert await all_read(database, NEW_VAULT, users)
    status = await run_keys(database_urls, "status", keys=f"{NEW},{OLD}")
    assert status.returncode == 0
    assert "No record needs: old." in status.stdout
    for secret in (OLD, NEW):
        assert secret.partition(":")[2] not in answer.stdout + answer.stderr + status.stdout


async def test_killed_at_any_batch_it_goes_on_and_everything_stays_readable(
    database: Database, database_urls: DatabaseUrls
) -> None:
    users = await people(database, OLD_VAULT)
    killed = await run_keys(database_urls, "rotate", keys=f"{NEW},{OLD}", BITCURRENT_CRASH_AT="keys.after_batch")
    assert killed.returncode == -9
    half = await under(database, "new")
    assert 0 < half < PEOPLE
    assert await all_read(database, BOTH_VAULT, users)
    answer = await run_keys(database_urls, "rotate", keys=f"{NEW},{OLD}")
    assert f"Done: {PEOPLE - half} data keys wrapped anew; all {PEOPLE}" in answer.stdout
    assert await all_read(database, NEW_VAULT, users)
    again = await run_keys(database_urls, "rotate", keys=f"{NEW},{OLD}")
    assert (again.returncode, "Done: 0 data keys wrapped anew" in again.stdout) == (0, True)


async def test_people_read_change_and_come_while_it_runs(database: Database, database_urls: DatabaseUrls) -> None:
    users = await people(database, OLD_VAULT)
    rotation = asyncio.create_task(run_keys(database_urls, "rotate", keys=f"{NEW},{OLD}"))
    newcomers: list[UserId] = []
    rounds = 0
    while not rotation.done():
        newcomers += await people(database, BOTH_VAULT, 1, name=f"new{rounds}-")
        async with database.transaction() as connection:
            assert await repository.replace_email(connection, BOTH_VAULT, users[rounds % PEOPLE], f"c{rounds}@x.test")
        async with database.read() as connection:
            found = await repository.find_user(connection, BOTH_VAULT, users[rounds % PEOPLE])
        assert found is not None
        assert found.email == f"c{rounds}@x.test"
        rounds += 1
    answer = await rotation
    assert answer.returncode == 0, answer.stdout
    assert rounds > 3
    async with database.read() as connection:
        for user_id in (*users, *newcomers):
            assert await repository.find_user(connection, NEW_VAULT, user_id)


async def test_it_refuses_while_a_process_would_not_be_able_to_read(
    database: Database, database_urls: DatabaseUrls
) -> None:
    await people(database, OLD_VAULT, 3)
    older = await Database.connect(
        database_urls.app, connections_min=1, application_name=rewrapping.application_name(OLD_VAULT)
    )
    answer = await run_keys(database_urls, "rotate", keys=f"{NEW},{OLD}")
    assert answer.returncode == 1
    assert "do not know the key 'new'" in answer.stdout
    assert (await under(database, "old"), await under(database, "new")) == (3, 0)
    await older.close()
    ready = await Database.connect(
        # It still writes under the old key, but can read the new one.
        database_urls.app,
        connections_min=1,
        application_name=rewrapping.application_name(Vault.from_text(f"{OLD},{NEW}", BLIND_INDEX_KEY)),
    )
    assert (await run_keys(database_urls, "rotate", keys=f"{NEW},{OLD}")).returncode == 0
    await ready.close()


async def test_without_the_old_key_it_stops_and_names_it(database: Database, database_urls: DatabaseUrls) -> None:
    await people(database, OLD_VAULT, 3)
    answer = await run_keys(database_urls, "rotate", keys=NEW)
    assert answer.returncode == 1
    assert "encrypted under the key 'old', which BITCURRENT_ENCRYPTION_KEYS lacks" in answer.stdout
    assert NEW.partition(":")[2] not in answer.stdout + answer.stderr
    status = await run_keys(database_urls, "status", keys=NEW)
    assert (status.returncode, "MISSING" in status.stdout) == (1, True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET data_key = (SELECT data_key FROM users WHERE id = $2) WHERE id = $1",
        "UPDATE users SET email_encrypted = (SELECT email_encrypted FROM users WHERE id = $2) WHERE id = $1",
        """UPDATE users SET data_key = o.data_key, email_encrypted = o.email_encrypted,
        display_name_encrypted = o.display_name_encrypted FROM users o WHERE users.id = $1 AND o.id = $2""",
        "UPDATE users SET email_encrypted = display_name_encrypted WHERE id = $1 AND $2::uuid IS NOT NULL",
        "UPDATE users SET email_encrypted = substr(email_encrypted, 1, 20) WHERE id = $1 AND $2::uuid IS NOT NULL",
        """UPDATE users SET email_encrypted = set_byte(email_encrypted, 20, get_byte(email_encrypted, 20) # 1)
        WHERE id = $1 AND $2::uuid IS NOT NULL""",
    ],
)
async def test_what_is_moved_or_edited_in_the_database_does_not_decrypt(
    database: Database, database_urls: DatabaseUrls, statement: str
) -> None:
    mine, theirs = await people(database, OLD_VAULT, 2)
    owner: asyncpg.Connection[Any] = await asyncpg.connect(database_urls.owner)
    await owner.execute(statement, mine, theirs)
    await owner.close()
    async with database.read() as connection:
        with pytest.raises(Undecipherable) as error:
            await repository.find_user(connection, OLD_VAULT, mine)
        assert await repository.find_user(connection, OLD_VAULT, theirs)
    assert "@" not in str(error.value)
