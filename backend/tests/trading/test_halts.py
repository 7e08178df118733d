"""Stops of trading: exact to the commit, by asset, side and kind of order; cancels go on; nothing stopped is sent."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from bitcurrent.compliance.products import Product
from bitcurrent.compliance.stops.model import Stop, Stopped, forbids
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading.model import OrderState, OrderType, OrderWish, Side, TimeInForce
from tests.support.desk import Floor, trading_floor
from tests.support.sandbox import Sandbox

WHY = "The venue reports wrong balances"


@pytest.fixture
async def floor(database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> AsyncIterator[Floor]:
    """A brokerage that has markets and prices; its worker is started by who needs it."""
    async with trading_floor(database_urls, redis_url, sandbox) as running:
        yield running


async def stop(floor: Floor, product: Product | None = None, asset: str | None = None) -> Stop:
    async with floor.brokerage.database.transaction() as connection:
        return await floor.brokerage.stops.stop(connection, product=product, asset=asset, reason=WHY)


async def known(floor: Floor, what: bool) -> None:
    """Wait until this process has noticed: half a second."""

    async def noticed() -> bool:
        return ((await floor.brokerage.market_data.market("BTC/USD")).halted_reason is not None) == what

    await floor.until_true(noticed, seconds=2)


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.03])
async def test_no_order_is_accepted_once_a_stop_is_committed_however_many_come_at_once(
    floor: Floor, pause: float
) -> None:
    people = [await floor.customer(USD="1000000") for _ in range(5)]
    accepted: list[Any] = []
    refused: list[Stopped] = []
    begun = asyncio.Event()

    async def keep_placing(number: int) -> None:
        while True:
            try:
                accepted.append(await floor.order(people[number % 5], quantity="0.001", limit="20000"))
            except Stopped as refusal:
                refused.append(refusal)
                return
            begun.set()

    placing = [asyncio.create_task(keep_placing(number)) for number in range(50)]
    await asyncio.wait_for(begun.wait(), 10)
    await asyncio.sleep(pause)
    await stop(floor, "trading", "BTC")
    then = await floor.count("SELECT count(*) FROM orders")
    await asyncio.wait_for(asyncio.gather(*placing), 20)
    assert await floor.count("SELECT count(*) FROM orders") == then == len(accepted)
    assert len(refused) == 50
    assert "Trading in BTC is stopped for now" in refused[0].message


async def test_the_rule_is_the_same_in_sql_and_in_memory(floor: Floor) -> None:
    products: list[Product | None] = [None, "trading", "order_buy", "order_sell", "order_market", "conversion"]
    orders = [(market, side, kind) for market in ("BTC/USD", "ETH/BTC", "SOL/USD")
              for side in ("buy", "sell") for kind in ("market", "limit", "stop_limit")]  # fmt: skip
    for product in products:
        for asset in (None, "BTC", "USD"):
            made = await stop(floor, product, asset)
            for market, side, kind in orders:
                found = await floor.count("SELECT stop_of_order($1, $2, $3)", market, side, kind)
                expected = forbids(made, market=market, side=side, order_type=kind)
                assert (found is not None) == expected, (product, asset, market, side, kind)
            async with floor.brokerage.database.transaction() as connection:
                await floor.brokerage.stops.resume_by_house(connection, made.id, reason="Tried out")


async def test_purchases_can_be_stopped_alone_and_open_orders_be_canceled(floor: Floor) -> None:
    ann = await floor.customer(USD="10000", BTC="1")
    resting = await floor.order(ann, quantity="0.01", limit="30000")
    await floor.until(resting, OrderState.SUBMITTED)
    await stop(floor, "order_buy", "BTC")
    with pytest.raises(Stopped, match=r"Purchases in BTC are stopped for now\. We are working on it\."):
        await floor.order(ann, quantity="0.01", limit="30000")
    with pytest.raises(Stopped):
        await floor.brokerage.trading.replace_order(
            ann, resting, quantity=None, limit_price=Decimal(31_000), stop_price=None, source="test",
            request_hash=b"x",
        )  # fmt: skip
    await floor.order(ann, Side.SELL, quantity="0.01", limit="60000")
    await floor.brokerage.trading.cancel_order(ann, resting)
    await floor.until(resting, OrderState.CANCELED)


async def test_market_orders_can_be_stopped_alone(floor: Floor) -> None:
    ann = await floor.customer(USD="10000")
    await stop(floor, "order_market", None)
    with pytest.raises(Stopped, match="Market orders are stopped"):
        await floor.order(ann, quantity="0.01")
    await floor.order(ann, quantity="0.01", limit="30000")


async def test_the_market_shows_that_it_is_halted_and_why_and_a_preview_says_so(floor: Floor) -> None:
    ann = await floor.customer(USD="10000")
    wish = OrderWish(
        market="BTC/USD", side=Side.BUY, type=OrderType.LIMIT, time_in_force=TimeInForce.GTC,
        quantity=Decimal("0.01"), limit_price=Decimal(30_000),
    )  # fmt: skip
    made = await stop(floor, "trading", "BTC")
    await known(floor, True)
    shown = next(each for each in floor.brokerage.market_list.page().items if each.symbol == "BTC/USD")
    assert (shown.halted, shown.tradable) == (True, False)
    assert shown.halted_reason == "Trading in BTC is stopped for now. We are working on it."
    other = next(each for each in floor.brokerage.market_list.page().items if each.symbol == "SOL/USD")
    assert not other.halted
    with pytest.raises(Stopped):
        await floor.brokerage.trading.preview_order(ann, wish)
    async with floor.brokerage.database.transaction() as connection:
        await floor.brokerage.stops.resume_by_house(connection, made.id, reason="It was mended")
    await known(floor, False)
    await floor.brokerage.trading.preview_order(ann, wish)


async def test_an_order_that_was_accepted_and_not_sent_is_ended_and_its_money_given_back(floor: Floor) -> None:
    ann = await floor.customer(USD="10000")
    await floor.stop_worker()
    bitcoin = [await floor.order(ann, quantity="0.01", limit="30000") for _ in range(3)]
    await stop(floor, None, "BTC")
    floor.start_worker()
    for order_id in bitcoin:
        ended = await floor.until(order_id, OrderState.CANCELED)
        assert ended.reason == "trading was stopped before it was sent"
        assert await floor.at_venue(order_id) is None
    assert await floor.count("SELECT available FROM balances WHERE user_id = $1 AND currency = 'USD'", ann) == 10_000
    await floor.laws()


async def test_a_repeat_of_what_was_accepted_is_answered_while_all_stands_still(floor: Floor) -> None:
    ann = await floor.customer(USD="10000")
    wish = OrderWish(
        market="BTC/USD", side=Side.BUY, type=OrderType.LIMIT, time_in_force=TimeInForce.GTC,
        quantity=Decimal("0.01"), limit_price=Decimal(30_000), client_order_id="mine",
    )  # fmt: skip
    place = floor.brokerage.trading.place_order
    first, _ = await place(ann, wish, source="test", request_hash=b"same", idempotency_key="k-1")
    await stop(floor)
    again, repeated = await place(ann, wish, source="test", request_hash=b"same", idempotency_key="k-1")
    assert (again.id, repeated) == (first.id, True)
    with pytest.raises(Stopped):
        await floor.order(ann, quantity="0.01", limit="30000")
