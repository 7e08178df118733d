"""What the loops of one leader share: the ports, the pace, who waits for what, and what is worth a metric."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bitcurrent.kernel.database import Database
from bitcurrent.kernel.events import WAKE_CHANNEL
from bitcurrent.kernel.ids import OrderId
from bitcurrent.trading.ports import Venue, VenueBusy, VenueError, VenueUnknown
from bitcurrent.trading.service import ORDERS_CHANNEL

log = structlog.get_logger(__name__)

DATABASE_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
VENUE_TROUBLE = (VenueError, VenueUnknown)
PAUSE_FIRST_SECONDS = 0.1
PAUSE_MAX_SECONDS = 5.0
SUSPECTS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the loops look by themselves, and how long they are patient. In seconds."""

    idle: float = 0.25
    unknown_first: float = 0.5
    unknown_longest: float = 10.0
    missing: float = 60.0
    cancel_again: int = 10
    heal: float = 15.0
    quiet_order: int = 5
    suspect: float = 1.5
    in_flight_max: int = 64


@dataclass(slots=True, kw_only=True)
class Desk:
    """One worker's trading desk."""

    database: Database
    venue: Venue
    redis: Redis
    pace: Pace = field(default_factory=Pace)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    orders_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    unknowns_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    healing_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    reconnected: asyncio.Event = field(default_factory=asyncio.Event)
    stream_doubted: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: dict[OrderId, asyncio.Task[None]] = field(default_factory=dict)
    suspects: dict[OrderId, float] = field(default_factory=dict)
    missing_since: dict[OrderId, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    send_again_at: float = 0.0
    stream_heard_at: float | None = None

    def suspect(self, order_id: OrderId, *, after_seconds: float = 0.0) -> None:
        """Have this order compared with the venue, now or a little later when its fills may just be on their way."""
        if len(self.suspects) < SUSPECTS_MAX:
            self.suspects.setdefault(order_id, time.monotonic() + after_seconds)
        if after_seconds:
            asyncio.get_running_loop().call_later(after_seconds, self.healing_wanted.set)
        else:
            self.healing_wanted.set()

    def tell(self) -> None:
        """Say that there are new events, as soon as the open transaction's commit has returned."""
        self.news.set()


async def pause(desk: Desk, wake: asyncio.Event, seconds: float) -> None:
    """Wait for the wake-up or so many seconds, whichever is first; not at all when stopping."""
    waits = {asyncio.ensure_future(wake.wait()), asyncio.ensure_future(desk.stopping.wait())}
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def keep_doing(desk: Desk, name: str, step: Callable[[Desk], Awaitable[None]]) -> None:
    """Repeat a step until stopping. Trouble with the database or the venue is said once and waited out."""
    failures = 0
    while not desk.stopping.is_set():
        try:
            await step(desk)
        except VenueBusy as busy:
            await pause(desk, asyncio.Event(), min(busy.retry_after_seconds, 60.0))
        except (*DATABASE_TROUBLE, *VENUE_TROUBLE) as error:
            failures += 1
            desk.counts[f"{name}_trouble"] += 1
            if failures == 1:
                log.warning("work_interrupted", work=name, error=f"{type(error).__name__}: {error}"[:200])
            await pause(desk, asyncio.Event(), min(PAUSE_MAX_SECONDS, PAUSE_FIRST_SECONDS * 2 ** min(failures, 10)))
        else:
            if failures:
                log.info("work_resumed", work=name, failures=failures)
            failures = 0


async def listen_for_orders(desk: Desk) -> None:
    """Wake the sending loop when the API says that there is an order; without Redis it looks by itself."""
    while not desk.stopping.is_set():
        try:
            async with desk.redis.pubsub() as channel:
                await channel.subscribe(ORDERS_CHANNEL)
                while not desk.stopping.is_set():
                    if await channel.get_message(ignore_subscribe_messages=True, timeout=1.0):
                        desk.orders_waiting.set()
        except (RedisError, OSError, TimeoutError):
            await pause(desk, asyncio.Event(), 1.0)


async def tell_of_news(desk: Desk) -> None:
    """Publish that the event log has grown, once for all commits since the last time. A hint: readers also poll."""
    while not desk.stopping.is_set():
        await pause(desk, desk.news, 3_600)
        desk.news.clear()
        try:
            await desk.redis.publish(WAKE_CHANNEL, "")
        except (RedisError, OSError, TimeoutError):
            desk.counts["hints_lost"] += 1
