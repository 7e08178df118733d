"""The venue's books against ours: planted differences are found, and none is seen where there is none."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

import httpx
import pytest_asyncio

from bitcurrent.compliance.stops.model import Stopped
from bitcurrent.compliance.stops.service import Stops, require_running
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.integrations.alpaca.adapter import AlpacaVenue
from bitcurrent.kernel.errors import Conflict
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Journal, Move, house
from bitcurrent.ledger.service import post
from bitcurrent.reconciliation import reconciling
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.reconciliation.model import Break, BreakFilter, BreakKind, BreakState, Pace
from bitcurrent.reconciliation.reconciling import Result
from bitcurrent.reconciliation.venue import VenueCheck
from bitcurrent.trading.model import OrderState, Side
from tests.support.desk import Floor, trading_floor
from tests.support.laws import VENUE_CASH
from tests.support.sandbox import Sandbox

QUICK = Pace(settle=0.4, skew=0.5, young=0.3, grace=0, line_grace=0, looks=2)


class Desk:
    """A trading floor whose books are compared with the venue's."""

    def __init__(self, floor: Floor, venue: AlpacaVenue, pace: Pace = QUICK) -> None:
        self.floor = floor
        self.database = floor.brokerage.database
        approvals = Approvals()
        self.breaks = Breaks(approvals, Stops(approvals))
        self.check = VenueCheck(self.database, venue, pace)

    async def run(self, times: int = 1, *, wholly: bool = False) -> Result:
        """Compare so many times; the last result."""
        result = await reconciling.run(self.database, self.breaks, [self.check], wholly=wholly)
        for _ in range(times - 1):
            result = await reconciling.run(self.database, self.breaks, [self.check], wholly=wholly)
        assert result.troubles == ()
        return result

    async def open_breaks(self) -> Sequence[Break]:
        """What waits for a person."""
        async with self.database.read() as connection:
            return await self.breaks.search(connection, BreakFilter(state=BreakState.OPEN))

    async def stopped(self, asset: str) -> bool:
        """Whether withdrawals of an asset wait."""
        async with self.database.read() as connection:
            try:
                await require_running(connection, product="crypto_withdrawal", asset=asset)
                await require_running(connection, product="bank_withdrawal", asset=asset)
            except Stopped:
                return True
        return False

    async def fees_booked(self) -> None:
        """Have the venue charge its fees, and wait until each is in the books."""
        await self.floor.control("fees")
        query = "SELECT (SELECT count(*) FROM fills) = (SELECT count(*) FROM journals WHERE kind = 'venue_fee')"
        await self.floor.until_true(lambda: self.floor.count(query), seconds=20)

    async def trade(self, count: int = 2) -> None:
        """Some customers buy, and sell half."""
        for _ in range(count):
            who = await self.floor.customer(USD="1000")
            bought = await self.floor.until(await self.floor.order(who, notional="100"), OrderState.FILLED)
            half = (bought.net / 2).quantize(Decimal("1e-9"))
            sold = await self.floor.order(who, Side.SELL, quantity=f"{half:f}")
            await self.floor.until(sold, OrderState.FILLED)


async def _fund(floor: Floor) -> None:
    move = Move(source=house("venue", "USD"), target=house("bank", "USD"), amount=VENUE_CASH)
    async with floor.brokerage.database.transaction() as connection:
        await post(connection, Journal(kind="venue_funding", reference="test:venue", moves=(move,)))


@pytest_asyncio.fixture
async def desk(database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> AsyncIterator[Desk]:
    async with trading_floor(database_urls, redis_url, sandbox) as floor:
        await _fund(floor)
        async with AlpacaVenue.connect(floor.brokerage.settings) as venue:
            yield Desk(floor, venue)


def by_asset(result: Result) -> dict[str, Decimal]:
    return {row.asset: row.difference for row in result.rows}


async def test_quiet_books_agree_before_and_after_the_fees(desk: Desk) -> None:
    await desk.trade()
    await asyncio.sleep(0.6)
    result = await desk.run()
    assert by_asset(result) == {"BTC": 0, "USD": 0}
    assert result.findings == ()
    assert {reason.what for row in result.rows for reason in row.reasons} == {
        "fees of fills that the venue has not charged yet"
    }
    await desk.fees_booked()
    result = await desk.run(wholly=True)
    assert result.findings == ()
    assert [row.reasons for row in result.rows] == [(), ()]
    assert all(row.ours == row.theirs for row in result.rows)


async def test_cash_that_came_from_nowhere_is_a_break_and_stops_withdrawals(desk: Desk) -> None:
    await desk.run()
    await desk.floor.control("credit", amount="123.45")
    result = await desk.run()
    assert by_asset(result) == {"USD": Decimal("-123.45")}
    assert await desk.open_breaks() == []  # once is no break
    assert not await desk.stopped("USD")
    await desk.run()
    (found,) = await desk.open_breaks()
    assert (found.kind, found.asset, found.difference, found.looks) == (
        BreakKind.HOLDINGS, "USD", Decimal("-123.45"), 2,
    )  # fmt: skip
    assert await desk.stopped("USD")
    assert not await desk.stopped("BTC")
    await desk.floor.control("credit", amount="-123.45")
    assert (await desk.run()).findings == ()
    (same,) = await desk.open_breaks()  # it went, and a person has still to say why
    assert same.gone_since is not None
    assert await desk.stopped("USD")


async def test_coins_that_are_missing_are_a_break(desk: Desk) -> None:
    await desk.trade(1)
    await desk.floor.control("credit", symbol="BTC/USD", amount="-0.0005")
    await desk.run(2)
    (found,) = await desk.open_breaks()
    assert (found.subject, found.asset) == ("venue:BTC", "BTC")
    assert found.difference > Decimal("0.00049")
    assert await desk.stopped("BTC")


async def test_a_stranger_s_order_and_its_executions_are_found(desk: Desk, sandbox: Sandbox) -> None:
    keys = {"APCA-API-KEY-ID": sandbox.key_id, "APCA-API-SECRET-KEY": sandbox.secret_key}
    orders = f"{sandbox.trading_url}/v2/orders"

    def place(**body: Any) -> str:
        order = {"symbol": "ETH/USD", "side": "buy", "type": "limit", "time_in_force": "gtc", **body}
        return str(httpx.post(orders, json=order, headers=keys, timeout=10).raise_for_status().json()["id"])

    resting = await asyncio.to_thread(place, qty="0.1", limit_price="200")
    bought = await asyncio.to_thread(place, qty="0.1", limit_price="20000")
    await asyncio.sleep(0.8)
    await desk.run(3)
    found = {each.subject: each for each in await desk.open_breaks()}
    assert {f"venue-order:{resting}", f"venue-order:{bought}", "venue:ETH", "venue:USD"} == set(found)
    assert {found[f"venue-order:{each}"].kind for each in (resting, bought)} == {BreakKind.FOREIGN_ORDER}
    assert found[f"venue-order:{bought}"].expected == Decimal("0.1")


async def test_an_execution_that_was_never_booked_is_found(desk: Desk) -> None:
    await desk.trade(1)
    who = await desk.floor.customer(USD="1000")
    order = await desk.floor.order(who, quantity="0.01", limit="40000")
    await desk.floor.until(order, OrderState.SUBMITTED)
    while desk.floor.workers:
        await desk.floor.kill_worker()
    await desk.floor.control("fill", client_order_id=str(order), qty="0.004", price="40000")
    await asyncio.sleep(0.6)
    await desk.run(2)
    kinds = {each.kind for each in await desk.open_breaks()}
    assert kinds == {BreakKind.FILLS, BreakKind.HOLDINGS}
    (fills,) = [each for each in await desk.open_breaks() if each.kind is BreakKind.FILLS]
    assert fills.expected == Decimal("0.004")
    assert fills.found == 0
    assert fills.asset == "BTC"


async def test_a_fee_that_was_never_booked_is_found_and_explains_the_balance(desk: Desk) -> None:
    await desk.trade(1)
    while desk.floor.workers:
        await desk.floor.kill_worker()
    await desk.floor.control("fees")
    await asyncio.sleep(0.3)
    await desk.run(2)
    assert {each.kind for each in await desk.open_breaks()} == {BreakKind.FEE_UNPOSTED}
    desk.floor.start_worker()

    async def healed() -> bool:
        return (await desk.run()).findings == ()

    await desk.floor.until_true(healed, seconds=15)


async def test_busy_customers_make_no_false_break(desk: Desk) -> None:
    """Looks without pause beside customers who trade without pause, fees included: nothing is ever found."""
    ends = time.monotonic() + 8
    orders = 0

    async def customer(seed: int) -> None:
        nonlocal orders
        rng = random.Random(seed)
        who = await desk.floor.customer(USD="100000")
        while time.monotonic() < ends:
            bought = await desk.floor.order(who, notional=str(rng.randint(11, 300)))
            orders += 1
            if rng.random() < 0.5:
                order = await desk.floor.until(bought, OrderState.FILLED)
                try:
                    await desk.floor.order(who, Side.SELL, quantity=f"{order.net / 2:.9f}")
                    orders += 1
                except Conflict:
                    continue  # its coins are on their way

    async def fees() -> None:
        while time.monotonic() < ends:
            await asyncio.sleep(1)
            await desk.floor.control("fees")

    patient = VenueCheck(
        desk.database,
        desk.check._books,
        Pace(settle=0.6, skew=0.5, young=1.0, grace=5, looks=2),
    )
    traffic = [asyncio.create_task(customer(seed)) for seed in range(3)] + [asyncio.create_task(fees())]
    looks = differing = 0
    while time.monotonic() < ends:
        result = await reconciling.run(desk.database, desk.breaks, [patient])
        looks += 1
        differing += bool(result.findings)
    await asyncio.gather(*traffic)
    async with desk.database.read() as connection:
        breaks = await desk.breaks.search(connection, BreakFilter())
    print(f"reconciliation beside {orders} orders: {looks} looks, {differing} with a difference, {len(breaks)} breaks")
    assert list(breaks) == []
    assert looks >= 5
    assert orders >= 50
