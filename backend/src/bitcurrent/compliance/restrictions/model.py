"""A restriction as a value, and the refusal while it stands."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from bitcurrent.kernel.ids import SessionId, UserId

Scope = Literal["withdrawals", "orders", "login"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

CODE: Final = re.compile(r"[a-z][a-z0-9_.:-]{0,99}")
BY_OPERATOR: Final = "operator"
WORDS_LENGTH_MAX: Final = 300

WORDS: Final[dict[Scope, str]] = {
    "withdrawals": "Withdrawals from your account are stopped for now. Write to support if you have questions.",
    "orders": "New orders on your account are stopped for now; open ones can be canceled. Write to support if you have"
    " questions.",
    "login": "Logging in to this account is stopped for now. Write to support.",
}
"""What customers read unless somebody found better words. They never name a suspicion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """What a customer may not do for now. `code` tells one cause from another; `reason` is for operators only."""

    id: UUID
    user_id: UserId
    scope: Scope
    code: str
    words: str
    reason: str
    case_id: UUID | None
    started_by: UserId | None
    started_at: datetime
    ended_by: UserId | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictionFilter:
    """Which restrictions to list. `before` is the keyset: the id of the last one seen."""

    user_id: UUID | None = None
    scope: Scope | None = None
    standing: bool | None = None
    code: str | None = None
    case_id: UUID | None = None
    before: UUID | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended with the right to log in: tell other processes after the commit (`Identity.announce`)."""

    sessions: tuple[SessionId, ...] = ()
    keys: tuple[str, ...] = ()


class Restricted(Forbidden):
    """This customer may not do that for now."""

    code = "restricted"
    title = "Stopped for your account"

    def __init__(self, restriction: Restriction) -> None:
        super().__init__(
            f"{restriction.words} Nothing was done.",
            details={"scope": restriction.scope, "since": restriction.started_at.isoformat()},
        )


class RestrictionNotFound(NotFound):
    """No restriction has this id."""

    code = "restriction_not_found"

    def __init__(self) -> None:
        super().__init__("There is no restriction with this id.")


class RestrictionEnded(Conflict):
    """It was lifted already."""

    code = "restriction_ended"

    def __init__(self) -> None:
        super().__init__("This restriction has ended already.")


def check_code(code: str) -> str:
    """A cause's name, such as "operator" or "monitoring:velocity"; raises Invalid."""
    if CODE.fullmatch(code) is None:
        raise Invalid("A reason code has 1 to 100 lower-case letters, digits and `_.:-`.", field="code")
    return code


def read_words(words: str | None, scope: Scope) -> str:
    """What the customer reads; the usual sentence when nobody wrote another one. Raises Invalid."""
    if words is None:
        return WORDS[scope]
    plain = " ".join(words.split())
    if not 1 <= len(plain) <= WORDS_LENGTH_MAX or not plain.isprintable():
        raise Invalid(f"Tell the customer in 1 to {WORDS_LENGTH_MAX} characters what is stopped.", field="words")
    return plain
