"""The venue's JSON read into trading's words. Pure; raises `Unreadable` for what has not the published shape."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from bitcurrent.kernel.ids import OrderId
from bitcurrent.reconciliation.ports import VenueMovement
from bitcurrent.trading.model import OrderState
from bitcurrent.trading.ports import VenueFee, VenueFill, VenueOrder, VenueUpdate

FILL_EVENTS = frozenset({"fill", "partial_fill"})
KNOWN_EVENTS = FILL_EVENTS | {
    "accepted",
    "new",
    "pending_new",
    "canceled",
    "expired",
    "done_for_day",
    "replaced",
    "rejected",
    "restated",
    "pending_cancel",
    "pending_replace",
    "stopped",
    "calculated",
    "suspended",
    "held",
    "order_replace_rejected",
    "order_cancel_rejected",
}
FEES_AND_FILLS = frozenset({"FILL", "CFEE", "FEE"})
QUOTE = "USD"
"""The currency of the venue's cash, and the second half of every pair that it holds as a position."""

# Every status word of the published API. A word that is not here is kept, and its state is None.
_OPEN = frozenset(
    {
        "new",
        "accepted",
        "pending_new",
        "accepted_for_bidding",
        "held",
        "pending_cancel",
        "pending_replace",
        "partially_filled",
        "stopped",
        "suspended",
        "calculated",
        # A stock's word: the day is over but the order is not. Coins trade always, so it is not expected.
        "done_for_day",
    }
)
_ENDED = {
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
    "replaced": OrderState.REPLACED,
}


class Unreadable(Exception):
    """A message of the venue has not the shape that it published."""


def state_of(status: str, filled_quantity: Decimal) -> OrderState | None:
    """Our state for the venue's word; None for a word that we do not know.

    An order that is still open, whatever it waits for, is submitted or partially filled by what it has filled.
    """
    if status in _ENDED:
        return _ENDED[status]
    if status not in _OPEN:
        return None
    return OrderState.PARTIALLY_FILLED if filled_quantity else OrderState.SUBMITTED


def read_order(body: Any) -> VenueOrder:
    """The venue's Order object."""
    try:
        filled = _decimal(body["filled_qty"] or "0")
        status = str(body["status"])
        return VenueOrder(
            venue_order_id=str(body["id"]),
            order_id=our_id(body["client_order_id"]),
            status=status,
            state=state_of(status, filled),
            filled_quantity=filled,
            replaced_by=body.get("replaced_by") or None,
            replaces=body.get("replaces") or None,
            reason=body.get("reject_reason") or body.get("reason") or None,
            market=body.get("symbol") or None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"not an order: {type(error).__name__} {error}") from error


def read_update(payload: Mapping[str, Any]) -> VenueUpdate:
    """The data of one trade_updates message.

    Its identity: a fill is known by its execution id alone, so that it is the same fill however often and in whatever
    wrapping it comes. Everything else by order, event word and the venue's timestamp, for the venue repeats execution
    ids on other events (a `new` may carry one) or leaves them out.
    """
    try:
        event, order, at = str(payload["event"]), read_order(payload["order"]), str(payload["timestamp"])
        fill = _fill_of(payload, order) if event in FILL_EVENTS else None
        event_id = fill.execution_id if fill else f"{order.venue_order_id}:{event}:{at}"
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"not a trade update: {type(error).__name__} {error}") from error
    known = event in KNOWN_EVENTS and order.state is not None
    return VenueUpdate(event_id=event_id, event=event, order=order, fill=fill, payload=dict(payload), known=known)


def _fill_of(payload: Mapping[str, Any], order: VenueOrder) -> VenueFill | None:
    """The execution in a fill event; None when it only says that the order is complete, without a trade of its own."""
    if not payload.get("qty") or not payload.get("price"):
        return None
    return VenueFill(
        execution_id=str(payload["execution_id"]),
        venue_order_id=order.venue_order_id,
        order_id=order.order_id,
        quantity=_decimal(payload["qty"]),
        price=_decimal(payload["price"]),
        filled_at=_moment(payload["timestamp"]),
    )


def read_fill_activity(body: Any) -> VenueFill:
    """A FILL activity. Its id is the activity's: nothing published ties it to the stream's execution id."""
    try:
        return VenueFill(
            execution_id=str(body["id"]),
            venue_order_id=str(body["order_id"]),
            order_id=None,
            quantity=_decimal(body["qty"]),
            price=_decimal(body["price"]),
            filled_at=_moment(body["transaction_time"]),
            market=body.get("symbol") or None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"not a fill activity: {type(error).__name__} {error}") from error


def read_fee_activity(body: Any) -> VenueFee | None:
    """A CFEE or FEE activity; None when it moves nothing.

    Assumed, for it is not published: a fee in coins is a negative `qty` of the pair in `symbol`, a fee in dollars a
    negative `net_amount`. A positive figure is money given back and comes out negative here.
    """
    try:
        quantity, net = _decimal(body.get("qty") or "0"), _decimal(body.get("net_amount") or "0")
        if not quantity and not net:
            return None
        return VenueFee(
            activity_id=str(body["id"]),
            currency=base_of(str(body["symbol"])) if quantity else QUOTE,
            amount=-(quantity or net),
            charged_at=_moment(body.get("created_at") or body["date"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"not a fee activity: {type(error).__name__} {error}") from error


def read_movement(body: Any) -> VenueMovement | None:
    """An activity that moved cash or coins without being a trade or its fee; None for those, and when nothing moved.

    Assumed, for it is not published: as with fees, coins are a signed `qty` of what `symbol` names, dollars a signed
    `net_amount`.
    """
    try:
        kind = str(body["activity_type"])
        quantity, net = _decimal(body.get("qty") or "0"), _decimal(body.get("net_amount") or "0")
        if kind in FEES_AND_FILLS or (not quantity and not net):
            return None
        symbol = str(body.get("symbol") or "")
        coins = bool(quantity) and bool(symbol)
        return VenueMovement(
            activity_id=str(body["id"]),
            kind=kind,
            asset=base_of(symbol) if coins else QUOTE,
            amount=quantity if coins else net,
            happened_at=_moment(body.get("created_at") or body["date"]),
            transfer_id=body.get("transfer_id") or None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"not an activity: {type(error).__name__} {error}") from error


def base_of(symbol: str) -> str:
    """The coin of a pair written BTC/USD or BTCUSD."""
    return symbol.partition("/")[0] if "/" in symbol else symbol.removesuffix(QUOTE)


def our_id(client_order_id: Any) -> OrderId | None:
    """Our order id when the client_order_id is one; None for orders that somebody else placed in this account."""
    try:
        return OrderId(UUID(str(client_order_id)))
    except ValueError:
        return None


def read_amount(value: Any) -> Decimal:
    """An exact amount from a string or number of the venue; raises `Unreadable`."""
    try:
        return _decimal(value)
    except ValueError as error:
        raise Unreadable(f"not an amount: {value!r}") from error


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a number") from error
    if not amount.is_finite():
        raise ValueError(f"{value!r} is not finite")
    return amount


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
