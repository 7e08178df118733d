"""Equal reads at the same time are done once, and never with an answer from before they were asked."""

import asyncio

import pytest

from bitcurrent.kernel.cache import NextFlight


class Source:
    """Something slow to read that is written to in between."""

    def __init__(self) -> None:
        self.value = 0
        self.reads = 0

    async def read(self) -> int:
        self.reads += 1
        seen = self.value
        await asyncio.sleep(0.01)
        return seen


async def test_reads_at_the_same_time_are_two_at_most() -> None:
    source, flights = Source(), NextFlight[int]()
    answers = await asyncio.gather(*(flights.read("ann", source.read) for _ in range(50)))
    assert answers == [0] * 50
    assert source.reads == 2  # the first one's, and one for all who came while it was under way


async def test_who_has_written_reads_what_they_wrote() -> None:
    source, flights = Source(), NextFlight[int]()
    early = asyncio.create_task(flights.read("ann", source.read))
    await asyncio.sleep(0.005)
    source.value = 1
    late = await flights.read("ann", source.read)
    assert (await early, late) == (0, 1)


async def test_different_keys_share_nothing() -> None:
    source, flights = Source(), NextFlight[int]()
    await asyncio.gather(flights.read("ann", source.read), flights.read("ben", source.read))
    assert source.reads == 2


async def test_a_failure_reaches_whoever_waits_and_nobody_after() -> None:
    flights = NextFlight[int]()

    async def fail() -> int:
        await asyncio.sleep(0.001)
        raise RuntimeError("gone")

    results = await asyncio.gather(*(flights.read("ann", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [RuntimeError] * 3
    assert await flights.read("ann", Source().read) == 0


async def test_a_caller_that_goes_away_takes_nobody_with_it() -> None:
    source, flights = Source(), NextFlight[int]()
    first = asyncio.create_task(flights.read("ann", source.read))
    second = asyncio.create_task(flights.read("ann", source.read))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == 0
    assert await flights.read("ann", source.read) == 0
