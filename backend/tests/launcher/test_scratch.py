"""The servers tests stand on: real, private, quick, and gone afterwards."""

import asyncpg
import psutil
import pytest

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres, scratch_postgres


async def test_the_app_role_owns_nothing_and_cannot_create_tables(empty_database_urls: DatabaseUrls) -> None:
    app = await asyncpg.connect(empty_database_urls.app)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("CREATE TABLE loot (id int)")
        assert await app.fetchval("SELECT count(*) FROM pg_database WHERE datdba = current_user::regrole") == 0
        assert not await app.fetchval("SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user")
    finally:
        await app.close()


async def test_the_owner_migrates_and_nobody_connects_without_a_password(
    empty_database_urls: DatabaseUrls,
) -> None:
    owner = await asyncpg.connect(empty_database_urls.owner)
    await owner.execute("CREATE TABLE things (id int)")
    await owner.close()
    wrong = empty_database_urls.owner.replace("bitcurrent_owner:", "bitcurrent_owner:x")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


async def test_each_database_is_fresh(postgres: ScratchPostgres, empty_database_urls: DatabaseUrls) -> None:
    owner = await asyncpg.connect(empty_database_urls.owner)
    try:
        assert await owner.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
        encoding = await owner.fetchrow(
            "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale FROM pg_database"
            " WHERE datname = current_database()"
        )
        assert encoding is not None
        assert tuple(encoding) == ("UTF8", b"b", "C.UTF-8")
        assert await owner.fetchval("SHOW data_checksums") == "on"
    finally:
        await owner.close()


@pytest.mark.durable
async def test_what_was_committed_is_there_after_a_kill(durable_postgres: ScratchPostgres) -> None:
    owner = await asyncpg.connect(durable_postgres.owner)
    assert await owner.fetchval("SHOW fsync") == "on"
    await owner.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
    durable_postgres.kill()
    durable_postgres.start_again()
    again = await asyncpg.connect(durable_postgres.owner)
    assert await again.fetchval("SELECT id FROM kept") == 1
    await again.close()
    owner.terminate()


def test_redis_answers_only_to_its_password(redis_server: RedisServer, redis_url: str) -> None:
    assert redis_server.ask("DBSIZE") == b":0"
    stranger = RedisServer(redis_server.home, redis_server.port, "guess", None)
    assert not stranger.is_ready()


def test_nothing_is_left_behind() -> None:
    with scratch_postgres() as server:
        pid, folder = server.process.pid, server.folder
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)
    assert not folder.exists()
