"""Fixtures for every test: real servers, started once for a session, gone with it."""

from collections.abc import Iterator

import pytest

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres, scratch_postgres, scratch_redis
from tests.support.databases import fresh_database, make_template
from tests.support.sandbox import Sandbox, start_sandbox


@pytest.fixture(scope="session")
def postgres() -> Iterator[ScratchPostgres]:
    """One PostgreSQL for the session, fsync off."""
    with scratch_postgres() as server:
        yield server


@pytest.fixture
def durable_postgres() -> Iterator[ScratchPostgres]:
    """A PostgreSQL of the test's own with fsync on, to be killed; its database is empty."""
    with scratch_postgres(durable=True) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: ScratchPostgres) -> str:
    """The name of the migrated template database."""
    return make_template(postgres)


@pytest.fixture
def database_urls(postgres: ScratchPostgres, migrated_template: str) -> Iterator[DatabaseUrls]:
    """A fresh, migrated database for one test: `.owner` and `.app`."""
    with fresh_database(postgres, migrated_template) as urls:
        yield urls


@pytest.fixture(scope="module")
def module_database_urls(postgres: ScratchPostgres, migrated_template: str) -> Iterator[DatabaseUrls]:
    """A fresh, migrated database shared by the tests of one module."""
    with fresh_database(postgres, migrated_template) as urls:
        yield urls


@pytest.fixture
def empty_database_urls(postgres: ScratchPostgres) -> Iterator[DatabaseUrls]:
    """A fresh database without any table."""
    with fresh_database(postgres) as urls:
        yield urls


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for the session."""
    with scratch_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of a Redis that is empty now."""
    assert redis_server.ask("FLUSHALL") == b"+OK"
    return redis_server.url


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox venue for the session whose prices stand still; tests put back what they change."""
    with start_sandbox("--still") as running:
        yield running
