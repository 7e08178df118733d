"""Several workers on the same customers and orders at once, each message heard more than once and in any order.

The histories are drawn from a seed; how they interleave is up to the machine, and the laws hold however it turns out.
"""

import asyncio
import os
import random
from decimal import Decimal
from typing import Any

import pytest

from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Side
from tests.support import books
from tests.support.books import Ticket

SEEDS = int(os.environ.get("BITCURRENT_LAW_HISTORIES", "6"))
WORKERS = 6
ACTS = 40
CUSTOMERS = 4


class Histories:
    """One seed's customers and orders, and the acts that workers do to them."""

    def __init__(self, database: Database, users: list[UserId], seed: int) -> None:
        self.database = database
        self.users = users
        self.random = random.Random(seed)
        self.orders: list[tuple[UserId, OrderId, Ticket]] = []

    async def work(self) -> None:
        for _ in range(ACTS):
            act = self.random.choice(
                [self.place, self.place, self.fill, self.fill, self.end, self.cancel, self.replace]
            )
            await act()

    def ticket(self) -> Ticket:
        return Ticket(
            side=self.random.choice(list(Side)),
            quantity=Decimal(self.random.randint(1, 4)),
            price=Decimal(self.random.randint(8, 12)),
            market=self.random.choice(["BTC/USD", "ETH/USD"]),
            client_order_id=self.random.choice([None, None, f"c{self.random.randint(1, 30)}"]),
        )

    async def place(self) -> None:
        wishes = [(self.random.choice(self.users), self.ticket()) for _ in range(self.random.randint(1, 6))]
        batch = [ticket.order(user_id) for user_id, ticket in wishes]

        async def all_of_them(tx: Connection) -> list[Any]:
            return await repository.place_many(tx, batch)

        outcomes = await self.database.in_transaction(all_of_them)
        for new, outcome, (user_id, ticket) in zip(batch, outcomes, wishes, strict=True):
            if outcome.outcome == "accepted":
                self.orders.append((user_id, new.id, ticket))

    async def fill(self) -> None:
        chosen = self.random.choices(self.orders, k=self.random.randint(1, 4)) if self.orders else []
        # One of two executions an order can have, each heard by whoever draws it, again and again.
        fills = [
            (order_id, books.execution(f"{order_id}:{half}", ticket.quantity / 2, ticket.price + half))
            for _, order_id, ticket in chosen
            for half in [self.random.randint(0, 1)]
        ]

        async def all_of_them(tx: Connection) -> list[str]:
            return await venue_repository.settle_fills(tx, fills)

        assert set(await self.database.in_transaction(all_of_them)) <= {"settled", "duplicate"}

    async def end(self) -> None:
        if self.orders:
            _, order_id, ticket = self.random.choice(self.orders)
            state = self.random.choice(["canceled", "expired", "replaced"])
            filled = self.random.choice([None, ticket.quantity / 2])
            await self.database.in_transaction(lambda tx: books.finish(tx, order_id, state, filled))

    async def cancel(self) -> None:
        if self.orders:
            user_id, order_id, _ = self.random.choice(self.orders)
            await self.database.in_transaction(lambda tx: repository.request_cancel(tx, user_id, order_id))

    async def replace(self) -> None:
        if not self.orders:
            return
        user_id, order_id, old = self.random.choice(self.orders)
        await self.database.in_transaction(lambda tx: venue_repository.mark_submitted(tx, order_id, "venue"))
        ticket = Ticket(side=old.side, market=old.market, quantity=old.quantity, price=old.price + 1)
        new = ticket.replacement(user_id, order_id)
        outcome = await self.database.in_transaction(lambda tx: repository.request_replace(tx, new))
        if outcome.outcome == "accepted":
            self.orders.append((user_id, new.id, ticket))


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_workers_side_by_side_keep_every_law(module_database_urls: DatabaseUrls, seed: int) -> None:
    connection = await books.connect(module_database_urls.app)
    database = await Database.connect(module_database_urls.app, connections_max=WORKERS)
    users = [await books.customer(connection, USD="300", BTC="20", ETH="20") for _ in range(CUSTOMERS)]
    histories = Histories(database, users, seed)
    await asyncio.gather(*(histories.work() for _ in range(WORKERS)))
    assert await books.broken_laws(connection) == []
    for _, order_id, _ in histories.orders:
        await books.finish(connection, order_id, "canceled")
    assert await books.broken_laws(connection) == []
    assert await books.sequence_gaps(connection) == []
    stuck = "SELECT currency, held FROM balances WHERE user_id = ANY ($1) AND held <> 0"
    assert await connection.fetch(stuck, users) == []
    print(f"seed {seed}: {len(histories.orders)} orders, {WORKERS * ACTS} acts")
    await database.close()
    await connection.close()
