"""The live house: opens what clients need, follows the log, beats, and closes sockets whose session has ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import structlog
from redis.asyncio import Redis

from bitcurrent.identity.service import Identity
from bitcurrent.identity.standing import still_standing
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.live.client import Client, Desk, Roster, plain_heartbeat
from bitcurrent.live.connection import Connection
from bitcurrent.live.model import HEARTBEAT_SECONDS, RECHECK_SECONDS, SOCKETS_MAX, CloseCode
from bitcurrent.live.prices import NoSource, Prices
from bitcurrent.live.private import PrivateStreams
from bitcurrent.live.reader import DATABASE_ERRORS, EventReader
from bitcurrent.market_data.service import MarketData
from bitcurrent.settings import Settings
from bitcurrent.web.addresses import Addresses

CONNECTIONS_MAX = 8
CLIENTS_AT_ONCE = 500
"""So many heartbeats are sent before others get their turn."""

log = structlog.get_logger(__name__)


class Live:
    """Everything behind the port. Open it with `Live.open`."""

    def __init__(self, database: Database, reading: Database, redis: Redis, desk: Desk) -> None:
        self._database = database
        self._redis = redis
        self._desk = desk
        self.reader = EventReader(reading, redis, desk.streams.route)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Open the pools, Redis, identity and market data; close them in reverse when the block ends."""
        async with AsyncExitStack() as stack:
            database = await Database.connect(settings.database_url, connections_min=1, connections_max=CONNECTIONS_MAX)
            stack.push_async_callback(database.close)
            reading = await Database.connect(settings.database_url, connections_min=1, connections_max=1)
            stack.push_async_callback(reading.close)
            redis = connect_redis(settings.redis_url)
            stack.push_async_callback(redis.aclose)
            identity = await stack.enter_async_context(Identity.open(database, redis, settings))
            market_data = MarketData(database=database, redis=redis, source=NoSource())
            desk = Desk(
                identity=identity,
                prices=Prices(market_data),
                streams=PrivateStreams(database),
                roster=Roster(),
                addresses=Addresses(settings.trusted_proxies),
            )
            await stack.enter_async_context(market_data)
            live = cls(database, reading, redis, desk)
            await live.reader.start()
            yield live

    @property
    def cookie_name(self) -> str:
        """The cookie that carries a session."""
        return self._desk.identity.cookie_name

    @property
    def sockets(self) -> int:
        """How many are connected."""
        return len(self._desk.roster.clients)

    @property
    def is_full(self) -> bool:
        """Whether no more fit."""
        return self.sockets >= SOCKETS_MAX

    def welcome(self, cookie: bytes | None, forwarded: str = "") -> Connection:
        """A connection with a client behind it, for a socket that is about to open.

        `forwarded` is what proxies said of where it comes from.
        """
        connection = Connection(asyncio.get_running_loop())
        connection.handler = Client(self._desk, connection, cookie, forwarded)
        return connection

    async def run(self) -> None:
        """Work for as long as this task runs; ends with an error when a part of it does."""
        async with asyncio.TaskGroup() as tasks:
            for loop in (self.reader.follow, self.reader.listen, self._beat, self._recheck):
                tasks.create_task(loop(), name=f"live.{loop.__name__}")

    async def close_all(self, seconds: float) -> None:
        """Send everybody away with 1001, and cut who has not gone after so many seconds."""
        for client in tuple(self._desk.roster.clients):
            client.close(CloseCode.GOING_AWAY, "server is stopping: reconnect and resume")
        try:
            async with asyncio.timeout(seconds):
                await self._desk.roster.empty()
        except TimeoutError:
            log.info("live_sockets_cut", sockets=self.sockets)
        for client in tuple(self._desk.roster.clients):
            client.cut()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            shared = plain_heartbeat()
            for number, client in enumerate(tuple(self._desk.roster.clients), 1):
                client.beat(shared)
                if number % CLIENTS_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await self._close_ended()
            except DATABASE_ERRORS as error:
                # Nothing private can be read meanwhile either.
                log.warning("live_sessions_not_checked", error=type(error).__name__)

    async def _close_ended(self) -> None:
        known = [(client, client.actor) for client in self._desk.roster.clients if client.actor is not None]
        sessions = {actor.session_id for _, actor in known if actor.session_id is not None}
        keys = {actor.key_id for _, actor in known if actor.key_id is not None}
        if not known:
            return
        async with self._database.read() as connection:
            standing, working = await still_standing(connection, sessions=sessions, keys=keys)
        for client, actor in known:
            if actor.session_id is not None:
                stands = actor.session_id in standing
            else:
                stands = actor.key_id is not None and working.allows(actor.key_id, client.address)
            # It may have shown a fresh credential since.
            if not stands and client.actor is actor:
                client.close(CloseCode.SESSION_ENDED, "the session or API key has ended: log in again")
