"""The application as it is installed: the warning is required of everybody."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.settings import Settings
from bitcurrent.wiring import Brokerage
from tests.support.brokerage import running_api, settings_for
from tests.support.callers import OFFICE, client_from


@dataclass(frozen=True, slots=True)
class House:
    """`office` sends from a private network, `street` from the internet."""

    app: Litestar
    settings: Settings
    office: httpx.AsyncClient
    street: httpx.AsyncClient

    @property
    def brokerage(self) -> Brokerage:
        brokerage: Brokerage = self.app.state.brokerage
        return brokerage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[House]:
    settings = settings_for(module_database_urls, redis_server.url, risk_acknowledgement="required")
    async with running_api(settings) as (street, app), client_from(app, OFFICE) as office:
        yield House(app, settings, office, street)


@pytest.fixture
def house(installed: House, redis_url: str) -> House:
    """The running application, with an empty Redis."""
    return installed
