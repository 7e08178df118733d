"""The inbox's verbs: take an event that was proven, and apply what could not be applied at once.

Events that arrive while a transaction is in flight go together in the next one, as orders do. One that cannot be
applied fails nobody else's: it is stored all the same, answered, and tried again by the worker.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import Counter

from bitcurrent.funding.inbox import repository
from bitcurrent.funding.inbox.model import (
    SOURCE,
    TROUBLED_ATTEMPTS,
    EventState,
    NotYet,
    StoredEvent,
    about,
    once_each,
    pause_after,
)
from bitcurrent.funding.inbox.repository import NewEvent, WaitingEvent
from bitcurrent.funding.ports import Processor, ProcessorEvent
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import RETRYABLE, Connection, Database
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.kernel.ids import new_id

log = structlog.get_logger(__name__)

Applier = Callable[[Connection, ProcessorEvent], Awaitable[None]]
"""Applies one event in the open transaction; NotYet keeps it for later, whatever else it raises does so loudly."""

BatchApplier = Callable[[Connection, Sequence[ProcessorEvent]], Awaitable[None]]
"""Applies events that came together, all or none."""

TABLE: Final = "processor_events"
BATCH_MAX: Final = 64
IN_FLIGHT_MAX: Final = 2
WAITING_MAX: Final = 5_000
TROUBLE_LENGTH_MAX: Final = 300
BODY_KEPT_DAYS: Final = 90
COMPRESSION: Final = 1
"""A body is a quarter of its size then, for some microseconds; what is encrypted cannot be made smaller later."""
PURGE_ROWS_MAX: Final = 2_000

TAKEN = Counter("bitcurrent_processor_events", "Events of the processor that were taken in.", ("outcome",))
Waiting = tuple[ProcessorEvent, "asyncio.Future[None]"]


class Inbox:
    """Keeps each event once, and hands it to whoever applies its type."""

    def __init__(self, database: Database, vault: Vault, processor: Processor) -> None:
        self._database = database
        self._vault = vault
        self._processor = processor
        self._appliers: dict[str, list[BatchApplier]] = {}
        self._queue: deque[Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def processor(self) -> Processor:
        """Who proves that an event is the processor's."""
        return self._processor

    def register(self, types: Iterable[str], applier: Applier) -> None:
        """Events of these types go to `applier`, one by one, after those that were registered before it."""

        async def each(connection: Connection, events: Sequence[ProcessorEvent]) -> None:
            for event in events:
                await applier(connection, event)

        self.register_batch(types, each)

    def register_batch(self, types: Iterable[str], applier: BatchApplier) -> None:
        """Events of these types that come together go to `applier` together."""
        for name in types:
            self._appliers.setdefault(name, []).append(applier)

    async def take(self, event: ProcessorEvent) -> None:
        """Store an event and apply it; returns when it is durable. A known one changes nothing.

        Raises Unavailable when too many wait, and what PostgreSQL raises: then it was not taken and must come again.
        """
        if len(self._queue) >= WAITING_MAX:
            raise Unavailable("Too many events are waiting. This one was not taken: send it again.")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((event, future))
        self._start()
        # A sender that goes away does not undo what may be committed already.
        await asyncio.shield(future)

    async def retry_due(self, *, limit: int, lease: timedelta) -> int:
        """Try events again whose time has come; how many there were."""
        async with self._database.transaction() as connection:
            due = await repository.claim_waiting(connection, limit=limit, lease=lease)
        for waiting in due:
            await self._retry(waiting)
        return len(due)

    async def count_waiting(self, connection: Connection) -> tuple[int, int]:
        """How many events wait to be applied, and how many of them have failed often."""
        return await repository.count_waiting(connection, TROUBLED_ATTEMPTS)

    async def about(
        self, connection: Connection, *, object_id: str | None, payment_intent: str | None, limit: int = 100
    ) -> list[StoredEvent]:
        """Events about a thing or a payment, oldest first."""
        return await repository.list_about(
            connection, object_id=object_id, payment_intent=payment_intent, limit=min(limit, 500)
        )

    def _start(self) -> None:
        while self._queue and len(self._running) < IN_FLIGHT_MAX:
            batch = [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]
            task = asyncio.ensure_future(self._take(batch))
            self._running.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._start()

    async def _take(self, batch: list[Waiting]) -> None:
        try:
            await self._store_and_apply([event for event, _ in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, each event is looked at by itself now
            log.warning("events_not_applied_together", size=len(batch), error=type(error).__name__)
            for event, future in batch:
                await self._take_alone(event, future)
            return
        crash_point("inbox.after_commit")
        for _, future in batch:
            if not future.done():
                future.set_result(None)

    async def _take_alone(self, event: ProcessorEvent, future: "asyncio.Future[None]") -> None:
        try:
            await self._store_or_postpone(event)
        except Exception as error:  # noqa: BLE001  whoever sent it must learn that it was not taken
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(None)

    async def _store_and_apply(self, events: Sequence[ProcessorEvent]) -> None:
        wanted = once_each(events)
        new = [self._new(event) for event in wanted]

        async def work(connection: Connection) -> int:
            fresh = await repository.insert_events(connection, SOURCE, new)
            await self._apply(connection, [event for event in wanted if event.id in fresh])
            crash_point("inbox.before_commit")
            return len(fresh)

        fresh = await self._database.in_transaction(work)
        TAKEN.labels("new").inc(fresh)
        TAKEN.labels("known").inc(len(events) - fresh)

    async def _store_or_postpone(self, event: ProcessorEvent) -> None:
        new = self._new(event)

        async def work(connection: Connection) -> str:
            if not await repository.insert_events(connection, SOURCE, [new]):
                return "known"
            trouble = await self._try(connection, event)
            if trouble is None:
                return "new"
            await repository.postpone(connection, new.id, pause=pause_after(1), trouble=trouble)
            return "postponed"

        TAKEN.labels(await self._database.in_transaction(work)).inc()

    async def _retry(self, waiting: WaitingEvent) -> None:
        record = self._vault.open_record(waiting.data_key, table=TABLE, row=waiting.id)
        event = self._processor.event_in(zlib.decompress(record.decrypt(waiting.body, column="body")))

        async def work(connection: Connection) -> str:
            if not await repository.lock_waiting(connection, waiting.id):
                return "known"
            trouble = await self._try(connection, event)
            if trouble is None:
                await repository.mark_applied(connection, waiting.id, self._state_of(event))
                return "applied_later"
            pause = pause_after(waiting.attempts + 1)
            await repository.postpone(connection, waiting.id, pause=pause, trouble=trouble)
            return "failed_again"

        TAKEN.labels(await self._database.in_transaction(work)).inc()

    async def _try(self, connection: Connection, event: ProcessorEvent) -> str | None:
        """Apply one event in a transaction of its own inside the open one; what stood against it, if anything did."""
        try:
            async with connection.transaction():
                await self._apply(connection, [event])
        except RETRYABLE:
            raise  # the whole transaction is tried again
        except NotYet as reason:
            return f"not yet: {reason}"[:TROUBLE_LENGTH_MAX]
        except Exception as error:
            log.exception("event_not_applied", event_id=event.id, type=event.type)
            return f"{type(error).__name__}: {error}"[:TROUBLE_LENGTH_MAX]
        return None

    async def _apply(self, connection: Connection, events: Sequence[ProcessorEvent]) -> None:
        by_applier: dict[BatchApplier, list[ProcessorEvent]] = {}
        for event in events:
            for applier in self._appliers.get(event.type, ()):
                by_applier.setdefault(applier, []).append(event)
        for applier, mine in by_applier.items():
            await applier(connection, mine)

    def _state_of(self, event: ProcessorEvent) -> EventState:
        return "applied" if event.type in self._appliers else "ignored"

    def _new(self, event: ProcessorEvent) -> NewEvent:
        row_id = new_id()
        record = self._vault.new_record(table=TABLE, row=row_id)
        object_id, payment_intent = about(event)
        return NewEvent(
            id=row_id,
            event_id=event.id,
            type=event.type,
            object_id=object_id,
            payment_intent=payment_intent,
            created_at=event.created_at,
            state=self._state_of(event),
            data_key=record.wrapped,
            body=record.encrypt(zlib.compress(event.raw, COMPRESSION), column="body"),
        )


async def forget_bodies(connection: Connection) -> int:
    """Forget bodies that came 90 days ago, some thousands at a time; how many went."""
    return await repository.forget_bodies(connection, days=BODY_KEPT_DAYS, limit=PURGE_ROWS_MAX)
