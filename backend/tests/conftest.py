"""Fixtures for every test: real servers, started once for a session (each worker of pytest-xdist has its own)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres, scratch_postgres, scratch_redis
from tests.support.databases import fresh_database, make_template
from tests.support.sandbox import Sandbox, start_sandbox

if TYPE_CHECKING:
    from tests.support.system import System

LONGEST_FIRST = (
    "contract/own_api/test_generated_requests.py", "laws/test_placing.py", "laws/test_settling.py",
    "worker/test_crashes.py", "worker/test_faults.py", "web/test_server.py", "live/test_no_gap.py",
    "launcher/test_up.py", "/chaos/", "/journeys/", "/botapi/",
)  # fmt: skip
"""Files that take longest begin first, so that no worker is left alone with one of them at the end."""
_TOLD = re.compile(r" {0,2}[A-Za-z]")
"""A line that a test prints for people; log lines begin with a brace or a date."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; all else keeps its order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(
        key=lambda item: next((rank for name, rank in ranks.items() if name in item.path.as_posix()), len(ranks))
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what passed tests have told: how much really ran, and with which seed."""
    lines = [
        line
        for report in terminalreporter.stats.get("passed", [])
        for name, text in report.sections
        if report.when == "call" and name == "Captured stdout call"
        for line in text.splitlines()
        if _TOLD.match(line)
    ]
    if lines:
        terminalreporter.section("told by the tests")
        for line in lines:
            terminalreporter.write_line(line)


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
    # Its own limit is out of the way also behind a reset: a limit that changes under our budget would look like others'
    # requests, and everything would wait out the minute.
    with start_sandbox("--still", "--requests-per-minute", "100000") as running:
        yield running


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest, postgres: ScratchPostgres, migrated_template: str) -> Iterator["System"]:
    """The whole brokerage as processes, shared by the session; its logs stay behind when a test failed."""
    # Here and not above: most tests need none of it, and it takes a second to import.
    from tests.support.system import start_system

    def keep(folder: Path) -> bool:
        if not request.session.testsfailed:
            return False
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"\nlogs of the system: {folder}")
        return True

    with start_system(postgres, migrated_template, keep=keep) as running:
        yield running
