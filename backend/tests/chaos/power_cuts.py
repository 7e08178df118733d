"""PostgreSQL killed while customers write: whatever was acknowledged must be there when it comes back."""

import asyncio
import random
from dataclasses import dataclass, field
from decimal import Decimal

import asyncpg

from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.launcher.scratch import ScratchPostgres
from bitcurrent.trading import venue_repository
from bitcurrent.trading.placing import PlacingQueue
from bitcurrent.trading.ports import VenueFill
from tests.support import books
from tests.support.books import Ticket

WRITERS = 8
TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Lost(AssertionError):
    """Something that was acknowledged is not there, or is there twice."""


@dataclass(slots=True)
class Acknowledged:
    """What writers were told, and what they do not know."""

    orders: dict[str, OrderId] = field(default_factory=dict)
    fills: dict[str, OrderId] = field(default_factory=dict)
    doubtful: dict[str, Ticket] = field(default_factory=dict)
    cut: bool = False
    """The power is gone: whoever has not noticed may stop."""


async def power_cut(
    server: ScratchPostgres, queue_class: type[PlacingQueue], seed: int, *, filling: bool = True
) -> Acknowledged:
    """Write from eight sides, kill the server at some moment, start it again, and look; raises Lost."""
    rng = random.Random(seed)
    database = await Database.connect(server.app, connections_min=2, connections_max=WRITERS, timeout_seconds=5)
    async with database.transaction() as connection:
        user_id = await books.customer(connection, USD="1000000")
    told = Acknowledged()
    queue = queue_class(database, lambda: None)
    writers = [
        asyncio.create_task(_write(database, queue, user_id, told, number, filling=filling))
        for number in range(WRITERS)
    ]
    await asyncio.sleep(rng.uniform(0.15, 0.6))
    server.kill()
    told.cut = True
    await asyncio.wait_for(asyncio.gather(*writers), 20)
    await database.close()
    # Here and not in a thread: the server would be stopped when the thread that started it ends.
    server.start_again()
    await _look(server, user_id, told)
    return told


async def _write(
    database: Database, queue: PlacingQueue, user_id: UserId, told: Acknowledged, number: int, *, filling: bool
) -> None:
    """Place and fill orders until the server does not answer."""
    for turn in range(100_000):
        if told.cut:
            return
        key = f"{number}:{turn}"
        ticket = Ticket(quantity=Decimal("0.1"), idempotency_key=key)
        order = ticket.order(user_id)
        try:
            outcome = await queue.place(order)
        except TROUBLE:
            told.doubtful[key] = ticket
            return
        assert outcome.outcome == "accepted"
        told.orders[key] = order.id
        if filling and turn % 2:
            fill = books.execution(f"{user_id}:{key}", ticket.quantity, ticket.price)
            try:
                await _settle(database, order.id, fill)
            except TROUBLE:
                return
            told.fills[fill.execution_id] = order.id


async def _settle(database: Database, order_id: OrderId, fill: VenueFill) -> None:
    async with database.transaction() as connection:
        assert await venue_repository.settle_fill(connection, order_id, fill) == "settled"


async def _look(server: ScratchPostgres, user_id: UserId, told: Acknowledged) -> None:
    database = await Database.connect(server.app, connections_min=1, connections_max=4)
    try:
        async with database.read() as connection:
            rows = await connection.fetch("SELECT id FROM orders WHERE user_id = $1", user_id)
            found = {row["id"] for row in rows}
            if gone := set(told.orders.values()) - found:
                raise Lost(f"{len(gone)} of {len(told.orders)} acknowledged orders are gone")
            rows = await connection.fetch("SELECT execution_id, order_id FROM fills WHERE user_id = $1", user_id)
            booked = {row["execution_id"]: row["order_id"] for row in rows}
            if unbooked := [name for name, order_id in told.fills.items() if booked.get(name) != order_id]:
                raise Lost(f"{len(unbooked)} of {len(told.fills)} acknowledged fills are gone")
        # Who was not told asks again under the same key, and gets one order, whether it was there or not.
        queue = PlacingQueue(database, lambda: None)
        for key, ticket in told.doubtful.items():
            outcome = await queue.place(ticket.order(user_id))
            if outcome.outcome not in {"accepted", "replayed"}:
                raise Lost(f"asking again under {key} gave {outcome.outcome}")
        async with database.read() as connection:
            count = await connection.fetchval("SELECT count(*) FROM orders WHERE user_id = $1", user_id)
            if count != len(told.orders) + len(told.doubtful):
                raise Lost(f"{count} orders for {len(told.orders)} acknowledged and {len(told.doubtful)} doubtful")
            if broken := await books.broken_laws(connection):
                raise Lost(str(broken))
            if gaps := await books.sequence_gaps(connection):
                raise Lost(f"gaps in the event log: {gaps}")
    finally:
        await database.close()
