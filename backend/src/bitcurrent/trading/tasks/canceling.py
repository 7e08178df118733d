"""Cancels that customers asked for go to the venue first of all; one without an end is asked about."""

import asyncio

import structlog

from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Order
from bitcurrent.trading.ports import VenueRefused, VenueUnknown
from bitcurrent.trading.tasks.answers import bring_up_to_date
from bitcurrent.trading.tasks.desk import VENUE_TROUBLE, Desk, pause
from bitcurrent.trading.tasks.sending import not_there

log = structlog.get_logger(__name__)

AT_ONCE = 16


async def send_cancels(desk: Desk) -> None:
    """Send every cancel that is due, some at a time, and wait for more."""
    async with desk.database.read() as connection:
        orders = await venue_repository.list_cancels_to_send(
            connection, again_after_seconds=desk.pace.cancel_again, limit=AT_ONCE
        )
    results = await asyncio.gather(*(_cancel(desk, order) for order in orders), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise failures[0]
    if len(orders) < AT_ONCE:
        await pause(desk, asyncio.Event(), desk.pace.idle)


async def _cancel(desk: Desk, order: Order) -> None:
    """Ask once. An order that was asked for before and has not ended is looked up first: perhaps it has."""
    if order.cancel_sent_at is not None:
        desk.counts["cancels_overdue"] += 1
        if await _ended_meanwhile(desk, order):
            return
    try:
        crash_point("before_cancel")
        await desk.venue.cancel(order)
        crash_point("after_cancel_before_record")
        desk.counts["cancels_sent"] += 1
    except VenueRefused as refusal:
        # Too late: it has filled, or ended otherwise. The venue's books say which.
        log.info("cancel_refused", order_id=str(order.id), reason=refusal.reason)
        await _mark_sent(desk, order)
        await _ended_meanwhile(desk, order)
        return
    except VenueUnknown as error:
        log.warning("cancel_unknown", order_id=str(order.id), error=str(error))
        desk.suspect(order.id, after_seconds=desk.pace.suspect)
    await _mark_sent(desk, order)


async def _mark_sent(desk: Desk, order: Order) -> None:
    async with desk.database.transaction() as connection:
        await venue_repository.mark_cancel_sent(connection, order.id)


async def _ended_meanwhile(desk: Desk, order: Order) -> bool:
    """Bring the order up to date from the venue; whether it needs no further cancel."""
    try:
        view = await desk.venue.find(order.id, user_id=order.user_id)
    except VENUE_TROUBLE:
        await _mark_sent(desk, order)  # asked again after the usual pause
        raise
    if view is None:
        await not_there(desk, order, "the venue does not know it any more")
        return True
    async with desk.database.read() as connection:
        current = await repository.read_order(connection, order.id) or order
    if current.finished_at is None:
        await bring_up_to_date(desk, current, view)
    return view.state is not None and view.state.ended
