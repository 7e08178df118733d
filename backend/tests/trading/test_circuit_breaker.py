"""The circuit breaker against the venue's prices: an asset stops by itself, everybody reads why, and it goes on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bitcurrent.compliance.breakers import repository
from bitcurrent.compliance.breakers.model import Rule
from bitcurrent.compliance.stops.model import Stopped
from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.desk import PRICE, Floor, trading_floor
from tests.support.sandbox import Sandbox

QUICK = Rule(
    version=0, kind="jump", asset="BTC", stops="trading", percent=Decimal(5), within_seconds=5, calm_seconds=1,
    resume="calm",
)  # fmt: skip


@pytest.fixture
async def floor(database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> AsyncIterator[Floor]:
    """A brokerage whose circuit breaker works; quiet prices."""
    async with trading_floor(database_urls, redis_url, sandbox, worker=False, circuit_breaker=True) as running:
        yield running


async def begin(floor: Floor, *rules: Rule) -> UserId:
    async with floor.brokerage.database.transaction() as connection:
        for rule in rules:
            await repository.insert_rule(connection, rule, reason="A trial", approval_id=None)
    floor.start_worker()
    return await floor.customer(USD="1000000")


async def quiet(floor: Floor, seconds: int, price: Decimal = PRICE) -> None:
    """Prices that hardly move."""
    for number in range(seconds * 4):
        await floor.control("price", symbol="BTC/USD", price=str(price + number % 2))
        await asyncio.sleep(0.25)


async def standing(floor: Floor) -> list[tuple[str | None, str | None, str]]:
    async with floor.brokerage.database.read() as connection:
        return [(one.product, one.asset, one.cause) for one in await floor.brokerage.stops.standing(connection)]


async def stopped(floor: Floor) -> bool:
    return bool(await standing(floor))


async def running(floor: Floor) -> bool:
    return not await standing(floor)


async def test_a_jump_stops_the_asset_and_calm_lets_it_run_again(floor: Floor) -> None:
    ann = await begin(floor, QUICK)
    await quiet(floor, 5)
    await floor.order(ann, quantity="0.01", limit="20000")
    await floor.control("price", symbol="BTC/USD", price="45000")
    await floor.until_true(lambda: stopped(floor), seconds=5)
    assert await standing(floor) == [("trading", "BTC", "breaker:jump")]
    with pytest.raises(Stopped, match=r"the price moved by more than 5% within 5 seconds\. It goes on by itself"):
        await floor.order(ann, quantity="0.01", limit="20000")
    await asyncio.sleep(0.6)
    shown = next(each for each in floor.brokerage.market_list.page().items if each.symbol == "BTC/USD")
    assert shown.halted
    assert "moved by more than 5%" in (shown.halted_reason or "")
    await quiet(floor, 7, Decimal(45_000))
    await floor.until_true(lambda: running(floor), seconds=5)
    await floor.order(ann, quantity="0.01", limit="20000")
    acts = await floor.count(
        "SELECT array_agg(action || ' ' || actor_kind || ' ' || (details->>'cause') ORDER BY action DESC)"
        " FROM audit_logs WHERE action LIKE 'stop.%'"
    )
    assert acts == ["stop.started system breaker:jump", "stop.ended system breaker:jump"]
    why = await floor.count("SELECT reason FROM audit_logs WHERE action = 'stop.started'")
    assert "45000" in why
    assert "10" in why


async def test_a_rule_may_leave_it_to_operators(floor: Floor) -> None:
    await begin(floor, replace(QUICK, resume="operator"))
    await quiet(floor, 5)
    await floor.control("price", symbol="BTC/USD", price="60000")
    await floor.until_true(lambda: stopped(floor), seconds=5)
    await quiet(floor, 8, Decimal(60_000))
    assert await stopped(floor)


async def test_when_the_venue_falls_silent_market_orders_stop_with_one_stop_for_all(floor: Floor) -> None:
    ann = await begin(floor, replace(QUICK, kind="stale", asset=None, stops="order_market", percent=None,
                                     within_seconds=6))  # fmt: skip
    await quiet(floor, 2)
    await floor.until_true(lambda: heard(floor))
    await floor.control("settings", data_silent=True)
    await floor.fault("error_before", method="GET", path="/v1beta3/*", count=0, status=503)
    await floor.until_true(lambda: stopped(floor), seconds=25)
    assert await standing(floor) == [("order_market", None, "breaker:stale")]
    with pytest.raises(Stopped, match="we get no fresh prices"):
        await floor.order(ann, quantity="0.01")


async def heard(floor: Floor) -> bool:
    return floor.brokerage.market_data.find_quote("BTC/USD") is not None
