"""Second factors as values: methods, how wrong tries lock them, and the life of a lost-factor request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import SessionId, UserId

Method = Literal["totp", "passkey", "recovery_code", "sms"]
Purpose = Literal["login", "passkey_login", "step_up", "passkey_registration"]

METHOD_NAMES: dict[Method, str] = {
    "totp": "authenticator app",
    "passkey": "passkey",
    "recovery_code": "recovery code",
    "sms": "phone",
}
"""As letters call them."""

FRESH = timedelta(minutes=5)
"""How long a used factor stands for the next step."""

CHALLENGE_LIFETIME = timedelta(minutes=5)
FAILURES_MAX = 5
FAILURES_WINDOW = timedelta(minutes=15)
LOCK_FIRST = timedelta(minutes=15)
LOCK_LONGEST = timedelta(hours=24)
RECOVERY_CODES = 10
PASSKEYS_MAX = 10
SMS_CODE_LIFETIME = timedelta(minutes=5)
SMS_TRIES_MAX = 3
LAPSES_AFTER = timedelta(days=14)
"""A lost-factor request whose wait is over and that nobody approved lapses after this."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody shows: a code, or a passkey's answer."""

    method: Method
    code: str = ""
    credential: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong tries of one factor: the moments of the last ones, and the lock that came of them."""

    failures: tuple[datetime, ...] = ()
    locks: int = 0
    """Locks since the last right code; each lasts twice as long as the one before."""
    locked_until: datetime | None = None

    def locked(self, now: datetime) -> bool:
        """Whether nothing is even looked at now."""
        return self.locked_until is not None and now < self.locked_until

    def failed(self, now: datetime) -> "Tries":
        """One more wrong try; the fifth within a quarter of an hour locks."""
        recent = (*(moment for moment in self.failures if moment > now - FAILURES_WINDOW), now)
        if len(recent) < FAILURES_MAX:
            return replace(self, failures=recent)
        wait = min(LOCK_FIRST * 2 ** min(self.locks, 10), LOCK_LONGEST)
        return Tries(failures=(), locks=self.locks + 1, locked_until=now + wait)

    def left(self, now: datetime) -> int:
        """How many wrong ones are still allowed."""
        return FAILURES_MAX - sum(moment > now - FAILURES_WINDOW for moment in self.failures)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a user has."""

    totp: bool = False
    passkeys: int = 0
    sms: bool = False
    recovery_codes: int = 0

    @property
    def strong(self) -> bool:
        """Whether there is a factor at all: texts and recovery codes only stand beside one."""
        return self.totp or self.passkeys > 0

    @property
    def methods(self) -> tuple[Method, ...]:
        """What can be used, strongest first; empty when there is no second factor."""
        if not self.strong:
            return ()
        have: dict[Method, bool] = {
            "passkey": self.passkeys > 0,
            "totp": self.totp,
            "sms": self.sms,
            "recovery_code": self.recovery_codes > 0,
        }
        return tuple(method for method, there in have.items() if there)


@dataclass(frozen=True, slots=True)
class Totp:
    """An authenticator app; `confirmed_at` is None until its first code was right."""

    user_id: UserId
    secret_encrypted: bytes
    created_at: datetime
    confirmed_at: datetime | None
    last_step: int | None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey or security key."""

    id: UUID
    user_id: UserId
    credential_id: bytes
    public_key: bytes
    sign_count: int
    label: str
    transports: tuple[str, ...]
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sms:
    """A phone that gets codes, and the code that is on its way."""

    user_id: UserId
    phone_encrypted: bytes
    created_at: datetime
    confirmed_at: datetime | None
    code_hash: bytes | None
    code_expires_at: datetime | None
    code_tries: int


@dataclass(frozen=True, slots=True)
class Challenge:
    """Something begun that a factor shall complete, within five minutes and once."""

    id: UUID
    purpose: Purpose
    user_id: UserId | None
    session_id: SessionId | None
    bytes: bytes
    """What a passkey signs."""
    expires_at: datetime


class LostState(StrEnum):
    """Where a lost-factor request stands. Only `waiting` and `approved` are open."""

    WAITING = "waiting"
    APPROVED = "approved"
    DONE = "done"
    CANCELED = "canceled"
    REFUSED = "refused"
    LAPSED = "lapsed"


OPEN = frozenset({LostState.WAITING, LostState.APPROVED})


@dataclass(frozen=True, slots=True)
class LostFactor:
    """Somebody who knows the password says that every second factor is lost."""

    id: UUID
    user_id: UserId
    requested_at: datetime
    ends_at: datetime
    """The wait's end: not before then are factors removed."""
    state: LostState
    reason: str
    address: str
    decided_by: UserId | None
    decided_at: datetime | None
    decision: str | None
    ended_at: datetime | None
    reminded_at: datetime | None

    @property
    def halfway(self) -> datetime:
        """When the second letter is due."""
        return self.requested_at + (self.ends_at - self.requested_at) / 2

    def next_step(self, now: datetime) -> Literal["remind", "finish", "lapse"] | None:
        """What time alone demands."""
        if self.state is LostState.APPROVED and now >= self.ends_at:
            return "finish"
        if self.state is LostState.WAITING and now >= self.ends_at + LAPSES_AFTER:
            return "lapse"
        if self.state in OPEN and self.reminded_at is None and self.halfway <= now < self.ends_at:
            return "remind"
        return None


class BadPhone(Invalid):
    """Not a number in E.164 form."""

    code = "invalid_phone"

    def __init__(self) -> None:
        super().__init__("Write the phone number with its country code, like +14155550123.", field="phone")


def clean_phone(text: str) -> str:
    """A phone number in E.164 form, without the marks that people put in; raises BadPhone."""
    phone = re.sub(r"[ ().\-]", "", text)
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", phone):
        raise BadPhone
    return phone


def phone_hint(phone: str) -> str:
    """Enough for its owner to know which phone it is."""
    return "•" * 6 + phone[-2:]
