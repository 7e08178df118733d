"""A small cache of this process: answers kept for their time, equal reads shared, and a bound on how much is kept."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sized
from typing import Generic, TypeVar

from bitcurrent.kernel.cache import SingleFlight

T = TypeVar("T", bound=Sized)


class Shelf(Generic[T]):
    """Keeps sized things by key; past `weight_max` items in all, those not asked for the longest go first.

    It lives in the process and not in Redis: anyone may ask for any span of history, and Redis, which holds sessions
    and limits, must not be filled by that.
    """

    def __init__(self, *, weight_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._weight_max = weight_max
        self._clock = clock
        self._weight = 0
        self._kept: OrderedDict[Hashable, tuple[float, int, T]] = OrderedDict()
        self._flight: SingleFlight[T] = SingleFlight()

    async def read(self, key: Hashable, load: Callable[[], Awaitable[T]], *, keep_seconds: Callable[[T], float]) -> T:
        """What is kept under `key`, else the result of `load()`, kept for as long as it may be."""
        found = self._kept.get(key)
        if found is not None and found[0] > self._clock():
            self._kept.move_to_end(key)
            return found[2]

        async def load_and_keep() -> T:
            asked_at = self._clock()
            value = await load()
            self._keep(key, asked_at + keep_seconds(value), value)
            return value

        return await self._flight.read(key, load_and_keep)

    def _keep(self, key: Hashable, until: float, value: T) -> None:
        self._drop(key)
        weight = len(value) + 1
        self._kept[key] = (until, weight, value)
        self._weight += weight
        while self._weight > self._weight_max:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._weight -= gone[1]
