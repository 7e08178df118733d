"""What the venue says of one order, brought into the books: the way for submits, look-ups and healing alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import structlog

from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId
from bitcurrent.trading import inbox_repository as inbox
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.inbox_repository import HEALED, BookedFill, Ending
from bitcurrent.trading.model import Order, OrderState
from bitcurrent.trading.ports import VenueFill, VenueOrder
from bitcurrent.trading.tasks.desk import Desk

log = structlog.get_logger(__name__)

CHAIN_MAX = 20
"""Replacements of replacements that are followed back."""


async def bring_up_to_date(desk: Desk, order: Order, view: VenueOrder, *, chain: int = 0) -> bool:
    """Make our order what the venue says it is: first the fills that are missing, then its state.

    A replacement comes after the order it replaces, whose hold it takes over. Returns whether there was a fill or an
    end that the books did not know.
    """
    if not await _predecessor_settled(desk, order, chain):
        async with desk.database.transaction() as connection:
            await venue_repository.mark_checked(connection, order.id)
        return False
    known: list[VenueFill] = []
    if view.filled_quantity > order.filled_quantity:
        known = await desk.venue.fills_of(view.venue_order_id)

    async def apply(connection: Connection) -> tuple[int, list[str]]:
        await inbox.settle(connection, [], lock=_with_neighbours(order))
        healed = await _settle_missing(connection, order.id, known) if known else 0
        crash_point("inside_healing_transaction")
        await inbox.mark_submitted(connection, [(order.id, view.venue_order_id)])
        return healed, await inbox.finish(connection, _ending(order.id, view))

    crash_point("before_healing_transaction")
    healed, outcomes = await desk.database.in_transaction(apply)
    crash_point("after_healing_transaction")
    desk.missing_since.pop(order.id, None)
    desk.tell()
    if healed:
        desk.counts["fills_healed"] += healed
        log.warning("fills_healed", order_id=str(order.id), fills=healed)
    if "waiting" in outcomes:
        desk.suspect(order.id, after_seconds=desk.pace.suspect)
    return healed > 0 or "finished" in outcomes


async def record_answer(desk: Desk, order: Order, view: VenueOrder) -> None:
    """The answer to a submit: the venue has the order, and perhaps it is over already. Its fills come by the stream."""

    async def apply(connection: Connection) -> list[str]:
        await inbox.settle(connection, [], lock=_with_neighbours(order))
        await inbox.mark_submitted(connection, [(order.id, view.venue_order_id)])
        crash_point("inside_record_transaction")
        return await inbox.finish(connection, _ending(order.id, view))

    if "waiting" in await desk.database.in_transaction(apply):
        desk.suspect(order.id, after_seconds=desk.pace.suspect)
    desk.tell()


async def reject(desk: Desk, order: Order, reason: str) -> None:
    """End an order that the venue refused or never received, and give back what it holds."""
    state = OrderState.CANCELED if order.filled_quantity else OrderState.REJECTED

    async def apply(connection: Connection) -> None:
        await inbox.settle(connection, [], lock=_with_neighbours(order))
        await inbox.finish(connection, [Ending(order_id=order.id, state=state, filled=None, reason=reason)])

    await desk.database.in_transaction(apply)
    desk.missing_since.pop(order.id, None)
    desk.tell()


def missing_fills(known: Sequence[VenueFill], booked: Sequence[BookedFill]) -> list[VenueFill] | None:
    """The venue's fills of an order that are not in the books; None when the two cannot be laid side by side.

    Activities and stream name the same execution by different ids, and neither can be derived from the other, so
    fills are matched by quantity and price, each booked one standing for one of the venue's. When the books hold a
    fill that the venue does not show (it may show it later, or have split it otherwise), nothing can be said.
    """
    unmatched = Counter((fill.quantity, fill.price) for fill in booked)
    missing = []
    for fill in sorted(known, key=lambda fill: (fill.filled_at, fill.execution_id)):
        size = (fill.quantity, fill.price)
        if unmatched[size]:
            unmatched[size] -= 1
        else:
            missing.append(fill)
    return None if unmatched.total() else missing


async def _settle_missing(connection: Connection, order_id: OrderId, known: Sequence[VenueFill]) -> int:
    booked = await inbox.read_booked(connection, [order_id], healed_only=False)
    missing = missing_fills(known, booked)
    if missing is None:
        total = sum((fill.quantity for fill in known), Decimal(0))
        log.warning("fills_differ", order_id=str(order_id), venue=str(total), venue_fills=len(known), ours=len(booked))
        return 0
    fills = [(order_id, replace(fill, execution_id=HEALED + fill.execution_id)) for fill in missing]
    outcomes = await inbox.settle(connection, fills) if fills else []
    for (_, fill), outcome in zip(fills, outcomes, strict=True):
        if outcome == "overfilled":
            log.error("fill_overfills", order_id=str(order_id), execution_id=fill.execution_id)
            await inbox.flag(connection, "healing", fill.execution_id, "overfilled", {"order_id": str(order_id)})
    return outcomes.count("settled")


async def _predecessor_settled(desk: Desk, order: Order, chain: int) -> bool:
    """Whether the replaced order is done with, after asking for it when it is not."""
    if order.replaces is None:
        return True
    async with desk.database.read() as connection:
        old = await repository.read_order(connection, order.replaces)
    if old is None or old.finished_at is not None:
        return True
    if chain >= CHAIN_MAX:
        return False
    view = await desk.venue.find(old.id, user_id=old.user_id)
    if view is None:
        return False
    await bring_up_to_date(desk, old, view, chain=chain + 1)
    async with desk.database.read() as connection:
        old = await repository.read_order(connection, old.id)
    return old is None or old.finished_at is not None


def _with_neighbours(order: Order) -> list[OrderId]:
    return [order_id for order_id in (order.replaces, order.id, order.replaced_by) if order_id is not None]


def _ending(order_id: OrderId, view: VenueOrder) -> list[Ending]:
    if view.state is None or not view.state.ended:
        return []
    return [Ending(order_id=order_id, state=view.state, filled=view.filled_quantity, reason=view.reason)]
