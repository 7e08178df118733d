"""The venue's request budget: so many requests in any minute, shared by urgency and fairly between customers."""

import asyncio
import heapq
import itertools
import time
from collections import Counter, deque
from collections.abc import Hashable, Mapping
from enum import IntEnum

from bitcurrent.trading.ports import VenueBusy

WINDOW_SECONDS = 60.0
WAITING_MAX = 2_000
RETRY_AFTER_MAX_SECONDS = 120.0


class Priority(IntEnum):
    """What goes first. Lower is more urgent."""

    CANCEL = 0
    ORDER = 1
    LOOK_UP = 2
    POLL = 3


# How much of the budget each kind leaves for the more urgent ones, in percent of a minute's requests.
_LEAVES_PERCENT = {Priority.CANCEL: 0, Priority.ORDER: 5, Priority.LOOK_UP: 10, Priority.POLL: 20}


class RequestBudget:
    """Grants at most `per_minute` requests in any 60 seconds, so in any minute that the venue may count.

    Cancels go first, then orders with the customers in turn, then look-ups, then polls; each kind leaves a reserve
    for the kinds before it. The venue's own word (429 with Retry-After, X-RateLimit headers) always wins.
    """

    def __init__(
        self, per_minute: int, *, window_seconds: float = WINDOW_SECONDS, waiting_max: int = WAITING_MAX
    ) -> None:
        self._limit = per_minute
        self._window_seconds = window_seconds
        self._waiting_max = waiting_max
        self._granted: deque[float] = deque()
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._turns: Counter[tuple[Priority, Hashable]] = Counter()
        self._arrivals = itertools.count()
        self._blocked_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return sum(1 for *_, turn in self._waiting if not turn.done())

    def room(self, priority: Priority = Priority.ORDER) -> int:
        """How many requests of this kind could go now without waiting."""
        now = time.monotonic()
        if now < self._blocked_until:
            return 0
        self._forget(now)
        return max(0, self._limit - self._reserve(priority) - len(self._granted) - self.waiting)

    async def take(self, priority: Priority, *, customer: Hashable = None, wait_seconds: float = 10.0) -> None:
        """Wait for a place. Raises `VenueBusy` when too many wait already or `wait_seconds` are over."""
        if not self._waiting and self._grant(priority, time.monotonic()):
            return
        if self.waiting >= self._waiting_max:
            raise VenueBusy("too many requests wait for the venue", retry_after_seconds=self._seconds_to_room(priority))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # The n-th waiting request of each customer stands in round n: one who floods waits behind himself only.
        self._turns[priority, customer] += 1
        round_number = self._turns[priority, customer]
        heapq.heappush(self._waiting, (priority, round_number, next(self._arrivals), turn))
        self._serve()
        try:
            async with asyncio.timeout(wait_seconds):
                await turn
        except TimeoutError as error:
            raise VenueBusy(
                "the venue's request budget is used up", retry_after_seconds=self._seconds_to_room(priority)
            ) from error
        finally:
            self._turns[priority, customer] -= 1
            if not self._turns[priority, customer]:
                del self._turns[priority, customer]

    def refused(self, retry_after_seconds: float) -> None:
        """The venue answered 429: nobody asks anything before it wants to be asked again."""
        pause = min(max(retry_after_seconds, 0.1), RETRY_AFTER_MAX_SECONDS)
        self._blocked_until = max(self._blocked_until, time.monotonic() + pause)

    def heard(self, headers: Mapping[str, str]) -> None:
        """Learn from X-RateLimit-Remaining when others use the same keys and the venue counts more than we do."""
        remaining = headers.get("x-ratelimit-remaining", "")
        if not remaining.isdecimal():
            return
        now = time.monotonic()
        self._forget(now)
        uncounted = self._limit - len(self._granted) - int(remaining)
        # Requests on their way differ by a few; only a real difference is taken over.
        if uncounted > max(5, self._limit // 10):
            self._granted.extend(itertools.repeat(now, min(uncounted, self._limit)))

    def _reserve(self, priority: Priority) -> int:
        return self._limit * _LEAVES_PERCENT[priority] // 100

    def _forget(self, now: float) -> None:
        while self._granted and self._granted[0] <= now - self._window_seconds:
            self._granted.popleft()

    def _grant(self, priority: Priority, now: float) -> bool:
        self._forget(now)
        if now < self._blocked_until or len(self._granted) >= max(1, self._limit - self._reserve(priority)):
            return False
        self._granted.append(now)
        return True

    def _serve(self) -> None:
        """Wake whoever may go; come back when the next place gets free."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            priority, _, _, turn = self._waiting[0]
            if turn.done():  # gave up waiting
                heapq.heappop(self._waiting)
                continue
            if not self._grant(Priority(priority), time.monotonic()):
                pause = self._seconds_to_room(Priority(priority))
                self._timer = asyncio.get_running_loop().call_later(pause, self._serve)
                return
            heapq.heappop(self._waiting)
            turn.set_result(None)

    def _seconds_to_room(self, priority: Priority) -> float:
        now = time.monotonic()
        surplus = len(self._granted) - max(1, self._limit - self._reserve(priority))
        free_at = self._granted[surplus] + self._window_seconds if surplus >= 0 else now
        return max(free_at, self._blocked_until, now + 0.01) - now
