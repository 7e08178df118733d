"""The bot API without a worker: the application on real servers, customers with keys, fills by the real SQL."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.identity.keys import new_key_id
from bitcurrent.identity.model import Actor, Scope
from bitcurrent.identity.service import Identity, Registration
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support import books
from tests.support.alpaca_shapes import assert_shape
from tests.support.brokerage import client_of, running_api, settings_for
from tests.support.sandbox import Sandbox

SECRET = "a-secret-of-a-bot-with-enough-letters"
_numbers = itertools.count(1)


def refused(answer: httpx.Response, status: int, code: int) -> str:
    """Check that an answer is a refusal in Alpaca's shape; its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert_shape("trading", "Error", answer.json())
    assert answer.json()["code"] == code, answer.text
    message: str = answer.json()["message"]
    return message


@dataclass
class Bot:
    """A customer's program."""

    user_id: UserId
    http: httpx.AsyncClient
    actor: Actor

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that works."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def submit(self, **order: Any) -> Any:
        """Submit an order that is taken: by default a limit buy of BTC that rests."""
        usual = {"symbol": "BTC/USD", "side": "buy", "type": "limit", "time_in_force": "gtc"}
        if order.get("type", "limit") == "limit":
            usual |= {"limit_price": "50000"}
            if "notional" not in order:
                usual |= {"qty": "0.001"}
        answer = await self.http.post("/v2/orders", json={**usual, **order})
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class House:
    """The running application, and ways around it."""

    app: Litestar
    database: Database

    async def bot(self, *, scopes: tuple[Scope, ...] = ("read", "trade"), **money: str) -> Bot:
        """A new customer with a key and so much of each currency."""
        identity: Identity = self.app.state["identity"]
        key_id = new_key_id()
        async with self.database.transaction() as connection:
            # Nobody logs in with this password.
            wish = Registration(f"bot{next(_numbers)}@bots.test", "A Bot", "no hash")
            user = await identity.register(connection, wish, address="tests")
            actor = Actor(user.id, "customer", "active")
            await identity.ensure_key(connection, actor, key_id=key_id, secret=SECRET, label="bot", scopes=scopes)
            for currency, amount in money.items():
                await books.credit(connection, user.id, currency, Decimal(amount))
        client = client_of(self.app)
        client.headers.update({"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": SECRET})
        return Bot(user.id, client, actor)

    async def balance(self, bot: Bot, currency: str) -> tuple[Decimal, Decimal]:
        """Available and held."""
        async with self.database.read() as connection:
            return await books.balance(connection, bot.user_id, currency)

    async def submitted(self, order_id: str) -> None:
        """The venue has taken an order."""
        async with self.database.transaction() as connection:
            await connection.fetchval("SELECT mark_submitted($1, $2)", UUID(order_id), f"venue-{order_id}")

    async def filled(self, order_id: str, quantity: str, price: str) -> None:
        """The venue fills a part of an order."""
        async with self.database.transaction() as connection:
            outcome = await connection.fetchval(
                "SELECT settle_fill($1, $2, $3, $4, $5, $6)",
                new_id(),
                UUID(order_id),
                str(new_id()),
                Decimal(quantity),
                Decimal(price),
                datetime.now(UTC),
            )
        assert outcome == "settled", outcome


@contextlib.asynccontextmanager
async def open_house(database: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> AsyncIterator[House]:
    """The application with markets and prices; the venue gets no order, as no worker runs."""
    sandbox.control("reset")
    sandbox.control("price", symbol="BTC/USD", price="65000")
    async with running_api(settings_for(database, redis_url, sandbox)) as (_, app):
        await app.state["market_data"].sync_markets()
        await app.state["market_data"].refresh_prices()
        yield House(app, app.state["database"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[House]:
    """One for all tests of a module: each makes customers of its own."""
    async with open_house(module_database_urls, redis_server.url, sandbox) as opened:
        yield opened


@pytest.fixture
async def fragile_house(database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> AsyncIterator[House]:
    """One for a single test, which may break it."""
    async with open_house(database_urls, redis_url, sandbox) as opened:
        yield opened
