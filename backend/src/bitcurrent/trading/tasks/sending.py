"""Accepted orders go to the venue; those whose answer was lost are asked for until the venue says."""

import asyncio
import time

import structlog

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.trading import inbox_repository as inbox
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Order, OrderState
from bitcurrent.trading.ports import VenueBusy, VenueError, VenueOrder, VenueRefused, VenueUnknown
from bitcurrent.trading.tasks.answers import bring_up_to_date, record_answer, reject
from bitcurrent.trading.tasks.desk import DATABASE_TROUBLE, VENUE_TROUBLE, Desk, pause

log = structlog.get_logger(__name__)

CLAIM_MAX = 64
STOPPED_MAX = 200
NOT_REACHED_SECONDS = 1.0
NEVER_RECEIVED = "the venue never received it"


async def send_waiting(desk: Desk) -> None:
    """Claim what may be sent now, in one statement, and send each by itself; then wait for more."""
    free = min(CLAIM_MAX, desk.pace.in_flight_max - len(desk.in_flight), desk.venue.room())
    orders: list[Order] = []
    if time.monotonic() < desk.send_again_at:
        free = 0
    if free > 0:
        # Cleared before looking: an order that is accepted from here on wakes the next round.
        desk.orders_waiting.clear()
        orders = await desk.database.in_transaction(lambda connection: _claim(connection, free))
    if orders:
        crash_point("after_claim")
    for order in orders:
        desk.in_flight[order.id] = asyncio.create_task(_send(desk, order))
    if free <= 0:
        await pause(desk, asyncio.Event(), desk.pace.idle)
    elif len(orders) < free:
        await pause(desk, desk.orders_waiting, desk.pace.idle)


async def _claim(connection: Connection, limit: int) -> list[Order]:
    # What was stopped meanwhile is ended and not sent; the lock that this takes lets no stop come before our commit.
    if await venue_repository.end_stopped_orders(connection, STOPPED_MAX) == STOPPED_MAX:
        return []
    orders = await venue_repository.claim_orders(connection, limit)
    if orders:
        crash_point("inside_claim_transaction")
    return orders


async def _send(desk: Desk, order: Order) -> None:
    """Send one claimed order and record what came of it. What cannot be recorded now is found stranded later."""
    try:
        await _send_and_record(desk, order)
    except DATABASE_TROUBLE as error:
        log.warning("answer_not_recorded", order_id=str(order.id), error=type(error).__name__)
        desk.counts["answers_not_recorded"] += 1
    finally:
        desk.in_flight.pop(order.id, None)


async def _send_and_record(desk: Desk, order: Order) -> None:
    try:
        crash_point("before_submit")
        answer = await _ask(desk, order)
        crash_point("after_submit_before_record")
    except VenueRefused as refusal:
        desk.counts["refused"] += 1
        await reject(desk, order, refusal.reason)
    except VenueUnknown as error:
        desk.counts["unknown"] += 1
        log.warning("submit_unknown", order_id=str(order.id), error=str(error))
        async with desk.database.transaction() as connection:
            await venue_repository.mark_unknown(connection, order.id)
        desk.unknowns_waiting.set()
    except VenueError as error:
        await _wait_again(desk, order, error)
    else:
        desk.counts["submitted"] += 1
        await record_answer(desk, order, answer)
        crash_point("after_record")
        if order.replaces is not None:
            desk.suspect(order.replaces, after_seconds=desk.pace.suspect)


async def _ask(desk: Desk, order: Order) -> VenueOrder:
    if order.replaces is None:
        return await desk.venue.submit(order)
    async with desk.database.read() as connection:
        old = await repository.read_order(connection, order.replaces)
    if old is None or old.finished_at is not None:
        raise VenueRefused("the order to replace has ended")
    return await desk.venue.replace(old, order)


async def _wait_again(desk: Desk, order: Order, error: VenueError) -> None:
    """Nothing can have happened at the venue: back into the queue, or canceled when that was asked for meanwhile."""

    async def apply(connection: Connection) -> None:
        await venue_repository.return_to_accepted(connection, order.id)
        current = await repository.read_order(connection, order.id)
        if current and current.cancel_requested_at and current.state is OrderState.ACCEPTED:
            await repository.request_cancel(connection, order.user_id, order.id)

    seconds = error.retry_after_seconds if isinstance(error, VenueBusy) else NOT_REACHED_SECONDS
    # Before the order can be claimed again: a venue that is down or busy is not asked in a frenzy.
    desk.send_again_at = time.monotonic() + min(seconds, 60.0)
    await desk.database.in_transaction(apply)
    desk.tell()
    desk.counts["not_sent"] += 1
    log.warning("submit_postponed", order_id=str(order.id), error=str(error), seconds=round(seconds, 1))


async def resolve_unknown(desk: Desk) -> None:
    """Ask the venue for every order whose answer was lost, by our id, with growing pauses."""
    desk.unknowns_waiting.clear()
    async with desk.database.transaction() as connection:
        stranded = await inbox.mark_stranded_unknown(connection, list(desk.in_flight))
        orders = await venue_repository.list_unknown(connection)
    if stranded:
        log.warning("orders_stranded", orders=stranded)
    for order in orders:
        if desk.stopping.is_set():
            return
        if _due(desk, order):
            await _resolve(desk, order)
    await pause(desk, desk.unknowns_waiting, desk.pace.unknown_first if orders else 1.0)


def _due(desk: Desk, order: Order) -> bool:
    """The pause before the next question grows with the time that an order has been unknown."""
    if order.checked_at is None or order.unknown_since is None or order.checked_at < order.unknown_since:
        return True
    waited = (order.checked_at - order.unknown_since).total_seconds()
    return (now() - order.checked_at).total_seconds() >= min(desk.pace.unknown_longest, waited / 2)


async def _resolve(desk: Desk, order: Order) -> None:
    crash_point("before_find")
    try:
        view = await desk.venue.find(order.id, user_id=order.user_id)
    except VENUE_TROUBLE:
        async with desk.database.transaction() as connection:
            await venue_repository.mark_checked(connection, order.id)
        raise
    crash_point("after_find_before_record")
    if view is None:
        await not_there(desk, order, NEVER_RECEIVED)
    else:
        await bring_up_to_date(desk, order, view)


async def not_there(desk: Desk, order: Order, reason: str) -> None:
    """The venue says that it has no such order: believed only when it says so for a minute. Its id is then spent."""
    first = desk.missing_since.setdefault(order.id, time.monotonic())
    if time.monotonic() - first >= desk.pace.missing:
        log.warning("order_never_received", order_id=str(order.id))
        await reject(desk, order, reason)
        return
    async with desk.database.transaction() as connection:
        await venue_repository.mark_checked(connection, order.id)
