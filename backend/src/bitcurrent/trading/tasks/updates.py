"""The venue's order stream into the books: each message stored once and applied in the same commit, many at a time."""

import asyncio
import time
from collections.abc import Sequence

import asyncpg
import structlog

from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId
from bitcurrent.trading import inbox_repository as inbox
from bitcurrent.trading import repository
from bitcurrent.trading.inbox_repository import Ending
from bitcurrent.trading.model import Order, OrderState
from bitcurrent.trading.ports import VenueFill, VenueUpdate
from bitcurrent.trading.tasks.desk import Desk, pause

log = structlog.get_logger(__name__)

SOURCE = "trade_updates"
BATCH_MAX = 64
QUEUE_MAX = 4_096
_NOT_SENT = frozenset({OrderState.ACCEPTED, OrderState.SUBMITTING, OrderState.UNKNOWN})

Queue = asyncio.Queue[VenueUpdate | None]


async def hear_venue(desk: Desk) -> None:
    """Read the stream until stopping, and begin it again when healing found it silent while orders were filled."""
    while not desk.stopping.is_set():
        desk.stream_doubted.clear()
        queue: Queue = asyncio.Queue(QUEUE_MAX)
        reader = asyncio.create_task(_read(desk, queue))
        try:
            while not (desk.stopping.is_set() or desk.stream_doubted.is_set()):
                await _apply_next(desk, queue)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if desk.stream_doubted.is_set():
            log.warning("venue_stream_doubted")
            desk.counts["stream_restarts"] += 1


async def _read(desk: Desk, queue: Queue) -> None:
    async for update in desk.venue.updates():
        desk.stream_heard_at = time.monotonic()
        await queue.put(update)


async def _apply_next(desk: Desk, queue: Queue) -> None:
    """Wait for a message, take what else is there, and apply it; a message leaves the queue only into the books."""
    waits = [
        asyncio.ensure_future(queue.get()),
        asyncio.ensure_future(desk.stopping.wait()),
        asyncio.ensure_future(desk.stream_doubted.wait()),
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits[1:]:
            wait.cancel()
        if not waits[0].done():
            waits[0].cancel()
    if not waits[0].done() or waits[0].cancelled():
        return
    received = [waits[0].result()]
    while len(received) < BATCH_MAX and not queue.empty():
        received.append(queue.get_nowait())
    batch = [update for update in received if isinstance(update, VenueUpdate)]
    if batch:
        await _apply_for_sure(desk, batch)
    if len(batch) < len(received):
        desk.reconnected.set()
        desk.healing_wanted.set()


async def _apply_for_sure(desk: Desk, batch: Sequence[VenueUpdate]) -> None:
    """Apply a batch. A database that is away is waited for; a message that cannot be applied is set aside alone."""
    failures = 0
    while True:
        try:
            await apply_updates(desk, batch)
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
            failures += 1
            if desk.stopping.is_set():
                return  # not stored: whoever leads next finds it by comparing with the venue
            log.warning("updates_wait_for_database", error=type(error).__name__, failures=failures)
            await pause(desk, asyncio.Event(), min(5.0, 0.1 * 2 ** min(failures, 6)))
        except asyncpg.PostgresError as error:
            if isinstance(error, (asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError)):
                failures += 1
                await pause(desk, asyncio.Event(), min(5.0, 0.1 * 2 ** min(failures, 6)))
            elif len(batch) > 1:
                for update in batch:
                    await _apply_for_sure(desk, [update])
                return
            else:
                await _set_aside(desk, batch[0], error)
                return
        else:
            return


async def _set_aside(desk: Desk, update: VenueUpdate, error: asyncpg.PostgresError) -> None:
    log.error("update_not_applied", event_id=update.event_id, kind=update.event, error=str(error)[:200])
    desk.counts["flagged"] += 1
    async with desk.database.transaction() as connection:
        await inbox.flag(connection, SOURCE, update.event_id, update.event, {"error": type(error).__name__})


async def apply_updates(desk: Desk, batch: Sequence[VenueUpdate]) -> None:
    """Store and apply a batch in one transaction; messages that were stored before change nothing."""
    crash_point("before_update_transaction")
    outcomes = await desk.database.in_transaction(lambda connection: _apply(desk, connection, batch))
    crash_point("after_update_transaction")
    desk.counts.update(outcomes.values())
    if outcomes:
        desk.tell()
    for update in batch:
        outcome, order_id = outcomes.get(update.event_id), update.order.order_id
        if outcome == "flagged":
            if order_id is not None:
                desk.suspect(order_id)
            log.warning("venue_update_flagged", kind=update.event, status=update.order.status, order_id=str(order_id))
        elif outcome == "deferred" and order_id is not None:
            desk.suspect(order_id)
        elif outcome == "waiting" and order_id is not None:
            desk.suspect(order_id, after_seconds=desk.pace.suspect)


async def _apply(desk: Desk, connection: Connection, batch: Sequence[VenueUpdate]) -> dict[str, str]:
    """Outcome by event id for the messages that are new: applied, seen, waiting, deferred or flagged."""
    fresh_ids = await inbox.store_updates(connection, SOURCE, batch)
    fresh = {update.event_id: update for update in batch if update.event_id in fresh_ids}
    if not fresh:
        return {}
    crash_point("inside_update_transaction")
    wanted = {update.order.order_id for update in fresh.values() if update.order.order_id is not None}
    orders = await repository.read_orders(connection, sorted(wanted))
    neighbours = {n for order in orders.values() for n in (order.replaces, order.replaced_by) if n is not None}
    around = orders | await repository.read_orders(connection, sorted(neighbours - set(orders)))
    await inbox.settle(connection, [], lock=around)
    application = _Application(connection, orders, around)
    ours = {}
    for event_id, update in fresh.items():
        if update.order.order_id in orders and update.known:
            ours[event_id] = update
        else:
            application.outcomes[event_id] = "flagged"
    await application.run(ours)
    crash_point("before_update_commit")
    kept = {
        event_id: "applied" if outcome == "waiting" else outcome for event_id, outcome in application.outcomes.items()
    }
    await inbox.mark_updates(connection, SOURCE, kept)
    return application.outcomes


class _Application:
    """One batch being applied, everything it touches locked: fills, acknowledgements, endings, in this order.

    The order of these three within a batch does not matter to an order by itself: a fill after the end is booked as
    one that came late, and an end before its last fill waits for it. Only a replacement must wait for the end of the
    order it replaces, because it lives on that order's hold.
    """

    def __init__(self, connection: Connection, orders: dict[OrderId, Order], around: dict[OrderId, Order]) -> None:
        self._connection = connection
        self._orders = orders
        self._unfinished = {order_id for order_id, order in around.items() if order.finished_at is None}
        self.outcomes: dict[str, str] = {}

    async def run(self, updates: dict[str, VenueUpdate]) -> None:
        """Apply messages about our orders whose words we know."""
        fills = {event_id: update for event_id, update in updates.items() if update.fill is not None}
        rest = [event_id for event_id in updates if event_id not in fills]
        self.outcomes |= dict.fromkeys(rest, "seen")
        await self._book({event_id: update for event_id, update in fills.items() if not self._early(update)})
        await self._acknowledge(updates)
        await self._end(updates)
        # Their predecessors may have ended just now.
        early = {event_id: update for event_id, update in fills.items() if event_id not in self.outcomes}
        self.outcomes |= {event_id: "deferred" for event_id, update in early.items() if self._early(update)}
        late = {event_id: update for event_id, update in early.items() if event_id not in self.outcomes}
        await self._book(late)
        await self._end(late)

    def _early(self, update: VenueUpdate) -> bool:
        """Whether it is a fill of a replacement whose predecessor has not ended in our books."""
        order_id = update.order.order_id
        assert order_id is not None
        return self._orders[order_id].replaces in self._unfinished

    async def _book(self, updates: dict[str, VenueUpdate]) -> None:
        if not updates:
            return
        new = await self._not_healed(updates)
        outcomes = await inbox.settle(self._connection, list(new.values())) if new else []
        for event_id, outcome in zip(new, outcomes, strict=True):
            if outcome == "overfilled":
                log.error("fill_overfills", execution_id=event_id, order_id=str(new[event_id][0]))
            self.outcomes[event_id] = {"settled": "applied", "duplicate": "seen"}.get(outcome, "flagged")

    async def _not_healed(self, updates: dict[str, VenueUpdate]) -> dict[str, tuple[OrderId, VenueFill]]:
        """Without the fills that healing has booked already from the activities, under another id."""
        fills = {
            event_id: (update.order.order_id, update.fill)
            for event_id, update in updates.items()
            if update.fill is not None and update.order.order_id is not None
        }
        healed = await inbox.read_booked(
            self._connection, sorted({order_id for order_id, _ in fills.values()}), healed_only=True
        )
        for booked in healed:
            for event_id, (order_id, fill) in fills.items():
                if (order_id, fill.quantity, fill.price) == (booked.order_id, booked.quantity, booked.price):
                    if await inbox.claim_healed(self._connection, booked, fill):
                        self.outcomes[event_id] = "seen"
                        del fills[event_id]
                    break
        return fills

    async def _acknowledge(self, updates: dict[str, VenueUpdate]) -> None:
        """Whatever the venue says of an order, it has it; unless it says that it never did."""
        known: dict[OrderId, str] = {}
        for event_id, update in updates.items():
            order_id, view = update.order.order_id, update.order
            assert order_id is not None
            order = self._orders[order_id]
            if view.state is OrderState.REJECTED or not (order.venue_order_id is None or order.state in _NOT_SENT):
                continue
            known[order_id] = view.venue_order_id
            if self.outcomes.get(event_id) == "seen" and update.fill is None:
                self.outcomes[event_id] = "applied"
        if known:
            await inbox.mark_submitted(self._connection, sorted(known.items()))

    async def _end(self, updates: dict[str, VenueUpdate]) -> None:
        """End what the venue ended: replaced orders first, for their hold goes on to the next."""
        ended: dict[OrderId, tuple[str, Ending]] = {}
        for event_id, update in updates.items():
            order_id, view = update.order.order_id, update.order
            assert order_id is not None
            if view.state is not None and view.state.ended and order_id in self._unfinished:
                ending = Ending(order_id=order_id, state=view.state, filled=view.filled_quantity, reason=view.reason)
                ended[order_id] = event_id, ending
        if not ended:
            return
        turns = sorted(ended.values(), key=lambda turn: (turn[1].state is not OrderState.REPLACED, turn[1].order_id))
        outcomes = await inbox.finish(self._connection, [ending for _, ending in turns])
        for (event_id, ending), outcome in zip(turns, outcomes, strict=True):
            if outcome == "waiting":
                self.outcomes[event_id] = "waiting"
                continue
            self._unfinished.discard(ending.order_id)
            if self.outcomes.get(event_id) == "seen":
                self.outcomes[event_id] = "applied"
