"""The application over real servers, for the tests of identity."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.notifications.tasks import Postman
from bitcurrent.settings import Settings
from bitcurrent.wiring import Brokerage
from tests.support.brokerage import running_api, settings_for
from tests.support.post import Bag, Post


@dataclass(frozen=True, slots=True)
class Api:
    client: httpx.AsyncClient
    app: Litestar
    settings: Settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[Api]:
    """One application and database for a module; people are made anew by each test."""
    settings = settings_for(module_database_urls, redis_server.url)
    async with running_api(settings) as (client, app):
        yield Api(client, app, settings)


@pytest.fixture
def api(running: Api, redis_url: str) -> Api:
    """The running application, with an empty Redis: nobody is throttled, nothing is remembered there."""
    running.client.cookies.clear()
    return running


@pytest.fixture
def post(api: Api) -> Post:
    """Every letter that the application has queued and queues."""
    brokerage: Brokerage = api.app.state.brokerage
    bag = Bag()
    return Post(Postman(brokerage.database, brokerage.letters.mails, bag, Counter()), bag)
