"""Letters, texts and messages as values: what is sent, how it went, and when it is tried again."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, Forbidden, Invalid, NotFound

OutboxName = Literal["mails", "texts"]
OutboxState = Literal["waiting", "sent", "dead"]
Delivery = Literal["queued", "sent", "delivered", "undelivered", "failed"]
"""What the carrier says became of a text that it took."""
ATTEMPTS_MAX = 10
"""Over about a day and a half; then the letter is dead and somebody should look."""

TEXT_ATTEMPTS_MAX = 5
TEXT_LIFETIME = timedelta(hours=12)
"""What is older goes to nobody's phone any more: the letter has said it long ago."""

FIRST_PAUSE_SECONDS = 15.0
PAUSE_SECONDS_MAX = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One letter, ready to be sent. Shown to nobody: it may hold a link that opens an account."""

    id: UUID
    created_at: datetime
    to: str
    subject: str
    text: str
    html: str
    unsubscribe: str | None = None
    """Where mail programs switch such letters off by one POST (RFC 8058); None for those that cannot be."""

    def __repr__(self) -> str:
        return f"Mail(id={self.id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingText:
    """One text to a phone, ready to be sent. Shown to nobody."""

    id: UUID
    phone: str
    words: str

    def __repr__(self) -> str:
        return f"OutgoingText(id={self.id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message in a customer's inbox."""

    id: UUID
    created_at: datetime
    topic: str
    template: str
    title: str
    body: str
    read_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A claimed letter or text as it is stored, and how often it was tried before."""

    id: UUID
    created_at: datetime
    user_id: UUID
    template: str
    attempts: int
    data_key: bytes
    recipient: bytes
    content: bytes


def pause_before(attempt: int, first_seconds: float = FIRST_PAUSE_SECONDS) -> timedelta:
    """How long to wait before the next attempt: four times as long each time, never all letters at once."""
    seconds = min(first_seconds * 4 ** (attempt - 1), PAUSE_SECONDS_MAX)
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311  jitter, not a secret


_RANKS: dict[Delivery, int] = {"queued": 0, "sent": 1, "undelivered": 2, "failed": 2, "delivered": 3}
_REPORTED: dict[str, Delivery] = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}


def delivery_of(status: str) -> Delivery | None:
    """What a carrier's word for the state of a text means to us; None for a word that we do not know."""
    return _REPORTED.get(status)


def later_delivery(known: Delivery | None, reported: Delivery) -> Delivery:
    """What is true when both were said, in whatever order: reports may overtake each other."""
    return reported if known is None or _RANKS[reported] > _RANKS[known] else known


class MessageNotFound(NotFound):
    """No message of this customer has this id."""

    code = "message_not_found"

    def __init__(self) -> None:
        super().__init__("There is no message with this id.")


class PreferenceLocked(Invalid):
    """Somebody must always be told this."""

    code = "preference_locked"
    title = "Cannot be switched off"

    def __init__(self, topic: str, channel: str) -> None:
        super().__init__(
            f"'{topic}' cannot be switched off for '{channel}': it is how you notice that somebody else uses your "
            "account. Nothing was changed.",
            field="preferences",
            details={"topic": topic, "channel": channel},
        )


class NotOffered(Invalid):
    """There is nothing to switch."""

    code = "preference_not_offered"

    def __init__(self, topic: str, channel: str) -> None:
        super().__init__(
            f"There are no notifications about '{topic}' by '{channel}'.",
            field="preferences",
            details={"topic": topic, "channel": channel},
        )


class PhoneMissing(Conflict):
    """Texts need a phone."""

    code = "phone_missing"
    title = "No phone"

    def __init__(self) -> None:
        super().__init__("Texts go to a confirmed phone: add one to your second factors first.", field="preferences")


class ForgedReport(Forbidden):
    """A report whose signature does not fit."""

    code = "forged_signature"

    def __init__(self) -> None:
        super().__init__("The signature does not fit what it signs.", field="X-Twilio-Signature")
