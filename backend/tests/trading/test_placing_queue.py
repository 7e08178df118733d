"""The placing queue: an order whose commit nobody heard of is found again, and never placed twice or called failed."""

import asyncio
from decimal import Decimal

import asyncpg

from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import OrderId, UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.trading.model import Liquidity, OrderType, Side, Terms, TimeInForce
from bitcurrent.trading.placing import PlacingQueue
from bitcurrent.trading.repository import NewOrder

TERMS = Terms(
    quantity=Decimal("0.001"), notional=None, limit_price=Decimal(50_000), stop_price=None, collar_price=None,
    liquidity=Liquidity.MAKER, fee_bps=Decimal(25), fee_currency="BTC", hold_currency="USD", hold_amount=Decimal(50),
    expected_price=Decimal(50_000), expected_cost=Decimal(50), expected_fee=Decimal(0), expected_net=Decimal(0),
)  # fmt: skip


def wish(user_id: UserId, client_order_id: str | None = None) -> NewOrder:
    return NewOrder(
        id=OrderId(new_id()),
        user_id=user_id,
        client_order_id=client_order_id,
        idempotency_key=None,
        request_hash=b"r",
        source="test",
        market="BTC/USD",
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        terms=TERMS,
    )


async def customer(database: Database, cash: int) -> UserId:
    user_id = UserId(new_id())
    move = Move(source=house("bank", "USD"), target=available(user_id, "USD"), amount=Decimal(cash))
    async with database.transaction() as connection:
        await ledger.post(connection, Journal(kind="demo_credit", reference=f"demo:{user_id}", moves=(move,)))
    return user_id


async def test_a_committed_order_whose_answer_was_lost_is_found_again(database_urls: DatabaseUrls) -> None:
    database = await Database.connect(database_urls.app, connections_max=4)
    queue = PlacingQueue(database, lambda: None)
    try:
        ann = await customer(database, 1000)
        order = wish(ann)
        assert (await queue.place(order)).outcome == "accepted"
        # The same order again, as after a connection that died behind the commit.
        again = await queue.place(order)
        assert (again.outcome, again.order_id) == ("accepted", order.id)
        async with database.read() as connection:
            assert (await ledger.read_balance(connection, ann, "USD")).held == 50
    finally:
        await database.close()


async def test_connections_killed_under_load_lose_no_answered_order_and_place_none_twice(
    database_urls: DatabaseUrls,
) -> None:
    database = await Database.connect(database_urls.app, connections_max=6)
    queue = PlacingQueue(database, lambda: None)
    killer = await asyncpg.connect(database_urls.app)
    answered: list[OrderId] = []
    failed = 0

    async def place_some(user_id: UserId) -> None:
        nonlocal failed
        for _ in range(40):
            order = wish(user_id)
            try:
                outcome = await queue.place(order)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                failed += 1
                continue
            assert outcome.outcome == "accepted"
            assert outcome.order_id == order.id
            answered.append(order.id)

    async def kill_some() -> None:
        for _ in range(15):
            await asyncio.sleep(0.03)
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2"
            )

    try:
        customers = [await customer(database, 100_000) for _ in range(12)]
        await asyncio.gather(*(place_some(user_id) for user_id in customers), kill_some())
        stored = {row["id"] for row in await killer.fetch("SELECT id FROM orders")}
        held = await killer.fetchval("SELECT sum(held) FROM balances")
        print(f"{len(answered)} orders answered, {failed} failed, {len(stored)} stored")
        assert set(answered) <= stored
        assert held == 50 * len(stored)
    finally:
        await killer.close()
        await database.close()
