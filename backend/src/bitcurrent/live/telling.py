"""Events of the log as frames, each built once, with the order as it was when the event happened."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import Event
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.live.frames import text_frame
from bitcurrent.live.model import PrivateChannel
from bitcurrent.live.schemas import BalanceChanged, MessageAdded, OrderChanged, encode
from bitcurrent.trading.model import Fill, Order, OrderState
from bitcurrent.trading.reading import read_orders
from bitcurrent.trading.schemas import fill_answer, order_answer

log = structlog.get_logger(__name__)

MESSAGE_ADDED = "message_added"
"""The kind of event with which a message comes into somebody's inbox."""


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
    if event.kind == MESSAGE_ADDED and event.subject is not None:
        added = MessageAdded(
            sequence=event.sequence,
            at=event.created_at,
            id=event.subject,
            topic=str(event.payload.get("topic", "")),
            title=str(event.payload.get("title", "")),
        )
        frames["messages"] = text_frame(encode(added))
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


def is_about_order(event: Event) -> bool:
    """Whether an event tells of an order."""
    return event.kind.startswith("order.") and event.subject is not None


def order_at(order: Order, event: Event) -> Order:
    """The order as it was when the event happened, from the stored order and the event's own facts.

    The stored order may be ahead of the event by now; what changes in an order's life is taken from the event.
    """
    facts = event.payload
    state = OrderState(facts["state"])
    return replace(
        order,
        state=state,
        reason=facts.get("reason") if state.ended else None,
        held=Decimal(0) if state.ended else _amount(facts, "held"),
        filled_quantity=_amount(facts, "filled_quantity"),
        filled_cost=_amount(facts, "filled_cost"),
        fee=_amount(facts, "total_fee"),
        cancel_requested_at=order.cancel_requested_at if facts.get("cancel_requested") else None,
        # An ended order changes no more (a late fill apart), so its stored row is right.
        replaced_by=order.replaced_by if state.ended else _id(facts.get("replaced_by")),
        updated_at=event.created_at,
        submitted_at=None if state is OrderState.ACCEPTED else order.submitted_at,
        finished_at=order.finished_at if state.ended else None,
    )


def fill_of(order: Order, event: Event) -> Fill | None:
    """The execution that an event tells of, if it does."""
    if event.kind != "order.fill":
        return None
    facts = event.payload
    return Fill(
        execution_id=facts["execution_id"],
        order_id=order.id,
        user_id=order.user_id,
        market=order.market,
        side=order.side,
        quantity=Decimal(facts["quantity"]),
        price=Decimal(facts["price"]),
        cost=Decimal(facts["cost"]),
        fee=Decimal(facts["fee"]),
        fee_currency=facts["fee_currency"],
        fee_bps=order.fee_bps,
        liquidity=order.liquidity,
        filled_at=datetime.fromisoformat(facts["filled_at"]),
        created_at=event.created_at,
    )


def _amount(facts: dict[str, Any], name: str) -> Decimal:
    """An amount of the event; what it does not name was zero then."""
    return Decimal(facts.get(name, "0"))


def _id(text: str | None) -> OrderId | None:
    return OrderId(UUID(text)) if text else None
