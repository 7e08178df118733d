"""An outbox on a real database, and carriers that fail as they are told."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest_asyncio

from bitcurrent.identity.service import Identity, Registration
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.notifications.model import Mail
from bitcurrent.notifications.ports import Carrier, NotDelivered
from bitcurrent.notifications.service import Mails, Notifications
from bitcurrent.notifications.tasks import Postman, Rounds
from tests.support.brokerage import settings_for

BASE_URL = "http://bitcurrent.test"


@dataclass(slots=True)
class Bag:
    """Keeps what it is given, after the failures that were ordered."""

    failures: list[NotDelivered] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)

    async def carry(self, mail: Mail) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.mails.append(mail)


@dataclass(slots=True)
class Office:
    """The outbox, and a customer to write to."""

    database: Database
    identity: Identity
    letters: Notifications
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def mails(self) -> Mails:
        return self.letters.mails

    async def customer(self, email: str | None = None) -> UserId:
        wish = Registration(email or f"{new_id()}@example.test", "Pat Person", "no password fits this")
        async with self.database.transaction() as connection:
            return (await self.identity.register(connection, wish, address="tests")).id

    async def queue(self, user_id: UserId, template: str = "already_registered", **values: str) -> None:
        async with self.database.transaction() as connection:
            await self.mails.queue(connection, user_id=user_id, template=template, values=values)

    def postman(self, carrier: Carrier | None, *, attempts_max: int = 3) -> Postman:
        rounds = Rounds(look_seconds=0.05, first_pause_seconds=0.0, attempts_max=attempts_max)
        return Postman(self.database, self.mails, carrier, self.counts, rounds=rounds)

    async def states(self, user_id: UserId) -> list[tuple[str, int]]:
        async with self.database.read() as connection:
            rows = await connection.fetch(
                "SELECT state, attempts FROM mails WHERE user_id = $1 ORDER BY created_at", user_id
            )
        return [(row["state"], row["attempts"]) for row in rows]


@pytest_asyncio.fixture
async def office(database_urls: DatabaseUrls, redis_url: str) -> AsyncIterator[Office]:
    settings = settings_for(database_urls, redis_url)
    database = await Database.connect(settings.database_url, connections_min=1, connections_max=6)
    redis = connect_redis(redis_url)
    identity = Identity(database, redis, settings)
    try:
        yield Office(database, identity, Notifications(identity.vault, BASE_URL))
    finally:
        identity.close()
        await redis.aclose()
        await database.close()
