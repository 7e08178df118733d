"""An approval as a value, the kinds that there are, and refusals."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from bitcurrent.identity.permissions import Permission
from bitcurrent.kernel.errors import Conflict, Forbidden, NotFound
from bitcurrent.kernel.ids import UserId

State = Literal["open", "granted", "refused", "expired"]
STATES: tuple[State, ...] = ("open", "granted", "refused", "expired")

LIFETIME = timedelta(hours=24)
REASON_LENGTH_MIN = 5
REASON_LENGTH_MAX = 500
PAYLOAD_BYTES_MAX = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Something that one operator asked for and another one decides. `payload` is what will be done, exactly."""

    id: UUID
    kind: str
    subject: str
    payload: Mapping[str, Any]
    reason: str
    asked_by: UserId
    asked_at: datetime
    expires_at: datetime
    granted_by: UserId | None
    granted_at: datetime | None
    refused_by: UserId | None
    refused_at: datetime | None
    refusal_reason: str | None
    expired_at: datetime | None
    executed_at: datetime | None

    def state_at(self, moment: datetime) -> State:
        """What it is: an open one whose time is over has expired, whether or not anybody has written that down."""
        if self.granted_at is not None:
            return "granted"
        if self.refused_at is not None:
            return "refused"
        return "expired" if self.expired_at is not None or moment >= self.expires_at else "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFilter:
    """Which approvals to list. `before` is the keyset: the id of the last one seen."""

    state: State | None = None
    kind: str | None = None
    subject: str | None = None
    asked_by: UUID | None = None
    before: UUID | None = None
    limit: int = 50


Handler = Callable[[Any, Approval, UserId], Awaitable[Callable[[], Awaitable[None]] | None]]
"""Does what was granted: gets the open transaction's connection, the approval, and who granted it.

It may give back what is to be done after the commit (tell other processes). Raising undoes the grant.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing that needs four eyes, who may ask for it, who may grant it, and what then happens."""

    name: str
    ask: Permission
    grant: Permission
    handler: Handler
    lifetime: timedelta = LIFETIME


class ApprovalNotFound(NotFound):
    """No approval has this id."""

    code = "approval_not_found"

    def __init__(self) -> None:
        super().__init__("There is no approval with this id.")


class SamePerson(Forbidden):
    """Four eyes are two people."""

    code = "same_person"
    title = "Another person must decide"

    def __init__(self) -> None:
        super().__init__("You asked for this yourself: somebody else has to grant it. Nothing was done.")


class AlreadyAsked(Conflict):
    """The same is asked for already and not decided."""

    code = "approval_already_asked"

    def __init__(self, approval_id: UUID | None) -> None:
        super().__init__(
            "This was asked for already and waits for a decision.",
            details={} if approval_id is None else {"approval_id": str(approval_id)},
        )


class ApprovalEnded(Conflict):
    """Granted, refused or expired: that is final."""

    code = "approval_ended"

    def __init__(self, state: State) -> None:
        super().__init__(f"This approval is {state} already. Nothing was done.", details={"state": state})


class SubjectGone(Conflict):
    """What was asked for does not fit any more."""

    code = "approval_outdated"
    title = "Outdated"
