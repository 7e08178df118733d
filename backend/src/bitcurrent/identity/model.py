"""Who somebody is, as values: actors, roles, scopes, e-mail addresses, and the refusals that belong to them."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from bitcurrent.identity.key_limits import KeyLimits
from bitcurrent.kernel.errors import Conflict, Forbidden, Invalid, Unauthenticated
from bitcurrent.kernel.ids import SessionId, UserId

Role = Literal["customer", "support", "compliance", "finance", "admin"]
Status = Literal["active", "frozen", "closed"]
Scope = Literal["read", "trade"]

ALL_SCOPES: frozenset[Scope] = frozenset({"read", "trade"})
PASSWORD_LENGTH_MIN = 12
PASSWORD_LENGTH_MAX = 128
ERASED = "erased"
"""What stands where an erased customer's name and address were."""
API_KEYS_MAX = 20
"""Keys that one customer may have at a time."""

_EMAIL = re.compile(r"[^@\s\"(),:;<>\[\\\]]{1,64}@[^@\s\"(),:;<>\[\\\]]{1,189}\.[^@\s.\"(),:;<>\[\\\]]{2,63}")


class NotLoggedIn(Unauthenticated):
    """No credential came along."""

    code = "not_logged_in"

    def __init__(self) -> None:
        super().__init__("Log in first, or send an API key.")


class InvalidToken(Unauthenticated):
    """The token is not one that we made, or was made for something else."""

    code = "invalid_token"
    title = "Invalid token"

    def __init__(self) -> None:
        super().__init__("This token is not valid. Log in again.")


class TokenExpired(Unauthenticated):
    """A day has passed."""

    code = "token_expired"
    title = "Session expired"

    def __init__(self) -> None:
        super().__init__("This session is over: a day has passed. Log in again.")


class SessionEnded(Unauthenticated):
    """Logged out, revoked, or the password was changed."""

    code = "session_ended"
    title = "Session ended"

    def __init__(self) -> None:
        super().__init__("This session has been ended. Log in again.")


class WrongCredentials(Unauthenticated):
    """Unknown address or wrong password: nobody learns which."""

    code = "wrong_credentials"
    title = "Not logged in"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class InvalidApiKey(Unauthenticated):
    """Unknown, revoked or expired key, or a wrong secret: nobody learns which."""

    code = "invalid_api_key"
    title = "Invalid API key"

    def __init__(self) -> None:
        super().__init__("This API key is not valid: unknown, revoked, expired, or with another secret.")


class SessionRequired(Forbidden):
    """An API key may not do this, only a person who has logged in."""

    code = "session_required"

    def __init__(self) -> None:
        super().__init__("This needs a logged-in session; an API key is not enough.")


class ScopeMissing(Forbidden):
    """The API key was made without the scope."""

    code = "scope_missing"

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"This API key lacks the scope '{scope}'.", details={"scope": scope})


class RoleMissing(Forbidden):
    """For operators of certain roles."""

    code = "role_missing"

    def __init__(self) -> None:
        super().__init__("Your role does not allow this.")


class NotACustomer(Forbidden):
    """Operators look after other people's accounts; they have none of their own."""

    code = "not_a_customer"

    def __init__(self) -> None:
        super().__init__("This is for customers. Your login is an operator's and has no account to trade with.")


class AccountFrozen(Forbidden):
    """Reading goes on; nothing may be changed."""

    code = "account_frozen"

    def __init__(self) -> None:
        super().__init__("This account is frozen: it can be read, but nothing can be done. Ask support.")


class EmailTaken(Conflict):
    """There is an account with this address."""

    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address. Log in instead.", field="email")


class TooManyApiKeys(Conflict):
    """Enough."""

    code = "too_many_api_keys"

    def __init__(self) -> None:
        super().__init__(
            f"There are {API_KEYS_MAX} API keys already. Revoke one first.", details={"maximum": str(API_KEYS_MAX)}
        )


class PasswordChangedMeanwhile(Conflict):
    """Two changes at once: the first one counts."""

    code = "password_changed_meanwhile"

    def __init__(self) -> None:
        super().__init__("The password was changed by another request. Nothing was done.")


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks: a person in a session, or a program with an API key."""

    user_id: UserId
    role: Role
    status: Status
    scopes: frozenset[Scope] = ALL_SCOPES
    session_id: SessionId | None = None
    key_id: str | None = None
    is_customer: bool = True
    limits: KeyLimits | None = None
    """What the key's owner bound it to; None for sessions, and for keys that are bound to nothing."""

    def require_session(self) -> None:
        """Raise SessionRequired unless this is a person who has logged in."""
        if self.session_id is None:
            raise SessionRequired

    def require_scope(self, scope: Scope) -> None:
        """Raise ScopeMissing, NotACustomer, or AccountFrozen where the scope is about more than reading."""
        if scope not in self.scopes:
            raise ScopeMissing(scope)
        if not self.is_customer:
            raise NotACustomer
        if scope != "read" and self.status != "active":
            raise AccountFrozen

    def require_operator(self) -> None:
        """Raise RoleMissing unless this is an active operator, logged in."""
        self.require_session()
        if self.role == "customer" or self.status != "active":
            raise RoleMissing

    def require_role(self, *roles: Role) -> None:
        """Raise RoleMissing unless this is an active operator, logged in, of one of the roles."""
        self.require_session()
        if self.role not in roles or self.status != "active":
            raise RoleMissing


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account."""

    id: UserId
    created_at: datetime
    email: str
    display_name: str
    role: Role
    status: Status
    kyc_level: str


@dataclass(frozen=True, slots=True)
class Session:
    """One login, on one device."""

    id: SessionId
    user_id: UserId
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    address: str
    device: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for a program, without its secret, which nobody has but its owner."""

    id: UUID
    key_id: str
    label: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_address: str | None
    limits: KeyLimits | None
    used_today: Decimal
    """What its orders of this day (UTC) are worth, in USD; counted for keys with a cap."""


def normalise_email(text: str) -> str:
    """The address as it is stored and compared; raises Invalid."""
    email = unicodedata.normalize("NFKC", text).strip().lower()
    if len(email) > 254 or not _EMAIL.fullmatch(email) or not email.isprintable() or ".." in email:
        raise Invalid("This is not an e-mail address.", field="email")
    return email


def check_password_rules(password: str, *, field: str = "password") -> None:
    """Raise Invalid unless the length is right; any characters will do."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise Invalid(
            f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters.",
            field=field,
            details={"minimum": str(PASSWORD_LENGTH_MIN), "maximum": str(PASSWORD_LENGTH_MAX)},
        )


def clean_name(text: str) -> str:
    """A display name as it is stored; raises Invalid when it is empty, too long or holds control characters."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise Invalid("A display name has 1 to 100 visible characters.", field="display_name")
    return name
