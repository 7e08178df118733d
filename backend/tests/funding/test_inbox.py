"""The processor's inbox: what is acknowledged is kept; what fails is tried again and holds nobody up."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import pytest_asyncio

from bitcurrent.funding.inbox.model import NotYet
from bitcurrent.funding.inbox.service import Inbox, forget_bodies
from bitcurrent.funding.ports import ProcessorEvent
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.cards import Till
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
LEASE = timedelta(seconds=30)
KIND = "test.happened"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def till(module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> AsyncIterator[Till]:
    await asyncio.to_thread(lambda: sandbox.control("stripe/reset", state=True))
    async with running_api(settings_for(module_database_urls, redis_server.url, sandbox)) as (http, app):
        till = Till(app, http, sandbox)
        yield till
        assert await till.broken_laws() == []


class Applier:
    """Notes what it was given in the transaction itself, and fails as it is told."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.fails: dict[str, Exception] = {}

    async def __call__(self, connection: Connection, event: ProcessorEvent) -> None:
        if event.id in self.fails:
            # A broken statement spoils the transaction: that must not spoil the event's being kept.
            if isinstance(self.fails[event.id], ZeroDivisionError):
                await connection.execute("SELECT 1 / 0")
            raise self.fails[event.id]
        self.applied.append(event.id)


@pytest.fixture
def applier() -> Applier:
    return Applier()


@pytest.fixture
def inbox(till: Till, applier: Applier) -> Inbox:
    box = Inbox(till.brokerage.database, till.brokerage.identity.vault, till.brokerage.processor)
    box.register([KIND], applier)
    return box


def happened(till: Till, kind: str = KIND) -> ProcessorEvent:
    """An event as it was verified."""
    told = {
        "object": "event",
        "id": f"evt_{new_id().hex}",
        "type": kind,
        "created": 1_790_000_000,
        "data": {"object": {"id": "thing_1", "payment_intent": "pi_1"}},
    }
    return till.brokerage.processor.event_in(json.dumps(told).encode())


async def row(till: Till, event: ProcessorEvent) -> tuple[str, int, str | None]:
    """State, attempts and trouble of a kept event."""
    async with till.brokerage.database.read() as connection:
        found = await connection.fetchrow(
            "SELECT state, attempts, trouble FROM processor_events WHERE event_id = $1", event.id
        )
    assert found is not None
    return found["state"], found["attempts"], found["trouble"]


async def hurry(till: Till) -> None:
    """Whatever waits is due."""
    await till.books("UPDATE processor_events SET next_at = now() WHERE state = 'waiting'")


async def test_an_event_is_applied_once(till: Till, inbox: Inbox, applier: Applier) -> None:
    event = happened(till)
    await asyncio.gather(*(inbox.take(event) for _ in range(30)))
    await inbox.take(event)
    assert applier.applied == [event.id]
    assert await row(till, event) == ("applied", 0, None)


async def test_one_that_fails_holds_nobody_up(till: Till, inbox: Inbox, applier: Applier) -> None:
    events = [happened(till) for _ in range(40)]
    bad, worse = events[7], events[21]
    applier.fails = {bad.id: ValueError("cannot be read"), worse.id: ZeroDivisionError()}
    await asyncio.gather(*(inbox.take(event) for event in events))
    fine = [event.id for event in events if event not in (bad, worse)]
    kept = await till.books(
        "SELECT count(*) FROM processor_events WHERE state = 'applied' AND event_id = ANY ($1)", fine
    )
    assert kept == len(fine)
    assert await row(till, bad) == ("waiting", 1, "ValueError: cannot be read")
    assert (await row(till, worse))[:2] == ("waiting", 1)
    applier.fails = {}
    await hurry(till)
    assert await inbox.retry_due(limit=10, lease=LEASE) == 2
    assert (await row(till, bad))[0] == (await row(till, worse))[0] == "applied"


async def test_what_is_not_known_yet_waits_longer_each_time(till: Till, inbox: Inbox, applier: Applier) -> None:
    event = happened(till)
    applier.fails = {event.id: NotYet("no such refund so far")}
    await inbox.take(event)
    for attempt in range(2, 5):
        await hurry(till)
        await inbox.retry_due(limit=10, lease=LEASE)
        assert await row(till, event) == ("waiting", attempt, "not yet: no such refund so far")
    async with till.brokerage.database.read() as connection:
        assert await inbox.count_waiting(connection) == (1, 0)
    await hurry(till)
    await inbox.retry_due(limit=10, lease=LEASE)
    async with till.brokerage.database.read() as connection:
        assert await inbox.count_waiting(connection) == (1, 1)
    applier.fails = {}
    await hurry(till)
    await inbox.retry_due(limit=10, lease=LEASE)
    assert applier.applied == [event.id]


async def test_two_workers_never_try_one_event_together(till: Till, inbox: Inbox, applier: Applier) -> None:
    events = [happened(till) for _ in range(10)]
    applier.fails = {event.id: NotYet("later") for event in events}
    await asyncio.gather(*(inbox.take(event) for event in events))
    applier.fails = {}
    await hurry(till)
    tried = await asyncio.gather(*(inbox.retry_due(limit=10, lease=LEASE) for _ in range(3)))
    assert sum(tried) == 10
    assert sorted(applier.applied) == sorted(event.id for event in events)


async def test_bodies_go_after_ninety_days_and_what_waits_keeps_its_own(
    till: Till, inbox: Inbox, applier: Applier
) -> None:
    done, open_still = happened(till), happened(till)
    applier.fails = {open_still.id: NotYet("later")}
    await inbox.take(done)
    await inbox.take(open_still)
    database = till.brokerage.database
    # The owner makes them old: the app may not.
    owner = await books.connect(till.brokerage.settings.owner_database_url)
    try:
        await owner.execute("UPDATE processor_events SET received_at = now() - interval '91 days'")
    finally:
        await owner.close()
    async with database.transaction() as connection:
        assert await forget_bodies(connection) >= 1
    kept = "SELECT body IS NOT NULL FROM processor_events WHERE event_id = $1"
    assert [await till.books(kept, each.id) for each in (done, open_still)] == [False, True]
    await inbox.take(done)
    assert applier.applied == [done.id]
    applier.fails = {}
    await hurry(till)
    await inbox.retry_due(limit=50, lease=LEASE)


async def test_new_money_pays_a_debt_first(
    database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> None:
    # In books of its own: the debt is made up, and what it came from is in none.
    async with running_api(settings_for(database_urls, redis_server.url, sandbox)) as (http, app):
        await _pay_with_a_debt(Till(app, http, sandbox))


async def _pay_with_a_debt(till: Till) -> None:
    ann = await till.customer()
    await till.books(
        "INSERT INTO debts (id, user_id, currency, cause, cause_id, amount) VALUES ($1, $2, 'USD', 'dispute', $3, 60)",
        new_id(),
        UUID(ann.id),
        new_id(),
    )
    deposit = await till.opened(ann, "100")
    await till.deliver_all(await till.pay(deposit) * 3)
    assert await till.balance(ann) == (Decimal("38.5"), 0)
    event = await till.books(
        "SELECT payload FROM events WHERE kind = 'deposit_credited' AND subject = $1", UUID(deposit["id"])
    )
    assert event["balances"] == [{"currency": "USD", "available": "38.5", "held": "0"}]
    letters = "SELECT count(*) FROM mails WHERE user_id = $1 AND template = 'debt_paid'"
    assert await till.books(letters, UUID(ann.id)) == 1, "who owes nothing more is told so, once"
