"""An event in the inbox as a value, when it is tried again, and what may be raised over it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from bitcurrent.funding.ports import ProcessorEvent

EventState = Literal["waiting", "applied", "ignored"]

SOURCE: Final = "stripe"
BODY_BYTES_MAX: Final = 262_144
"""The processor's events have a few kB; none needs more than 256."""

FIRST_PAUSE: Final = timedelta(seconds=2)
LONGEST_PAUSE: Final = timedelta(hours=1)
TROUBLED_ATTEMPTS: Final = 5
"""From so many failures on an event is counted as one that needs a person; it is tried again all the same."""


class NotYet(Exception):
    """What the event is about is not known so far; it is kept and applied later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it lies in the inbox, without its body."""

    id: UUID
    event_id: str
    type: str
    object_id: str | None
    payment_intent: str | None
    created_at: datetime
    received_at: datetime
    state: EventState
    attempts: int
    trouble: str | None
    applied_at: datetime | None


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failures: 2 s, 4 s, 8 s … an hour."""
    return min(FIRST_PAUSE * (1 << min(attempts - 1, 16)), LONGEST_PAUSE)


def about(event: ProcessorEvent) -> tuple[str | None, str | None]:
    """The id of the thing that an event is about, and of the payment behind it, where it names them."""
    thing = _text(event.object.get("id"))
    payment = _text(event.object.get("payment_intent"))
    return thing, thing if thing and thing.startswith("pi_") else payment


def once_each(events: Iterable[ProcessorEvent]) -> Sequence[ProcessorEvent]:
    """The events, each id once, by id: two batches that share some lock them in the same order."""
    return [event for _, event in sorted({event.id: event for event in events}.items())]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 255 else None
