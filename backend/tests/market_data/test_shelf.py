"""The small cache of a process."""

import asyncio

import pytest

from bitcurrent.market_data.shelf import Shelf


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def shelf_of(weight_max: int = 100) -> tuple[Shelf[list[int]], Clock, list[str]]:
    clock = Clock()
    return Shelf(weight_max=weight_max, clock=clock), clock, []


async def test_equal_reads_at_the_same_time_are_one() -> None:
    shelf, _, loaded = shelf_of()

    async def load() -> list[int]:
        loaded.append("once")
        await asyncio.sleep(0.01)
        return [1]

    answers = await asyncio.gather(*(shelf.read("key", load, keep_seconds=lambda _: 0) for _ in range(50)))
    assert answers == [[1]] * 50
    assert loaded == ["once"]


async def test_an_answer_is_kept_for_its_time_from_when_it_was_asked() -> None:
    shelf, clock, loaded = shelf_of()

    async def load() -> list[int]:
        loaded.append("again")
        clock.seconds += 2  # the answer took its time
        return [1]

    for moment in (0, 4.9, 5.1):
        clock.seconds = moment
        await shelf.read("key", load, keep_seconds=lambda _: 5)
    assert len(loaded) == 2


async def test_the_shelf_never_holds_more_than_it_may() -> None:
    shelf, _, _ = shelf_of(weight_max=100)
    for number in range(1_000):

        async def load() -> list[int]:
            return [0] * 9

        await shelf.read(number, load, keep_seconds=lambda _: 60)
    assert shelf._weight <= 100
    assert len(shelf._kept) == 10


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    shelf, _, loaded = shelf_of()

    async def fail() -> list[int]:
        await asyncio.sleep(0.01)
        raise ConnectionError("gone")

    async def load() -> list[int]:
        loaded.append("now")
        return [2]

    answers = await asyncio.gather(
        *(shelf.read("key", fail, keep_seconds=lambda _: 60) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(answer, ConnectionError) for answer in answers)
    assert await shelf.read("key", load, keep_seconds=lambda _: 60) == [2]


async def test_one_who_goes_away_does_not_spoil_it_for_the_others() -> None:
    shelf, _, _ = shelf_of()

    async def load() -> list[int]:
        await asyncio.sleep(0.05)
        return [3]

    first = asyncio.create_task(shelf.read("key", load, keep_seconds=lambda _: 60))
    second = asyncio.create_task(shelf.read("key", load, keep_seconds=lambda _: 60))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == [3]
    with pytest.raises(asyncio.CancelledError):
        await first
