"""A whole trading desk for tests: the real worker in this process, the sandbox venue outside, customers who order."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bitcurrent.integrations.alpaca.adapter import AlpacaVenue
from bitcurrent.kernel.errors import Refusal
from bitcurrent.kernel.ids import OrderId, UserId, new_id
from bitcurrent.launcher import addresses
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading.model import Order, OrderState, OrderType, OrderWish, Side, TimeInForce
from bitcurrent.trading.repository import read_order
from bitcurrent.trading.tasks.desk import Pace
from bitcurrent.wiring import Brokerage, open_brokerage
from bitcurrent.worker import Worker
from tests.support.books import customer
from tests.support.brokerage import settings_for
from tests.support.laws import assert_laws
from tests.support.sandbox import Sandbox

MARKET = "BTC/USD"
PRICE = Decimal(50_000)
QUICK = Pace(idle=0.05, unknown_first=0.1, unknown_longest=0.5, missing=1.5, cancel_again=2, heal=1.5, quiet_order=1)


@dataclass(slots=True)
class Floor:
    """The brokerage with a worker, and the venue."""

    brokerage: Brokerage
    sandbox: Sandbox
    pace: Pace = QUICK
    venue: type[AlpacaVenue] = AlpacaVenue
    workers: list[tuple[Worker, asyncio.Event, asyncio.Task[None]]] = field(default_factory=list)

    def start_worker(self) -> Worker:
        """One more worker on a port of its own."""
        stopping = asyncio.Event()
        worker = Worker(self.brokerage, stopping, pace=self.pace, venue=self.venue)
        self.workers.append((worker, stopping, asyncio.create_task(worker.work())))
        return worker

    async def stop_worker(self) -> None:
        """Stop the oldest worker as SIGTERM does."""
        _, stopping, task = self.workers.pop(0)
        stopping.set()
        await asyncio.wait_for(task, 5)

    async def kill_worker(self) -> None:
        """Stop the oldest worker in the middle of whatever it does."""
        _, _, task = self.workers.pop(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def customer(self, **money: str) -> UserId:
        """A customer with money; coins are put into the venue's account as well, for it must have what is sold."""
        async with self.brokerage.database.transaction() as connection:
            return await customer(connection, **money)

    async def order(
        self,
        user_id: UserId,
        side: Side = Side.BUY,
        *,
        quantity: str | None = None,
        notional: str | None = None,
        limit: str | None = None,
        stop: str | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
    ) -> OrderId:
        """Place an order as the API does."""
        kind = OrderType.MARKET if limit is None else OrderType.LIMIT if stop is None else OrderType.STOP_LIMIT
        wish = OrderWish(
            market=MARKET,
            side=side,
            type=kind,
            time_in_force=time_in_force,
            quantity=None if quantity is None else Decimal(quantity),
            notional=None if notional is None else Decimal(notional),
            limit_price=None if limit is None else Decimal(limit),
            stop_price=None if stop is None else Decimal(stop),
        )
        order, _ = await self.brokerage.trading.place_order(
            user_id, wish, source="test", request_hash=new_id().bytes, idempotency_key=str(new_id())
        )
        return order.id

    async def read(self, order_id: OrderId) -> Order:
        """The order now."""
        async with self.brokerage.database.read() as connection:
            order = await read_order(connection, order_id)
        assert order is not None
        return order

    async def until(self, order_id: OrderId, *states: OrderState, seconds: float = 10) -> Order:
        """Wait until the order is in one of these states."""
        order = await self.read(order_id)
        deadline = time.monotonic() + seconds
        while order.state not in states:
            assert time.monotonic() < deadline, f"still {order.state} ({order.reason}), not {states}"
            await asyncio.sleep(0.01)
            order = await self.read(order_id)
        return order

    async def until_true(self, what: Callable[[], Awaitable[Any]], *, seconds: float = 10) -> Any:
        """Wait until something holds; its value."""
        deadline = time.monotonic() + seconds
        while not (value := await what()):
            assert time.monotonic() < deadline, "it never came true"
            await asyncio.sleep(0.02)
        return value

    async def count(self, query: str, *arguments: Any) -> Any:
        """One value out of the database."""
        async with self.brokerage.database.read() as connection:
            return await connection.fetchval(query, *arguments)

    async def at_venue(self, order_id: OrderId) -> dict[str, Any] | None:
        """The venue's truth about an order."""
        state = await asyncio.to_thread(self.sandbox.state)
        found: dict[str, Any] | None = state["orders"].get(str(order_id))
        return found

    async def control(self, verb: str, /, **body: Any) -> Any:
        """Tell the sandbox something, without holding up the worker in this process."""
        return await asyncio.to_thread(lambda: self.sandbox.control(verb, **body))

    async def fault(self, kind: str, **body: Any) -> None:
        """Order a fault of the sandbox."""
        await self.control("faults", kind=kind, **body)

    async def laws(self) -> None:
        """Have the venue post its fees, wait for them, and check every law."""
        await self.control("fees")
        await self.until_true(
            lambda: self.count(
                "SELECT (SELECT count(*) FROM fills) = (SELECT count(*) FROM journals WHERE kind = 'venue_fee')"
            ),
            seconds=20,
        )
        async with self.brokerage.database.read() as connection:
            await assert_laws(connection, self.sandbox)


@contextlib.asynccontextmanager
async def trading_floor(
    urls: DatabaseUrls,
    redis_url: str,
    sandbox: Sandbox,
    *,
    pace: Pace = QUICK,
    worker: bool = True,
    venue: type[AlpacaVenue] = AlpacaVenue,
    **changes: Any,
) -> AsyncIterator[Floor]:
    """A fresh venue at a known price, and the brokerage with a leading worker that knows the price."""
    await asyncio.to_thread(lambda: sandbox.control("reset", state=True))
    await asyncio.to_thread(
        lambda: sandbox.control(
            "settings", requests_per_minute=100_000, fees_paused=True, tick_ms=50, depth_usd=100_000
        )
    )
    await asyncio.to_thread(lambda: sandbox.control("price", symbol=MARKET, price=str(PRICE)))
    settings = settings_for(
        urls, redis_url, sandbox, alpaca_requests_per_minute=100_000, worker_port=addresses.free_port(), **changes
    )
    async with open_brokerage(settings) as brokerage:
        floor = Floor(brokerage, sandbox, pace, venue)
        try:
            if worker:
                floor.start_worker()
                await price_known(brokerage)
            yield floor
        finally:
            while floor.workers:
                await floor.stop_worker()
            await asyncio.to_thread(lambda: sandbox.control("reset", state=True))


async def price_known(brokerage: Brokerage) -> None:
    """Wait until orders can be priced."""
    deadline = time.monotonic() + 15
    while True:
        try:
            ask = (await brokerage.market_data.quote(MARKET)).ask
        except Refusal:
            ask = None
        if ask is not None and abs(ask - PRICE) < PRICE / 50:
            return
        assert time.monotonic() < deadline, "the worker never brought a price"
        await asyncio.sleep(0.05)
