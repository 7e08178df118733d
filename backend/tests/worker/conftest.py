"""A trading floor for each test."""

from collections.abc import AsyncIterator

import pytest

from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.desk import Floor, trading_floor
from tests.support.sandbox import Sandbox


@pytest.fixture
async def floor(database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> AsyncIterator[Floor]:
    """A brokerage whose worker leads, and a venue at 50,000."""
    async with trading_floor(database_urls, redis_url, sandbox) as running:
        yield running
