"""One leads, the others stand by; whoever comes next finishes what was begun."""

import asyncio
import time
from collections.abc import Callable

import asyncpg
import httpx

from bitcurrent.kernel.leader import Leadership
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading.model import OrderState
from tests.support.books import connect
from tests.support.desk import Floor, trading_floor
from tests.support.sandbox import Sandbox


class Reign:
    """Work that notes when it runs."""

    def __init__(self) -> None:
        self.running = False
        self.ended = 0

    async def __call__(self) -> None:
        self.running = True
        try:
            await asyncio.Event().wait()
        finally:
            self.running = False
            self.ended += 1


async def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_only_one_leads_and_a_lost_connection_ends_it_at_once(database_urls: DatabaseUrls) -> None:
    stopping = asyncio.Event()
    first, second = Leadership(database_urls.app, 7), Leadership(database_urls.app, 7)
    work = {first: Reign(), second: Reign()}
    tasks = [asyncio.create_task(one.lead(work[one], stopping)) for one in (first, second)]
    await until(lambda: first.leading or second.leading, 5)
    leader, other = (first, second) if first.leading else (second, first)
    await asyncio.sleep(1.5)
    assert (work[leader].running, work[other].running) == (True, False)

    connection = await connect(database_urls.app)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = 7"
    )
    await connection.close()
    # Counted, not looked at: the same one may lead again within milliseconds.
    await until(lambda: work[leader].ended == 1, 1.5)
    await until(lambda: work[first].running or work[second].running, 5)
    assert not (work[first].running and work[second].running)
    stopping.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_frozen_leader_loses_the_lead(database_urls: DatabaseUrls) -> None:
    # A session that holds the lock and says nothing any more, as a stopped process would.
    frozen = await asyncpg.connect(database_urls.app, server_settings={"idle_session_timeout": "4s"})
    assert await frozen.fetchval("SELECT pg_try_advisory_lock(9)")
    stopping, leadership, work = asyncio.Event(), Leadership(database_urls.app, 9), Reign()
    task = asyncio.create_task(leadership.lead(work, stopping))
    assert await until(lambda: work.running, 6) > 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    frozen.terminate()


async def test_another_worker_takes_over_within_five_seconds_and_finishes_what_was_begun(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.fault("delay_after", method="POST", path="/v2/orders", ms=3000)
    await floor.fault("drop_event", event="fill", count=0)
    order_id = await floor.order(ann, notional="100")
    await floor.until_true(lambda: floor.at_venue(order_id))
    await floor.kill_worker()
    began = time.monotonic()
    floor.start_worker()
    await floor.until(order_id, OrderState.FILLED, seconds=5)
    assert time.monotonic() - began < 5
    await floor.laws()


async def test_stopping_lets_an_answer_on_its_way_be_recorded(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.fault("delay_after", method="POST", path="/v2/orders", ms=800)
    await floor.control("settings", trading_silent=True)
    order_id = await floor.order(ann, quantity="0.01", limit="40000")
    await floor.until(order_id, OrderState.SUBMITTING)
    await floor.until_true(lambda: floor.at_venue(order_id))
    began = time.monotonic()
    await floor.stop_worker()
    assert time.monotonic() - began < 3
    order = await floor.read(order_id)
    assert order.state is OrderState.SUBMITTED
    assert order.venue_order_id is not None
    await floor.brokerage.trading.cancel_order(ann, order_id)
    await floor.control("settings", trading_silent=False)
    floor.start_worker()
    await floor.until(order_id, OrderState.CANCELED)
    await floor.laws()


async def test_orders_placed_while_nobody_leads_are_sent_by_the_next(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.stop_worker()
    order_id = await floor.order(ann, notional="100")
    await asyncio.sleep(0.3)
    assert (await floor.read(order_id)).state is OrderState.ACCEPTED
    floor.start_worker()
    await floor.until(order_id, OrderState.FILLED)
    await floor.laws()


async def test_a_venue_that_is_away_delays_orders_and_rejects_none(
    database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox
) -> None:
    async with trading_floor(database_urls, redis_url, sandbox) as floor:
        ann = await floor.customer(USD="1000")
        await floor.fault("error_before", method="POST", path="/v2/orders", status=401, count=3)
        order_id = await floor.order(ann, notional="100")
        await asyncio.sleep(1.5)
        assert (await floor.read(order_id)).state is OrderState.ACCEPTED
        await floor.until(order_id, OrderState.FILLED, seconds=20)
        await floor.laws()


async def test_the_window_shows_health_and_metrics(floor: Floor) -> None:
    port = floor.brokerage.settings.worker_port
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
        for path in ("/health", "/health/live"):
            assert (await client.get(path)).status_code == 200
        ready = await client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["leader"] is True
        assert ready.json()["stream_age_seconds"] >= 0
        metrics = (await client.get("/metrics")).text
        assert "bitcurrent_worker_leader 1.0" in metrics
        assert "bitcurrent_worker_orders_unknown 0.0" in metrics
        assert (await client.get("/anything")).status_code == 404
