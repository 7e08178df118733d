"""Events of the log as frames: each built once, whoever it goes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import Event
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.live.frames import text_frame
from bitcurrent.live.model import PrivateChannel, fill_of, is_about_order, order_at
from bitcurrent.live.schemas import BalanceChanged, OrderChanged, encode
from bitcurrent.trading.model import Order
from bitcurrent.trading.reading import read_orders
from bitcurrent.trading.schemas import fill_answer, order_answer

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it goes to sockets: a frame for each channel that it concerns, and the balances that it left."""

    user_id: UserId
    sequence: int
    frames: dict[PrivateChannel, bytes]
    balances: list[dict[str, Any]]


async def tell(connection: Connection, events: Sequence[Event]) -> list[Told]:
    """Build the frames of events; one query for all the orders that they are about."""
    about = {OrderId(event.subject) for event in events if is_about_order(event) and event.subject is not None}
    orders = await read_orders(connection, list(about))
    return [_tell_one(event, orders) for event in events]


def _tell_one(event: Event, orders: dict[OrderId, Order]) -> Told:
    frames: dict[PrivateChannel, bytes] = {}
    if is_about_order(event) and event.subject is not None:
        order = orders.get(OrderId(event.subject))
        if order is None:
            # Written in one transaction with its events; only a partition that was taken away could be the cause.
            log.error("event_without_order", kind=event.kind, sequence=event.sequence)
        else:
            changed = _order_changed(event, order)
            if changed is not None:
                frames["orders"] = text_frame(encode(changed))
    balances: list[dict[str, Any]] = event.payload.get("balances") or []
    if balances:
        left = BalanceChanged(sequence=event.sequence, kind=event.kind, at=event.created_at, balances=balances)
        frames["balances"] = text_frame(encode(left))
    return Told(UserId(event.user_id), event.sequence, frames, balances)


def _order_changed(event: Event, order: Order) -> OrderChanged | None:
    try:
        then, fill = order_at(order, event), fill_of(order, event)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        # One event that says less than it should must not silence everybody else's.
        log.exception("event_unreadable", kind=event.kind, position=event.position)
        return None
    return OrderChanged(
        sequence=event.sequence,
        kind=event.kind,
        at=event.created_at,
        order=order_answer(then),
        fill=None if fill is None else fill_answer(fill),
    )
