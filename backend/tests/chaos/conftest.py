"""Fixtures of chaos."""

from collections.abc import AsyncIterator

import pytest_asyncio

from bitcurrent.kernel.database import Database
from bitcurrent.launcher.scratch import DatabaseUrls


@pytest_asyncio.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """The application's own way to a fresh database, with a connection for each worker of a history."""
    opened = await Database.connect(database_urls.app, connections_min=2, connections_max=8)
    yield opened
    await opened.close()
