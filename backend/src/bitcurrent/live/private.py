"""Private streams: a snapshot as of a sequence, then every later event of the customer exactly once and in order.

A stream that is live gets each event from the reader of the log. One that has just begun, was slow, or sees a gap
reads its customer's events from the log until it is level, and is live from then on. Sequences are gapless and in
order of commit for each customer, so the number alone says what is missing and what came twice.
"""

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Protocol

import structlog

from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.events import Event, last_sequence, read_customer_events
from bitcurrent.kernel.ids import UserId
from bitcurrent.ledger.service import read_balances
from bitcurrent.live.connection import TooSlow
from bitcurrent.live.frames import text_frame
from bitcurrent.live.model import OPEN_ORDERS_MAX, REPLAY_EVENTS_MAX, CloseCode, PrivateChannel
from bitcurrent.live.schemas import PrivateSnapshot, Resumed, Resync, balance_now, encode
from bitcurrent.live.telling import Told, tell
from bitcurrent.trading.reading import list_open_orders
from bitcurrent.trading.schemas import order_answer

REPLAY_BATCH = 200
CATCHING_UP_MAX = 8
"""Streams that read from the log at the same time; the others wait, so that a storm of reconnects stays small."""

log = structlog.get_logger(__name__)


class Outlet(Protocol):
    """What a stream needs of a connection."""

    @property
    def is_slow(self) -> bool:
        """Whether too much waits to be sent."""
        ...

    def send(self, frame: bytes) -> None:
        """Write a frame."""
        ...

    async def drained(self) -> None:
        """Wait until the client is not slow; raises TooSlow."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """Close with a code and a reason."""
        ...


class PrivateStreams:
    """All private streams of this process, by customer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._streams: dict[UserId, set[PrivateStream]] = {}
        self._turns = asyncio.Semaphore(CATCHING_UP_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def users(self) -> Collection[UserId]:
        """Customers with a stream."""
        return self._streams.keys()

    def add(self, stream: "PrivateStream") -> None:
        """From now on the stream hears of its customer's events."""
        self._streams.setdefault(stream.user_id, set()).add(stream)

    def remove(self, stream: "PrivateStream") -> None:
        """The stream is over."""
        streams = self._streams.get(stream.user_id)
        if streams is not None:
            streams.discard(stream)
            if not streams:
                del self._streams[stream.user_id]

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a stream's reading beside everything else."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def route(self, connection: Connection, events: Sequence[Event]) -> None:
        """Give events of the log to the streams of their customers."""
        wanted = [event for event in events if event.user_id in self._streams]
        # By number: the log is in order of transactions, a customer's numbers are in order of commits.
        for told in await tell(connection, sorted(wanted, key=lambda event: event.sequence)):
            for stream in tuple(self._streams.get(told.user_id, ())):
                stream.take(told)

    async def read_after(self, user_id: UserId, after: int, *, limit: int) -> list[Told]:
        """A customer's events behind a sequence, from the log itself."""
        async with self._turns, self._database.read() as connection:
            return await tell(connection, await read_customer_events(connection, user_id, after, limit))

    async def newest_sequence(self, user_id: UserId) -> int:
        """The customer's last sequence now."""
        async with self._turns, self._database.read() as connection:
            return await last_sequence(connection, user_id)

    async def read_snapshot(self, user_id: UserId, channels: Collection[PrivateChannel]) -> PrivateSnapshot:
        """Open orders, balances and the sequence that they are as of, all from one moment."""
        async with (
            self._turns,
            self._database.read() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            sequence = await last_sequence(connection, user_id)
            orders = balances = None
            if "orders" in channels:
                orders = await list_open_orders(connection, user_id, limit=OPEN_ORDERS_MAX + 1)
            if "balances" in channels:
                balances = await read_balances(connection, user_id)
        return PrivateSnapshot(
            sequence=sequence,
            orders=None if orders is None else [order_answer(order) for order in orders[:OPEN_ORDERS_MAX]],
            balances=None
            if balances is None
            else [balance_now(currency=b.currency, available=b.available, held=b.held) for b in balances],
            more_orders=orders is not None and len(orders) > OPEN_ORDERS_MAX,
        )


class PrivateStream:
    """One socket's place in its customer's events. `sequence`: everything up to it has been written to the socket.

    Whatever reads for it belongs to one `_turn` and looks after every wait whether that is over. It is never
    canceled: to cancel a query costs PostgreSQL a connection of its own.
    """

    __slots__ = ("_is_reading", "_outlet", "_seen", "_streams", "_turn", "channels", "is_live", "sequence", "user_id")

    def __init__(self, streams: PrivateStreams, outlet: Outlet, user_id: UserId) -> None:
        self._streams = streams
        self._outlet = outlet
        self._seen = 0
        self._turn = 0
        self._is_reading = False
        self.user_id = user_id
        self.channels: frozenset[PrivateChannel] = frozenset()
        self.sequence = 0
        self.is_live = False

    async def begin(self, channels: frozenset[PrivateChannel], after: int | None) -> None:
        """Start, or start again with other channels: resume behind `after` where that can be, else by snapshot."""
        turn = self._next_turn()
        self.channels = channels
        # First listen, then look: what happens in between is heard, and read again from the log.
        self._streams.add(self)
        try:
            if after is None or not await self._resume(after):
                snapshot = await self._streams.read_snapshot(self.user_id, channels)
                self.sequence = snapshot.sequence
                self._outlet.send(text_frame(encode(snapshot)))
        except BaseException:
            self.end()
            raise
        if turn == self._turn:
            self._catch_up()

    def narrow(self, channels: frozenset[PrivateChannel]) -> None:
        """Go on with fewer channels; with none the stream ends."""
        self.channels = channels
        if not channels:
            self.end()

    def end(self) -> None:
        """Stop; only `begin` starts it again."""
        self._next_turn()
        self.channels = frozenset()
        self._streams.remove(self)

    def take(self, told: Told) -> None:
        """An event of this customer has come by."""
        if told.sequence <= self.sequence:
            return
        if self.is_live and told.sequence == self.sequence + 1 and not self._outlet.is_slow:
            self._pass_on(told)
            return
        self._seen = max(self._seen, told.sequence)
        # Before the first position is known there is nothing to be behind of.
        if (self.is_live or self._is_reading) and self._seen - self.sequence > REPLAY_EVENTS_MAX:
            self._outlet.close(CloseCode.TOO_SLOW, "too far behind: reconnect and resume")
        elif self.is_live:
            self._catch_up()

    async def _resume(self, after: int) -> bool:
        newest = await self._streams.newest_sequence(self.user_id)
        # The event of that very number shows that it is still in the log, and which balances it left.
        found = [] if after == 0 else await self._streams.read_after(self.user_id, after - 1, limit=1)
        reason = None
        if after > newest:
            reason = "unknown_sequence"
        elif newest - after > REPLAY_EVENTS_MAX:
            reason = "too_many_events"
        elif after > 0 and (not found or found[0].sequence != after):
            reason = "too_old"
        if reason is not None:
            self._outlet.send(text_frame(encode(Resync(after=after, reason=reason))))
            return False
        self.sequence = after
        balances = found[0].balances if found and "balances" in self.channels else []
        self._outlet.send(text_frame(encode(Resumed(sequence=after, balances=balances))))
        return True

    def _next_turn(self) -> int:
        """Whatever was reading for this stream does so no longer."""
        self.is_live = self._is_reading = False
        self._seen = 0
        self._turn += 1
        return self._turn

    def _catch_up(self) -> None:
        self.is_live = False
        self._is_reading = True
        self._streams.start(self._read_until_level(self._turn))

    async def _read_until_level(self, turn: int) -> None:
        try:
            while True:
                await self._outlet.drained()
                found = await self._streams.read_after(self.user_id, self.sequence, limit=REPLAY_BATCH)
                if turn != self._turn:
                    return
                for told in found:
                    self._pass_on(told)
                if len(found) < REPLAY_BATCH and self._seen <= self.sequence:
                    # Nothing was awaited since: what comes now comes to a live stream.
                    self.is_live, self._is_reading = True, False
                    return
        except TooSlow:
            return
        except Exception as error:  # noqa: BLE001  PostgreSQL is gone: the client comes back and resumes
            log.warning("live_replay_failed", error=type(error).__name__)
            self._outlet.close(CloseCode.INTERNAL_ERROR, "cannot read events now: reconnect and resume")

    def _pass_on(self, told: Told) -> None:
        for channel, frame in told.frames.items():
            if channel in self.channels:
                self._outlet.send(frame)
        self.sequence = told.sequence
