"""The application over real servers, with an office for operators."""

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
from tests.support.customers import Person


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

    async def grant(self, who: Person, approval_id: str) -> httpx.Response:
        return await self.office.post(f"/api/admin/approvals/{approval_id}/grant", headers=who.bearer)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[House]:
    settings = settings_for(module_database_urls, redis_server.url)
    async with running_api(settings) as (street, app), client_from(app, OFFICE) as office:
        yield House(app, settings, office, street)


@pytest.fixture
def house(running: House, redis_url: str) -> House:
    """The running application, with an empty Redis."""
    return running
