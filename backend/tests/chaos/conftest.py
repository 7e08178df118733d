"""Fixtures of chaos, and the counts at its end."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bitcurrent.kernel.database import Database
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.chaos.counting import SCALE, SEED, lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Each layer's seed and the count that it really ran."""
    terminalreporter.section(f"chaos: scale {SCALE}, seed {SEED} (BITCURRENT_CHAOS_SCALE, BITCURRENT_CHAOS_SEED)")
    for line in lines:
        terminalreporter.line(line)


@pytest_asyncio.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """The application's own way to a fresh database, with a connection for each worker of a history."""
    opened = await Database.connect(database_urls.app, connections_min=2, connections_max=8)
    yield opened
    await opened.close()
