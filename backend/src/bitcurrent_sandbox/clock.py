"""Wall-clock time in microseconds, and its written forms."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

MICROS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def moment(at: int) -> datetime:
    """The aware UTC datetime of that microsecond."""
    return _EPOCH + timedelta(microseconds=at)


def iso(at: int) -> str:
    """RFC 3339 with microseconds and `Z`."""
    return moment(at).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def micros(written: str) -> int:
    """Read RFC 3339, or a plain date, as UTC.

    Raises ValueError when it is neither. A `+` that a client forgot to escape arrives as a space.
    """
    text = written.strip()
    if len(text) > 40:
        raise ValueError("time is too long")
    if "T" in text:
        text = text.replace(" ", "+")
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return (parsed - _EPOCH) // timedelta(microseconds=1)
