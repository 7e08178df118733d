"""Letters as values: what is sent, how it went, and when it is tried again."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

MailState = Literal["waiting", "sent", "dead"]
ATTEMPTS_MAX = 10
"""Over about a day and a half; then the letter is dead and somebody should look."""

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

    def __repr__(self) -> str:
        return f"Mail(id={self.id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMail:
    """A claimed letter as it is stored, and how often it was tried before."""

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
