"""Identifiers with types. New ones are UUIDs of version 7: they sort by time and name their own moment."""

import os
import time
from datetime import UTC, datetime
from typing import NewType
from uuid import UUID

UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)
OrderId = NewType("OrderId", UUID)
JournalId = NewType("JournalId", UUID)


def new_id() -> UUID:
    """A new UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    return UUID(int=value | 0b10 << 62 | random & (1 << 62) - 1)


def id_time(value: UUID) -> datetime:
    """The moment that a version 7 id names, to the millisecond."""
    milliseconds = value.int >> 80
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
