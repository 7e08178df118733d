"""The live server in the test's own loop, on real PostgreSQL and Redis, and customers who are logged in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import asyncpg
import pytest
from redis.asyncio import Redis

from bitcurrent.identity.model import Actor
from bitcurrent.identity.service import Identity, Login, Registration
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.events import WAKE_CHANNEL
from bitcurrent.kernel.ids import OrderId, UserId, new_id
from bitcurrent.launcher.addresses import HERE, free_port
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.live.server import serving
from bitcurrent.live.service import Live
from bitcurrent.settings import Settings
from bitcurrent.trading import repository
from bitcurrent.trading import venue_repository as venue
from tests.support.books import Ticket, connect, credit, execution
from tests.support.brokerage import settings_for
from tests.support.live_client import LiveClient, live_client

SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD")


@dataclass(slots=True)
class House:
    """A running live server, and the books behind it."""

    settings: Settings
    live: Live
    identity: Identity
    database: Database
    redis: Redis
    books: "asyncpg.Connection[asyncpg.Record]"
    stack: AsyncExitStack

    @property
    def url(self) -> str:
        return f"ws://{HERE}:{self.settings.live_port}/ws"

    async def customer(self, **money: str) -> "Customer":
        """A customer with money and an open session."""
        wish = Registration(f"{new_id()}@example.test", "Somebody", "no password fits this")
        async with self.books.transaction():
            user = await self.identity.register(self.books, wish, address=HERE)
            login = await self.identity.open_session(self.books, user, address=HERE, device="test")
        for currency, amount in (money or {"USD": "1000000"}).items():
            await credit(self.books, user.id, currency, Decimal(amount))
        return Customer(self, login)

    async def client(self, **options: object) -> LiveClient:
        """A client that is closed when the test ends."""
        client = await self.stack.enter_async_context(live_client(self.url, **options))
        assert (await client.next())["type"] == "welcome"
        return client

    async def wake(self) -> None:
        """The hint that every writer gives after its commit."""
        await self.redis.publish(WAKE_CHANNEL, "")


@dataclass(slots=True)
class Customer:
    """A customer who is logged in."""

    house: House
    login: Login

    @property
    def id(self) -> UserId:
        return self.login.user.id

    @property
    def credential(self) -> dict[str, str]:
        return {"token": self.login.token}

    @property
    def actor(self) -> Actor:
        return Actor(self.id, "customer", "active", session_id=self.login.session.id)

    async def client(self, *channels: str, after: int | None = None) -> LiveClient:
        """A client of this customer that has asked for channels; its answers are still to be read."""
        client = await self.house.client()
        await client.log_in(self.credential)
        if channels:
            await client.subscribe(*channels, after=after)
        return client

    async def place(self, ticket: Ticket | None = None) -> OrderId:
        """Place an order straight through the SQL."""
        order = (ticket or Ticket()).order(self.id)
        outcome = await repository.place_one(self.house.books, order)
        assert outcome.outcome == "accepted"
        return order.id

    async def fill(self, order_id: OrderId, quantity: str, price: str = "10") -> None:
        """One execution of an order."""
        fill = execution(f"x-{new_id()}", Decimal(quantity), Decimal(price))
        assert await venue.settle_fill(self.house.books, order_id, fill) == "settled"

    async def end_session(self) -> None:
        """Log out, as another process would."""
        async with self.house.books.transaction():
            ended = await self.house.identity.end_session(
                self.house.books, self.actor, self.login.session.id, address=HERE
            )
        await self.house.identity.announce(sessions=ended)


@asynccontextmanager
async def running_house(settings: Settings) -> AsyncIterator[House]:
    """Serve until the block ends."""
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(serving(settings))
        work = asyncio.create_task(live.run())
        database = await Database.connect(settings.database_url, connections_min=1, connections_max=10)
        stack.push_async_callback(database.close)
        redis = connect_redis(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        identity = await stack.enter_async_context(Identity.open(database, redis, settings))
        books = await connect(settings.owner_database_url)
        stack.push_async_callback(books.close)
        clients = await stack.enter_async_context(AsyncExitStack())
        yield House(settings, live, identity, database, redis, books, clients)
        await clients.aclose()
        assert not work.done(), work
        work.cancel()
        await asyncio.wait((work,))


async def list_markets(urls: DatabaseUrls) -> None:
    """Three markets, as a sync with the venue would leave them."""
    books = await connect(urls.owner)
    await books.executemany(
        "INSERT INTO assets (code, name, kind, shown_places) VALUES ($1, $1, $2, 8) ON CONFLICT DO NOTHING",
        [("USD", "fiat"), *((symbol.removesuffix("/USD"), "crypto") for symbol in SYMBOLS)],
    )
    await books.executemany(
        "INSERT INTO markets (symbol, venue_asset_id, name, base, quote, min_order_size, min_trade_increment, "
        "price_increment, tradable) VALUES ($1, gen_random_uuid(), $1, $2, 'USD', 0.0001, 0.0001, 0.01, true) "
        "ON CONFLICT DO NOTHING",
        [(symbol, symbol.removesuffix("/USD")) for symbol in SYMBOLS],
    )
    await books.close()


@pytest.fixture
async def house(module_database_urls: DatabaseUrls, redis_url: str) -> AsyncIterator[House]:
    """A live server of the test's own; the database is the module's."""
    await list_markets(module_database_urls)
    async with running_house(settings_for(module_database_urls, redis_url, live_port=free_port())) as running:
        yield running
