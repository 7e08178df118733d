"""What the audit log needs from outside: a place for signed heads that the database's owner does not command."""

from typing import Protocol


class HeadStore(Protocol):
    """Keeps lines for good. A file on another disk, an append-only bucket, another company's log."""

    async def append(self, line: bytes) -> None:
        """Add one line durably, its end not included; raises OSError when it could not be kept."""
        ...
