"""A state machine over the real services: customers through `Trading`, the venue's words through the worker's verbs.

PostgreSQL, Redis and the sandbox's prices are real. What the venue does is drawn by Hypothesis and told as data: orders
arrive or not, answers are lost, fills come in parts, late, twice and in any order, cancels cross fills and replaces.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bitcurrent.integrations.alpaca.adapter import AlpacaVenue
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Conflict, Invalid
from bitcurrent.kernel.ids import OrderId, UserId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading import venue_repository
from bitcurrent.trading.model import Order, OrderState, Side
from bitcurrent.trading.ports import VenueFill, VenueOrder, VenueUpdate
from bitcurrent.trading.tasks.answers import bring_up_to_date, record_answer, reject
from bitcurrent.trading.tasks.desk import Desk
from bitcurrent.trading.tasks.sending import NEVER_RECEIVED
from bitcurrent.trading.tasks.updates import apply_updates
from tests.support import books
from tests.support.desk import QUICK, Floor, trading_floor
from tests.support.laws import assert_laws
from tests.support.sandbox import Sandbox

RUNS = max(1, int(os.environ.get("BITCURRENT_LAW_EXAMPLES", "200")) // 2)
STEPS = 20
LAWS_EVERY = 10
ran: Counter[str] = Counter()


@dataclass(slots=True)
class There:
    """One order as the venue has it."""

    quantity: Decimal
    fills: list[VenueFill] = field(default_factory=list)
    ended: OrderState | None = None

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), Decimal(0))


@dataclass(slots=True)
class House:
    """What all runs share."""

    runner: asyncio.Runner
    floor: Floor
    desk: Desk


class Trade(RuleBasedStateMachine):
    """One customer's trading, and what the venue makes of it."""

    house: House

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[OrderId] = []
        self.there: dict[OrderId, There] = {}
        self.lost: set[OrderId] = set()
        self.untold: list[VenueUpdate] = []
        self.told: list[VenueUpdate] = []
        self.steps = 0
        self.user_id = UserId(new_id())

    @initialize()
    def begin(self) -> None:
        """A customer with money and coins."""
        self.user_id = self._run(self.house.floor.customer(USD="5000", BTC="0.05"))

    # ---- the customer

    @rule(
        side=st.sampled_from(Side),
        quantity=st.sampled_from(["0.001", "0.01", "0.02"]),
        price=st.sampled_from(["39000", "60000"]),
    )
    def place(self, side: Side, quantity: str, price: str) -> None:
        try:
            order_id = self._run(self.house.floor.order(self.user_id, side, quantity=quantity, limit=price))
        except Conflict as refusal:
            event(refusal.code)
            return
        self.orders.append(order_id)

    @rule(n=st.integers(0, 9))
    @precondition(lambda self: self.orders)
    def cancel(self, n: int) -> None:
        try:
            self._run(self.house.floor.brokerage.trading.cancel_order(self.user_id, self._order(n)))
        except Conflict as refusal:
            event(f"cancel {refusal.code}")

    @rule(n=st.integers(0, 9), price=st.sampled_from(["38000", "41000"]), quantity=st.sampled_from([None, "0.015"]))
    @precondition(lambda self: self.orders)
    def replace(self, n: int, price: str, quantity: str | None) -> None:
        wish = self.house.floor.brokerage.trading.replace_order(
            self.user_id,
            self._order(n),
            quantity=None if quantity is None else Decimal(quantity),
            limit_price=Decimal(price),
            stop_price=None,
            source="test",
            request_hash=new_id().bytes,
        )
        try:
            new, _ = self._run(wish)
        except (Conflict, Invalid) as refusal:
            event(f"replace {refusal.code}")
            return
        event("replace accepted")
        self.orders.append(new.id)

    # ---- on the way to the venue

    @rule(outcome=st.sampled_from(["answered", "answered", "answer lost", "never received", "refused"]))
    @precondition(lambda self: self.orders)
    def send(self, outcome: str) -> None:
        self._run(self._send(outcome))

    async def _send(self, outcome: str) -> None:
        database, desk = self.house.floor.brokerage.database, self.house.desk
        orders = await database.in_transaction(lambda tx: venue_repository.claim_orders(tx, 2))
        for order in orders:
            if order.replaces is not None and not self._may_replace(order.replaces):
                await reject(desk, order, "the order to replace has ended")
            elif outcome == "refused":
                await reject(desk, order, "the venue does not want it")
            else:
                if outcome != "never received":
                    self._receive(order)
                if outcome == "answered":
                    await record_answer(desk, order, self._view(order.id))
                else:
                    await database.in_transaction(partial(_lose, order.id))
                    self.lost.add(order.id)

    def _may_replace(self, order_id: OrderId) -> bool:
        old = self.there.get(order_id)
        return old is not None and old.ended is None

    def _receive(self, order: Order) -> None:
        assert order.quantity is not None
        self.there[order.id] = There(order.quantity)
        if order.replaces is not None:
            self._end(order.replaces, OrderState.REPLACED)
        self._say(order.id, "new")

    # ---- the venue

    @rule(n=st.integers(0, 9), share=st.sampled_from(["0.3", "0.5", "1"]))
    @precondition(lambda self: any(one.ended is None for one in self.there.values()))
    def fill(self, n: int, share: str) -> None:
        order_id = self._open(n)
        one = self.there[order_id]
        quantity = ((one.quantity - one.filled) * Decimal(share)).quantize(Decimal("1e-9"))
        if quantity <= 0:
            return
        price = self._run(self.house.floor.read(order_id)).limit_price
        assert price is not None
        fill = VenueFill(
            execution_id=str(new_id()),
            venue_order_id=str(order_id),
            order_id=order_id,
            quantity=quantity,
            price=price,
            filled_at=books.NOON,
        )
        one.fills.append(fill)
        if one.filled == one.quantity:
            one.ended = OrderState.FILLED
        self._say(order_id, "fill" if one.ended else "partial_fill", fill)

    @rule(n=st.integers(0, 9), state=st.sampled_from([OrderState.CANCELED, OrderState.EXPIRED]))
    @precondition(lambda self: any(one.ended is None for one in self.there.values()))
    def end(self, n: int, state: OrderState) -> None:
        self._end(self._open(n), state)

    def _end(self, order_id: OrderId, state: OrderState) -> None:
        self.there[order_id].ended = state
        self._say(order_id, state.value)

    # ---- what we hear of it

    @rule(which=st.lists(st.integers(0, 9), min_size=1, max_size=5))
    @precondition(lambda self: self.untold)
    def hear(self, which: list[int]) -> None:
        """Some messages in some order, in one batch; the others are late."""
        self._hear([self.untold.pop(n % len(self.untold)) for n in which if self.untold])

    @rule(n=st.integers(0, 30))
    @precondition(lambda self: self.told)
    def hear_again(self, n: int) -> None:
        self._hear([self.told[n % len(self.told)]] * 2)

    def _hear(self, batch: list[VenueUpdate]) -> None:
        unique = list({update.event_id: update for update in batch}.values())
        self._run(apply_updates(self.house.desk, unique))
        self.told += unique

    @rule()
    @precondition(lambda self: self.lost)
    def ask(self) -> None:
        """The worker asks for an order whose answer was lost; fills that it has not heard of yet come by the stream."""
        self._run(self._resolve(min(self.lost)))

    async def _resolve(self, order_id: OrderId) -> None:
        order = await self.house.floor.read(order_id)
        self.lost.discard(order_id)
        if order.state is not OrderState.UNKNOWN:
            return
        if order_id not in self.there:
            await reject(self.house.desk, order, NEVER_RECEIVED)
            return
        if order.replaces is not None and (await self.house.floor.read(order.replaces)).finished_at is None:
            self.lost.add(order_id)  # its predecessor's end is still on its way
            return
        if self.there[order_id].filled > order.filled_quantity:
            await record_answer(self.house.desk, order, self._view(order_id))
        else:
            await bring_up_to_date(self.house.desk, order, self._view(order_id))

    # ---- what must always hold

    @invariant()
    def the_books_are_right(self) -> None:
        self.steps += 1
        if self.steps % LAWS_EVERY == 0:
            self._run(self._laws())

    async def _laws(self) -> None:
        async with self.house.floor.brokerage.database.read() as connection:
            assert await books.broken_laws(connection) == []

    def teardown(self) -> None:
        """Things calm down: everything is sent, heard and ended. Nothing stays held, and our fills are the venue's."""
        self._run(self._drain())
        ran["runs"] += 1
        ran["steps"] += self.steps
        ran["orders"] += len(self.orders)

    async def _drain(self) -> None:
        for _ in range(len(self.orders) + 1):
            await self._send("answered")
        for order_id, one in self.there.items():
            if one.ended is None:
                self._end(order_id, OrderState.CANCELED)
        for _ in range(3):
            # A replacement's fill that overtook its predecessor's end was put aside; healing books it afterwards.
            batch, self.untold = self.untold, []
            self.told += batch
            await apply_updates(self.house.desk, batch)
            await self._heal()
            for order_id in sorted(self.lost):
                await self._resolve(order_id)
        await self._same_fills()
        async with self.house.floor.brokerage.database.read() as connection:
            if ran["runs"] % LAWS_EVERY == 0:
                await assert_laws(connection)
            held = await connection.fetchval("SELECT sum(held) FROM balances WHERE user_id = $1", self.user_id)
            still = await connection.fetch(
                "SELECT state, held FROM orders WHERE user_id = $1 AND (finished_at IS NULL OR held <> 0)", self.user_id
            )
        assert (held, still) == (0, [])

    async def _heal(self) -> None:
        """Book what was put aside, as healing does from the venue's activities."""
        database = self.house.floor.brokerage.database
        for order_id, one in self.there.items():
            order = await self.house.floor.read(order_id)
            if order.filled_quantity < one.filled:
                for fill in one.fills:
                    await database.in_transaction(partial(_settle, order_id, fill))
            order = await self.house.floor.read(order_id)
            if order.finished_at is None and order.state is not OrderState.UNKNOWN:
                await bring_up_to_date(self.house.desk, order, self._view(order_id))

    async def _same_fills(self) -> None:
        async with self.house.floor.brokerage.database.read() as connection:
            rows = await connection.fetch("SELECT order_id, execution_id FROM fills WHERE user_id = $1", self.user_id)
        there = Counter((order_id, f.execution_id) for order_id, one in self.there.items() for f in one.fills)
        assert Counter((row["order_id"], row["execution_id"]) for row in rows) == there

    # ---- help

    def _run(self, work: Any) -> Any:
        return self.house.runner.run(work)

    def _order(self, n: int) -> OrderId:
        return self.orders[-1 - n % len(self.orders)]

    def _open(self, n: int) -> OrderId:
        still = [order_id for order_id, one in self.there.items() if one.ended is None]
        return still[n % len(still)]

    def _view(self, order_id: OrderId) -> VenueOrder:
        one = self.there[order_id]
        state = one.ended or (OrderState.PARTIALLY_FILLED if one.fills else OrderState.SUBMITTED)
        return VenueOrder(
            venue_order_id=f"venue-{order_id}",
            order_id=order_id,
            state=state,
            status=state.value,
            filled_quantity=one.filled,
            reason=None,
        )

    def _say(self, order_id: OrderId, name: str, fill: VenueFill | None = None) -> None:
        event_id = fill.execution_id if fill else str(new_id())
        self.untold.append(
            VenueUpdate(event_id=event_id, event=name, order=self._view(order_id), fill=fill, payload={})
        )


async def _lose(order_id: OrderId, connection: Connection) -> None:
    await venue_repository.mark_unknown(connection, order_id)


async def _settle(order_id: OrderId, fill: VenueFill, connection: Connection) -> None:
    await venue_repository.settle_fill(connection, order_id, fill)


@pytest.fixture
def house(database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> Iterator[House]:
    """A brokerage without a worker, whose prices are known, and a desk that applies what it is told."""
    with asyncio.Runner() as runner:
        context = trading_floor(database_urls, redis_server.url, sandbox, worker=False)
        floor = runner.run(context.__aenter__())
        try:
            runner.run(floor.brokerage.market_data.sync_markets())
            venue = AlpacaVenue.connect(floor.brokerage.settings)
            desk = Desk(database=floor.brokerage.database, venue=venue, redis=floor.brokerage.redis, pace=QUICK)
            yield House(runner, floor, desk)
            runner.run(venue.close())
        finally:
            runner.run(context.__aexit__(None, None, None))


@pytest.mark.timeout(120 + RUNS)
def test_whatever_happens_the_money_is_right_and_nothing_stays_held(house: House) -> None:
    machine = type("TradeHere", (Trade,), {"house": house})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"services: {ran['runs']} runs (floor {RUNS}), {ran['steps']} steps, {ran['orders']} orders")
    assert ran["runs"] >= RUNS
    house.runner.run(_all_laws(house.floor))


async def _all_laws(floor: Floor) -> None:
    async with floor.brokerage.database.read() as connection:
        await assert_laws(connection)
