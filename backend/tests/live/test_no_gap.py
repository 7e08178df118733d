"""The promise under fire: whoever connects, falls off and resumes at random ends with exactly what happened."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from websockets.exceptions import ConnectionClosed

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import last_sequence
from bitcurrent.kernel.ids import OrderId, new_id
from bitcurrent.launcher.addresses import free_port
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading import repository
from bitcurrent.trading import venue_repository as venue
from tests.live.conftest import Customer, House, running_house
from tests.support.books import Ticket, execution, finish, sequence_gaps
from tests.support.brokerage import settings_for
from tests.support.live_client import CustomerView, LiveClient, live_client

Act = Callable[[Connection], Awaitable[None]]
WRITERS = 8
ACTIONS = 80
"""Of each writer; most make one event, a fill that ends an order two."""


async def write(house: House, customers: list[Customer], seed: int) -> None:
    """One writer: orders, fills, cancels and ends of any customer, some in long transactions."""
    dice = random.Random(seed)
    known: list[tuple[Customer, OrderId]] = []
    for _ in range(ACTIONS):
        act = new_order(dice, customers, known) if not known or dice.random() < 0.5 else next_step(dice, known)
        await house.database.in_transaction(act)
        if dice.random() < 0.5:
            await house.wake()


def new_order(dice: random.Random, customers: list[Customer], known: list[tuple[Customer, OrderId]]) -> Act:
    """Somebody buys."""
    ann = dice.choice(customers)
    order = Ticket(quantity=Decimal(2)).order(ann.id)
    known.append((ann, order.id))

    async def act(connection: Connection) -> None:
        await linger(dice, connection)
        await repository.place_one(connection, order)
        await linger(dice, connection)

    return act


def next_step(dice: random.Random, known: list[tuple[Customer, OrderId]]) -> Act:
    """Something happens to an order."""
    ann, order_id = dice.choice(known)
    step = dice.randrange(5)
    half = execution(f"x-{new_id()}", Decimal("0.5"), Decimal(9))

    async def act(connection: Connection) -> None:
        await linger(dice, connection)
        match step:
            case 0:
                await connection.fetchval("SELECT mark_submitted($1, 'v')", order_id)
            case 1 | 2:
                await venue.settle_fill(connection, order_id, half)
            case 3:
                await repository.request_cancel(connection, ann.id, order_id)
            case _:
                await finish(connection, order_id, "canceled")
        await linger(dice, connection)

    return act


async def linger(dice: random.Random, connection: Connection) -> None:
    """Sometimes take a transaction id early and commit late, so that transactions overtake each other."""
    if dice.random() < 0.1:
        await connection.execute("SELECT pg_current_xact_id()")
        await asyncio.sleep(dice.uniform(0, 0.03))


async def follow(house: House, ann: Customer, view: CustomerView, over: asyncio.Event, seed: int) -> None:
    """One client: connects, listens for a moment, falls off in any way, and resumes; at the end it listens on."""
    dice = random.Random(seed)
    while not over.is_set():
        async with live_client(house.url) as client:
            await client.log_in(ann.credential)
            await client.send(op="subscribe", channels=["orders", "balances"], **position(view, dice))
            await listen(client, view, seconds=dice.uniform(0, 0.4))
            if dice.random() < 0.6:
                client.socket.transport.abort()
    async with house.database.read() as connection:
        last = await last_sequence(connection, ann.id)
    async with live_client(house.url) as client:
        await client.log_in(ann.credential)
        await client.send(op="subscribe", channels=["orders", "balances"], **position(view, dice, resume=True))
        while view.sequence is None or view.sequence < last:
            view.apply(await client.next())
        await listen(client, view, seconds=0.3)  # what should not come any more would come now


def position(view: CustomerView, dice: random.Random, *, resume: bool = False) -> dict[str, int]:
    """Mostly where the view stands; now and then from the beginning."""
    if view.sequence is None or (not resume and dice.random() < 0.1):
        return {}
    return {"after": view.sequence}


async def listen(client: LiveClient, view: CustomerView, *, seconds: float) -> None:
    """Apply what comes for a while, or until the socket is closed."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                view.apply(await client.next())
    except (TimeoutError, ConnectionClosed):
        return


@pytest.fixture
def seed() -> int:
    """Shown when the test fails."""
    chosen = random.randrange(10**6)
    print(f"seed {chosen}")
    return chosen


async def test_every_client_ends_with_exactly_what_happened(
    database_urls: DatabaseUrls, redis_url: str, seed: int
) -> None:
    async with running_house(settings_for(database_urls, redis_url, live_port=free_port())) as house:
        customers = [await house.customer() for _ in range(4)]
        views = [(ann, CustomerView()) for ann in customers for _ in range(5)]
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for number, (ann, view) in enumerate(views):
                tasks.create_task(follow(house, ann, view, over, seed + number))
            async with asyncio.TaskGroup() as writing:
                for number in range(WRITERS):
                    writing.create_task(write(house, customers, seed + 1000 + number))
            over.set()
        total = await house.books.fetchval("SELECT count(*) FROM events WHERE kind LIKE 'order.%'")
        assert total >= 500
        assert await sequence_gaps(house.books) == []
        for ann, view in views:
            await compare(house, ann, view)


async def compare(house: House, ann: Customer, view: CustomerView) -> None:
    """The view holds every order event behind its snapshot, once and in order, and the balances and orders of now."""
    rows = await house.books.fetch(
        "SELECT sequence FROM events WHERE user_id = $1 AND kind LIKE 'order.%' AND sequence > $2 ORDER BY sequence",
        ann.id,
        view.began_at,
    )
    assert view.order_sequences == [row["sequence"] for row in rows]
    assert view.balance_sequences == sorted(set(view.balance_sequences))
    assert view.resyncs == 0
    async with live_client(house.url) as client:
        await client.log_in(ann.credential)
        await client.subscribe("orders", "balances")
        snapshot = await client.until("snapshot")
    assert {currency: pair for currency, pair in view.balances.items() if pair != ("0", "0")} == {
        balance["currency"]: (balance["available"], balance["held"]) for balance in snapshot["balances"]
    }
    fresh = {order["id"]: order for order in snapshot["orders"]}
    assert view.orders.keys() == fresh.keys()
    for order_id, order in fresh.items():
        assert {**view.orders[order_id], "updated_at": None} == {**order, "updated_at": None}
