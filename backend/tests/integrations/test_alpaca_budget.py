"""The request budget: never more than the venue allows, urgent things first, nobody crowded out."""

import asyncio
import time

import pytest

from bitcurrent.integrations.alpaca.budget import Priority, RequestBudget
from bitcurrent.trading.ports import VenueBusy


async def test_no_minute_ever_holds_more_than_the_limit() -> None:
    budget, times = RequestBudget(10, window_seconds=0.2), []

    async def ask() -> None:
        await budget.take(Priority.CANCEL)
        times.append(time.monotonic())

    await asyncio.gather(*(ask() for _ in range(35)))
    assert all(later - earlier >= 0.19 for earlier, later in zip(times, times[10:], strict=False))


async def test_cancels_go_first_then_customers_in_turn_then_questions() -> None:
    budget, order = RequestBudget(1, window_seconds=0.05), []

    async def ask(name: str, priority: Priority, customer: str) -> None:
        await budget.take(priority, customer=customer)
        order.append(name)

    await budget.take(Priority.CANCEL)  # the place is taken
    asks = [ask(f"flood{n}", Priority.ORDER, "flood") for n in range(4)]
    asks += [ask("find", Priority.LOOK_UP, "ann"), ask("ann", Priority.ORDER, "ann")]
    asks += [ask("ben", Priority.ORDER, "ben"), ask("cancel", Priority.CANCEL, "ben")]
    await asyncio.gather(*asks)
    assert order == ["cancel", "flood0", "ann", "ben", "flood1", "flood2", "flood3", "find"]


async def test_each_kind_leaves_room_for_the_more_urgent() -> None:
    budget = RequestBudget(100)
    assert budget.room(Priority.POLL) == 80
    for _ in range(80):
        await budget.take(Priority.POLL)
    assert budget.room(Priority.POLL) == 0
    assert budget.room(Priority.LOOK_UP) == 10
    assert budget.room(Priority.ORDER) == 15
    assert budget.room(Priority.CANCEL) == 20
    with pytest.raises(VenueBusy):
        await budget.take(Priority.POLL, wait_seconds=0.01)


async def test_the_venues_own_word_wins() -> None:
    budget = RequestBudget(100)
    budget.heard({"x-ratelimit-remaining": "30"})  # somebody else uses the same keys
    assert budget.room(Priority.CANCEL) == 30
    budget.refused(0.2)
    assert budget.room(Priority.CANCEL) == 0
    began = time.monotonic()
    await budget.take(Priority.CANCEL)
    assert time.monotonic() - began >= 0.19


async def test_the_queue_says_no_at_its_depth() -> None:
    budget = RequestBudget(1, waiting_max=2)
    await budget.take(Priority.ORDER)
    waiting = [asyncio.create_task(budget.take(Priority.ORDER)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(VenueBusy) as refusal:
        await budget.take(Priority.ORDER)
    assert refusal.value.retry_after_seconds > 50
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert budget.waiting == 0
