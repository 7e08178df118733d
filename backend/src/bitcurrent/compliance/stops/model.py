"""A stop as a value, and the refusal while it stands."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bitcurrent.compliance.products import Product
from bitcurrent.kernel.errors import Conflict, NotFound

WORDS_LENGTH_MAX = 300
BY_OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What stands still. Without a product or asset it is all of them.

    `cause` tells one reason to stop from another ("operator", "reconciliation"): each is ended by itself. `reason` is
    for operators, `words` for customers.
    """

    id: UUID
    product: Product | None
    asset: str | None
    cause: str
    reason: str
    words: str
    started_by: UUID | None
    started_at: datetime
    ended_by: UUID | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None


def forbids(stop: Stop, *, market: str, side: str, order_type: str) -> bool:
    """Whether a stop that stands forbids such an order: the same rule as SQL's `stop_of_order`."""
    products = {None, "trading", f"order_{side}", *(("order_market",) if order_type == "market" else ())}
    return stop.product in products and _touches(stop, market)


def closes(stop: Stop, *, market: str) -> bool:
    """Whether a stop forbids every order of a market."""
    return stop.product in (None, "trading") and _touches(stop, market)


def _touches(stop: Stop, market: str) -> bool:
    return stop.asset is None or stop.asset in market.split("/")


class Stopped(Conflict):
    """What was asked for stands still for now."""

    code = "stopped"
    title = "Stopped for now"

    def __init__(self, stop: Stop) -> None:
        super().__init__(
            f"{stop.words} Nothing was done.",
            details={
                "product": stop.product or "all",
                "asset": stop.asset or "all",
                "since": stop.started_at.isoformat(),
            },
        )


class StopNotFound(NotFound):
    """No stop has this id."""

    code = "stop_not_found"

    def __init__(self) -> None:
        super().__init__("There is no stop with this id.")


class StopEnded(Conflict):
    """It runs again already."""

    code = "stop_ended"

    def __init__(self) -> None:
        super().__init__("This stop has ended already.")
