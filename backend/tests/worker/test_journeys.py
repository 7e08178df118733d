"""Every way an order can go, from accepted to the money in the books."""

import asyncio
from decimal import Decimal

from bitcurrent.trading.model import OrderState, Side, TimeInForce
from bitcurrent.trading.repository import read_orders
from tests.support.desk import Floor


async def test_a_market_buy_by_notional_spends_no_more_and_brings_coins(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    order = await floor.until(await floor.order(ann, notional="100"), OrderState.FILLED)
    assert Decimal(99) < order.filled_cost <= Decimal(100)
    assert order.venue_order_id is not None
    await floor.laws()


async def test_a_market_buy_by_quantity_goes_as_an_immediate_limit_at_its_collar(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    order = await floor.until(await floor.order(ann, quantity="0.01"), OrderState.FILLED)
    truth = await floor.at_venue(order.id)
    assert truth is not None
    assert (truth["order"]["type"], truth["order"]["time_in_force"]) == ("limit", "ioc")
    assert Decimal(truth["order"]["limit_price"]) == order.collar_price
    assert order.filled_quantity == Decimal("0.01")
    await floor.laws()


async def test_what_was_bought_can_be_sold_again(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    bought = await floor.until(await floor.order(ann, quantity="0.01"), OrderState.FILLED)
    sold = await floor.until(await floor.order(ann, Side.SELL, quantity=f"{bought.net:f}"), OrderState.FILLED)
    assert sold.fee_currency == "USD"
    await floor.laws()


async def test_a_limit_order_rests_and_fills_in_parts(floor: Floor) -> None:
    ann = await floor.customer(USD="10000")
    order_id = await floor.order(ann, quantity="0.1", limit="40000")
    await floor.until(order_id, OrderState.SUBMITTED)
    await floor.control("fill", client_order_id=str(order_id), qty="0.04", price="39990")
    order = await floor.until(order_id, OrderState.PARTIALLY_FILLED)
    assert order.filled_quantity == Decimal("0.04")
    await floor.control("fill", client_order_id=str(order_id), qty="0.06", price="40000")
    order = await floor.until(order_id, OrderState.FILLED)
    assert order.filled_cost == Decimal("0.04") * 39_990 + Decimal("0.06") * 40_000
    await floor.laws()


async def test_a_stop_limit_waits_for_its_price(floor: Floor) -> None:
    ann = await floor.customer(USD="10000")
    order_id = await floor.order(ann, quantity="0.01", limit="52000", stop="51000")
    await floor.until(order_id, OrderState.SUBMITTED)
    await asyncio.sleep(0.3)
    assert (await floor.read(order_id)).filled_quantity == 0
    await floor.control("price", symbol="BTC/USD", price="51500")
    await floor.until(order_id, OrderState.FILLED)
    await floor.laws()


async def test_a_canceled_order_gives_its_money_back(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    order_id = await floor.order(ann, quantity="0.01", limit="40000")
    await floor.until(order_id, OrderState.SUBMITTED)
    await floor.brokerage.trading.cancel_order(ann, order_id)
    await floor.until(order_id, OrderState.CANCELED)
    await floor.laws()


async def test_a_cancel_that_meets_a_fill_keeps_what_was_filled(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.control("settings", cancel_latency_ms=400)
    order_id = await floor.order(ann, quantity="0.01", limit="40000")
    await floor.until(order_id, OrderState.SUBMITTED)
    await floor.brokerage.trading.cancel_order(ann, order_id)
    await floor.until_true(lambda: floor.count("SELECT cancel_sent_at IS NOT NULL FROM orders WHERE id = $1", order_id))
    await floor.control("fill", client_order_id=str(order_id), qty="0.004", price="40000")
    order = await floor.until(order_id, OrderState.CANCELED)
    assert order.filled_quantity == Decimal("0.004")
    await floor.laws()


async def test_a_cancel_that_comes_too_late_finds_the_order_filled(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    order_id = await floor.order(ann, quantity="0.01", limit="40000")
    await floor.until(order_id, OrderState.SUBMITTED)
    await floor.fault("drop_event", event="fill")
    await floor.control("fill", client_order_id=str(order_id), qty="0.01", price="40000")
    await floor.brokerage.trading.cancel_order(ann, order_id)
    order = await floor.until(order_id, OrderState.FILLED)
    assert order.filled_quantity == Decimal("0.01")
    await floor.laws()


async def test_a_replaced_order_hands_its_hold_over(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    old_id = await floor.order(ann, quantity="0.01", limit="40000")
    await floor.until(old_id, OrderState.SUBMITTED)
    new, _ = await floor.brokerage.trading.replace_order(
        ann,
        old_id,
        quantity=None,
        limit_price=Decimal(42_000),
        stop_price=None,
        source="test",
        request_hash=b"r" * 16,
    )
    await floor.until(old_id, OrderState.REPLACED)
    await floor.until(new.id, OrderState.SUBMITTED)
    await floor.control("fill", client_order_id=str(new.id), qty="0.01", price="42000")
    await floor.until(new.id, OrderState.FILLED)
    await floor.laws()


async def test_an_order_that_the_venue_refuses_is_rejected_with_its_reason(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.control("halt", symbol="BTC/USD")
    order = await floor.until(await floor.order(ann, quantity="0.01", limit="40000"), OrderState.REJECTED)
    assert "not tradable" in (order.reason or "")
    await floor.laws()


async def test_an_order_that_the_venue_rejects_afterwards_gives_its_money_back(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.fault("reject_order")
    await floor.until(await floor.order(ann, quantity="0.01", limit="40000"), OrderState.REJECTED)
    await floor.laws()


async def test_an_expired_order_gives_its_money_back(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    order_id = await floor.order(ann, quantity="0.01", limit="40000")
    await floor.until(order_id, OrderState.SUBMITTED)
    await floor.control("expire", client_order_id=str(order_id))
    await floor.until(order_id, OrderState.EXPIRED)
    await floor.laws()


async def test_an_immediate_order_that_finds_nobody_is_canceled(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    order_id = await floor.order(ann, quantity="0.01", limit="40000", time_in_force=TimeInForce.IOC)
    order = await floor.until(order_id, OrderState.CANCELED)
    assert order.filled_quantity == 0
    await floor.laws()


async def test_an_immediate_order_keeps_the_part_that_it_found(floor: Floor) -> None:
    ann = await floor.customer(USD="300000")
    await floor.control("settings", depth_usd=1000)
    order_id = await floor.order(ann, quantity="2", limit="50200", time_in_force=TimeInForce.IOC)
    order = await floor.until(order_id, OrderState.CANCELED)
    assert 0 < order.filled_quantity < 2
    await floor.laws()


async def test_many_customers_at_once_all_end_well(floor: Floor) -> None:
    customers = [await floor.customer(USD="10000") for _ in range(10)]
    ids = [await floor.order(who, notional="50") for who in customers for _ in range(5)]
    for order_id in ids:
        await floor.until(order_id, OrderState.FILLED, seconds=20)
    async with floor.brokerage.database.read() as connection:
        assert len(await read_orders(connection, ids)) == 50
    await floor.laws()
