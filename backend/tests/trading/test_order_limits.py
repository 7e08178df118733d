"""Limits of trading, purchases and sales; and what fills are worth in USD, whatever they are paid with."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bitcurrent.compliance.limits import repository as limits
from bitcurrent.compliance.limits.model import LimitExceeded, Measure, Period, Scope
from bitcurrent.compliance.products import Product
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading import worth_repository
from bitcurrent.trading.model import OrderState, Side
from bitcurrent.trading.repository import read_volume, read_volume_since
from bitcurrent.trading.tasks.worths import keep_worths
from bitcurrent.trading.weighing import LOOK_SECONDS
from tests.support.desk import Floor, trading_floor
from tests.support.sandbox import Sandbox

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def floor(database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> AsyncIterator[Floor]:
    async with trading_floor(database_urls, redis_url, sandbox) as running:
        yield running


async def limit(
    floor: Floor, maximum: int, *, product: Product = "trading", period: Period = "day", measure: Measure = "worth",
) -> None:  # fmt: skip
    """A rule in force, and noticed: the first one counts within a second."""
    async with floor.brokerage.database.transaction() as connection:
        await limits.insert_rule(
            connection,
            scope=Scope(product=product, period=period, measure=measure),
            maximum=Decimal(maximum),
            effective_from=now(),
            reason="A trial",
            approval_id=None,
        )
    await asyncio.sleep(LOOK_SECONDS + 0.1)


async def test_a_days_orders_stay_within_the_limit_and_canceled_ones_do_not_count(floor: Floor) -> None:
    ann, bob = await floor.customer(USD="100000"), await floor.customer(USD="100000")
    await limit(floor, 1_000)
    first = await floor.order(ann, quantity="0.02", limit="40000")
    with pytest.raises(LimitExceeded, match=r"Trading: at most 1000 USD in 24 hours; 200 is left") as refused:
        await floor.order(ann, quantity="0.01", limit="40000")
    assert (refused.value.field, refused.value.details["asked"]) == ("quantity", "400")
    await floor.order(bob, quantity="0.02", limit="40000")
    await floor.until(first, OrderState.SUBMITTED)
    await floor.brokerage.trading.cancel_order(ann, first)
    await floor.until(first, OrderState.CANCELED)
    await floor.until(await floor.order(ann, quantity="0.01"), OrderState.FILLED)
    with pytest.raises(LimitExceeded):
        await floor.order(ann, quantity="0.0125", limit="42000")


async def test_two_orders_at_once_count_each_other(floor: Floor) -> None:
    ann = await floor.customer(USD="100000")
    await limit(floor, 1_000)
    outcomes = await asyncio.gather(
        *(floor.order(ann, quantity="0.02", limit="40000") for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(each, LimitExceeded) for each in outcomes) == 5
    assert await floor.count("SELECT count(*) FROM orders WHERE user_id = $1", ann) == 1


async def test_a_limit_of_purchases_leaves_sales_alone(floor: Floor) -> None:
    ann = await floor.customer(USD="100000", BTC="1")
    await limit(floor, 100, product="order_buy", period="single")
    with pytest.raises(LimitExceeded, match="Purchases: at most 100 USD at once"):
        await floor.order(ann, quantity="0.01", limit="40000")
    await floor.order(ann, Side.SELL, quantity="0.01", limit="60000")


async def test_a_limit_counts_what_a_replacement_adds(floor: Floor) -> None:
    ann = await floor.customer(USD="100000")
    old = await floor.order(ann, quantity="0.02", limit="40000")
    await floor.until(old, OrderState.SUBMITTED)
    await limit(floor, 1_000)
    replace = floor.brokerage.trading.replace_order
    with pytest.raises(LimitExceeded):
        await replace(ann, old, quantity=Decimal("0.03"), limit_price=None, stop_price=None, source="test",
                      request_hash=new_id().bytes)  # fmt: skip
    await replace(ann, old, quantity=Decimal("0.021"), limit_price=None, stop_price=None, source="test",
                  request_hash=new_id().bytes)  # fmt: skip


async def test_a_fill_paid_in_bitcoin_counts_what_it_is_worth_in_dollars(floor: Floor) -> None:
    ann = await floor.customer(BTC="1", USD="100000")
    async with floor.brokerage.database.transaction() as connection:
        order = new_id()
        await connection.fetch(
            "SELECT place_order($1, $2, NULL, NULL, '\\x00', 'test', 'ETH/BTC', 'buy', 'limit', 'gtc', 2, NULL, 0.05,"
            " NULL, NULL, 25, 'taker', 'BTC', 0.1, 'ETH')",
            order, ann,
        )  # fmt: skip
        await connection.execute("SELECT mark_submitted($1, 'v-1')", order)
        # Before anybody heard a price of bitcoin, the worth is unknown: it is added when one comes.
        await connection.execute("SELECT settle_fill($1, $2, 'e-1', 1, 0.05, now())", new_id(), order)
        unpriced = await connection.fetchval("SELECT count(*) FROM usd_prices WHERE currency = 'BTC'") == 0
        if unpriced:
            assert await read_volume(connection, ann) == 0
        await worth_repository.save_prices(connection, {"BTC": Decimal(50_000)})
        await connection.execute("SELECT settle_fill($1, $2, 'e-2', 1, 0.05, now())", new_id(), order)
    await keep_worths(floor.brokerage.database, floor.brokerage.market_data)
    async with floor.brokerage.database.read() as connection:
        volume = await read_volume(connection, ann)
        assert volume == await read_volume_since(connection, ann, LONG_AGO)
        # 0.1 BTC at about 50,000.
        assert abs(volume - 5_000) < 150
        assert await connection.fetchval("SELECT count(*) FROM fills WHERE worth IS NULL") == 0
