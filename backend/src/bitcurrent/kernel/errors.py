"""Refusals: domain facts with a stable code. Only the web edge knows which HTTP status each kind becomes."""

from collections.abc import Mapping
from typing import ClassVar


class Refusal(Exception):
    """Something asked for that is not done, said so that the asker can act.

    `code` is stable and machine-readable; `field` names the part of the request at fault; `details` carries the
    rule's values (limits, minima) as strings.
    """

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "Refused"

    def __init__(self, message: str, *, field: str | None = None, details: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details = dict(details or {})


class Invalid(Refusal):
    """The request itself is wrong; sending it again unchanged will not help."""

    code = "invalid"
    title = "Invalid request"


class Unproven(Refusal):
    """A message from outside that does not prove where it comes from."""

    code = "unproven"
    title = "Not proven"


class Unauthenticated(Refusal):
    """Nobody, or nobody we know."""

    code = "unauthenticated"
    title = "Log in first"


class Forbidden(Refusal):
    """Known, but not allowed to do this."""

    code = "forbidden"
    title = "Not allowed"


class NotFound(Refusal):
    """It does not exist, or it is not yours; both look the same."""

    code = "not_found"
    title = "Not found"


class Conflict(Refusal):
    """Right in itself, but not in the present state."""

    code = "conflict"
    title = "Not possible now"


class TooMany(Refusal):
    """Asked too often; `details["retry_after_seconds"]` says when to come back."""

    code = "too_many_requests"
    title = "Too many requests"


class Unavailable(Refusal):
    """Something we depend on does not answer; nothing was done."""

    code = "unavailable"
    title = "Temporarily unavailable"
