"""Whatever the venue does on the wire, the money ends right and nothing stays held."""

import asyncio
from decimal import Decimal

import pytest

from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.trading.model import OrderState, Side
from tests.support.desk import Floor

SUBMIT = {"method": "POST", "path": "/v2/orders"}


async def one_venue_order(floor: Floor, order_id: OrderId) -> None:
    """The venue has exactly this order."""
    state = await asyncio.to_thread(floor.sandbox.state)
    assert list(state["orders"]) == [str(order_id)]


async def resting(floor: Floor, quantity: str = "0.01") -> tuple[UserId, OrderId]:
    """A customer with a limit order that rests at the venue."""
    ann = await floor.customer(USD="10000")
    order_id = await floor.order(ann, quantity=quantity, limit="40000")
    await floor.until(order_id, OrderState.SUBMITTED)
    return ann, order_id


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "cut_after"])
async def test_an_answer_lost_after_accepting_is_asked_for_and_never_sent_twice(floor: Floor, kind: str) -> None:
    ann = await floor.customer(USD="1000")
    await floor.fault("drop_event", event="fill", count=1)
    await floor.fault(kind, **SUBMIT)
    order = await floor.until(await floor.order(ann, notional="100"), OrderState.FILLED)
    await one_venue_order(floor, order.id)
    await floor.laws()


async def test_an_order_lost_before_accepting_is_rejected_only_after_the_venue_denied_it_long_enough(
    floor: Floor,
) -> None:
    ann = await floor.customer(USD="1000")
    await floor.fault("drop_before", **SUBMIT)
    order_id = await floor.order(ann, notional="100")
    await floor.until(order_id, OrderState.UNKNOWN)
    await asyncio.sleep(floor.pace.missing / 2)
    assert (await floor.read(order_id)).state is OrderState.UNKNOWN
    order = await floor.until(order_id, OrderState.REJECTED)
    assert order.reason == "the venue never received it"
    await floor.laws()


async def test_a_venue_that_does_not_answer_questions_either_leaves_the_order_unknown(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.fault("drop_after", **SUBMIT)
    await floor.fault("error_before", method="GET", count=0, status=503)
    for event in ("pending_new", "new", "fill", "partial_fill"):
        await floor.fault("drop_event", event=event, count=0)
    order_id = await floor.order(ann, notional="100")
    await floor.until(order_id, OrderState.UNKNOWN)
    await asyncio.sleep(floor.pace.missing + 1)
    assert (await floor.read(order_id)).state is OrderState.UNKNOWN
    await floor.control("reset")
    await floor.control("settings", requests_per_minute=100_000, fees_paused=True)
    await floor.until(order_id, OrderState.FILLED)
    await floor.laws()


async def test_a_busy_venue_is_asked_again_when_it_wants(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.fault("error_before", **SUBMIT, status=429)
    order_id = await floor.order(ann, notional="100")
    await floor.until(order_id, OrderState.FILLED, seconds=20)
    await floor.laws()


async def test_a_slow_answer_is_waited_for_and_the_stream_may_overtake_it(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    await floor.fault("delay_after", **SUBMIT, ms=1000)
    order = await floor.until(await floor.order(ann, notional="100"), OrderState.FILLED)
    await asyncio.sleep(1.2)
    assert (await floor.read(order.id)).state is OrderState.FILLED
    await floor.laws()


async def test_every_message_twice_changes_nothing(floor: Floor) -> None:
    ann = await floor.customer(USD="1000")
    for event in ("new", "partial_fill", "fill", "pending_new"):
        await floor.fault("duplicate_event", event=event, count=0)
    order = await floor.until(await floor.order(ann, notional="100"), OrderState.FILLED)
    await floor.control("event", client_order_id=str(order.id), event="fill", repeat_fill=True)
    await asyncio.sleep(0.3)
    await floor.laws()


async def test_messages_out_of_order_end_the_same(floor: Floor) -> None:
    _, order_id = await resting(floor)
    await floor.fault("reorder_event", event="partial_fill")
    await floor.control("fill", client_order_id=str(order_id), qty="0.004", price="40000")
    await floor.control("fill", client_order_id=str(order_id), qty="0.006", price="39000")
    order = await floor.until(order_id, OrderState.FILLED)
    assert order.filled_cost == Decimal("0.004") * 40_000 + Decimal("0.006") * 39_000
    await floor.laws()


async def test_a_fill_that_comes_after_the_cancel_is_booked(floor: Floor) -> None:
    ann, order_id = await resting(floor)
    await floor.fault("delay_event", event="partial_fill", ms=700)
    await floor.control("fill", client_order_id=str(order_id), qty="0.004", price="40000")
    await floor.brokerage.trading.cancel_order(ann, order_id)
    order = await floor.until(order_id, OrderState.CANCELED)
    assert order.filled_quantity == Decimal("0.004")
    await floor.laws()


async def test_fills_that_were_healed_are_not_booked_again_when_the_stream_brings_them_late(floor: Floor) -> None:
    _, order_id = await resting(floor)
    # Long after healing has found them: two equal parts, so that price and quantity alone do not tell them apart.
    for _ in range(2):
        await floor.fault("delay_event", event="partial_fill", ms=6000)
        await floor.control("fill", client_order_id=str(order_id), qty="0.003", price="40000")
    await floor.until_true(lambda: floor.count("SELECT count(*) = 2 FROM fills WHERE execution_id LIKE 'activity:%'"))
    await asyncio.sleep(5)
    assert (await floor.read(order_id)).filled_quantity == Decimal("0.006")
    await floor.control("fill", client_order_id=str(order_id), qty="0.003", price="40000")
    await floor.control("fill", client_order_id=str(order_id), qty="0.001", price="40000")
    await floor.until(order_id, OrderState.FILLED)
    await floor.laws()


async def test_a_silent_stream_is_noticed_and_its_fills_are_found(floor: Floor) -> None:
    _, order_id = await resting(floor)
    await floor.control("settings", trading_silent=True)
    await floor.control("fill", client_order_id=str(order_id), qty="0.01", price="40000")
    await floor.until(order_id, OrderState.FILLED)
    await floor.control("settings", trading_silent=False)
    worker = floor.workers[0][0]
    await floor.until_true(lambda: _counted(worker._counts["stream_restarts"]))
    await floor.laws()


async def _counted(count: int) -> bool:
    return count > 0


async def test_a_closed_stream_is_opened_again_and_what_it_missed_is_read(floor: Floor) -> None:
    _, order_id = await resting(floor)
    await floor.control("settings", trading_silent=True)
    await floor.control("fill", client_order_id=str(order_id), qty="0.01", price="40000")
    await floor.control("settings", trading_silent=False)
    await floor.control("streams/close", stream="trading")
    await floor.until(order_id, OrderState.FILLED)
    await floor.laws()


async def test_an_unknown_event_is_flagged_and_harms_nobody(floor: Floor) -> None:
    _, order_id = await resting(floor)
    await floor.control("event", client_order_id=str(order_id), event="trade_bust")
    await floor.until_true(lambda: floor.count("SELECT count(*) = 1 FROM venue_events WHERE outcome = 'flagged'"))
    await floor.control("fill", client_order_id=str(order_id), qty="0.01", price="40000")
    await floor.until(order_id, OrderState.FILLED)
    await floor.laws()


async def test_a_lost_cancel_answer_and_a_lost_end_are_found_by_asking(floor: Floor) -> None:
    ann, order_id = await resting(floor)
    await floor.fault("drop_after", method="DELETE", path="/v2/orders")
    await floor.fault("drop_event", event="canceled")
    await floor.brokerage.trading.cancel_order(ann, order_id)
    await floor.until(order_id, OrderState.CANCELED)
    await floor.laws()


async def test_a_cancel_lost_before_the_venue_is_sent_again_after_its_deadline(floor: Floor) -> None:
    ann, order_id = await resting(floor)
    await floor.fault("drop_before", method="DELETE", path="/v2/orders")
    await floor.brokerage.trading.cancel_order(ann, order_id)
    await floor.until(order_id, OrderState.CANCELED)
    await floor.laws()


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "error_after"])
async def test_a_replacement_whose_answer_is_lost_ends_one_way_or_the_other(floor: Floor, kind: str) -> None:
    ann, old_id = await resting(floor)
    await floor.fault(kind, method="PATCH", path="/v2/orders")
    new, _ = await floor.brokerage.trading.replace_order(
        ann,
        old_id,
        quantity=None,
        limit_price=Decimal(42_000),
        stop_price=None,
        source="test",
        request_hash=b"r" * 16,
    )
    if kind == "drop_before":
        await floor.until(new.id, OrderState.REJECTED)
        assert (await floor.read(old_id)).state is OrderState.SUBMITTED
        await floor.brokerage.trading.cancel_order(ann, old_id)
        await floor.until(old_id, OrderState.CANCELED)
    else:
        await floor.until(old_id, OrderState.REPLACED)
        await floor.until(new.id, OrderState.SUBMITTED)
        await floor.control("fill", client_order_id=str(new.id), qty="0.01", price="42000")
        await floor.until(new.id, OrderState.FILLED)
    await floor.laws()


async def test_a_replacements_fill_that_overtakes_the_end_of_the_old_order_waits_for_it(floor: Floor) -> None:
    ann, old_id = await resting(floor, quantity="0.24")  # nearly all that ann has is held by the old order
    await floor.fault("drop_event", event="replaced")
    new, _ = await floor.brokerage.trading.replace_order(
        ann,
        old_id,
        quantity=None,
        limit_price=Decimal(41_000),
        stop_price=None,
        source="test",
        request_hash=b"r" * 16,
    )
    await floor.until_true(lambda: floor.at_venue(new.id))
    await floor.control("fill", client_order_id=str(new.id), qty="0.24", price="41000")
    await floor.until(new.id, OrderState.FILLED)
    assert (await floor.read(old_id)).state is OrderState.REPLACED
    await floor.laws()


async def test_an_order_given_up_here_but_alive_there_is_canceled_there(floor: Floor) -> None:
    _, order_id = await resting(floor)
    async with floor.brokerage.database.transaction() as connection:
        await connection.fetchval("SELECT finish_order($1, 'rejected', NULL, 'given up')", order_id)

    async def canceled_there() -> bool:
        truth = await floor.at_venue(order_id)
        return truth is not None and truth["order"]["status"] == "canceled"

    await floor.until_true(canceled_there, seconds=20)
    await floor.laws()


async def test_a_sale_by_many_parts_books_each_part_once(floor: Floor) -> None:
    ann = await floor.customer(USD="200000")
    await floor.control("settings", depth_usd=2000)
    bought = await floor.until(
        await floor.order(ann, quantity="0.5"), OrderState.FILLED, OrderState.CANCELED, seconds=20
    )
    assert bought.filled_quantity > 0
    sold = await floor.until(
        await floor.order(ann, Side.SELL, quantity=f"{bought.net:f}"), OrderState.FILLED, seconds=20
    )
    assert await floor.count("SELECT count(*) FROM fills WHERE order_id = $1", sold.id) > 1
    await floor.laws()
