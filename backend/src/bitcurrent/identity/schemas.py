"""What identity says and hears on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.identity import model
from bitcurrent.identity.service import Login
from bitcurrent.web.schemas import Answer, Request

# Generous bounds: the model's own checks say what is wrong in better words.
_Text = Annotated[str, msgspec.Meta(max_length=300)]
_Password = Annotated[str, msgspec.Meta(max_length=1000, description="12 to 128 characters of any kind.")]


class LogIn(Request, frozen=True, kw_only=True):
    """Open a session."""

    email: _Text
    password: _Password


class User(Answer, frozen=True, kw_only=True):
    """A person with an account."""

    id: UUID
    created_at: datetime
    email: str
    display_name: str
    role: model.Role
    status: model.Status
    kyc_level: str


class Me(Answer, frozen=True, kw_only=True):
    """Who is asking, and what they may do."""

    user: User
    email_verified: bool
    scopes: list[model.Scope]
    session_id: UUID | None
    api_key_id: str | None


class LoggedIn(Answer, frozen=True, kw_only=True):
    """An open session. Browsers hold the token in a cookie; programs send it as a bearer token."""

    user: User
    token: str
    csrf_token: str
    expires_at: datetime


class CsrfToken(Answer, frozen=True, kw_only=True):
    """The value of X-CSRF-Token."""

    csrf_token: str


class Session(Answer, frozen=True, kw_only=True):
    """One login, on one device."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    address: str
    device: str
    current: bool


class Ended(Answer, frozen=True, kw_only=True):
    """How many sessions were ended."""

    sessions: int


def user(value: model.User) -> User:
    """A user as an answer."""
    return User(
        id=value.id,
        created_at=value.created_at,
        email=value.email,
        display_name=value.display_name,
        role=value.role,
        status=value.status,
        kyc_level=value.kyc_level,
    )


def logged_in(value: Login) -> LoggedIn:
    """A login as an answer."""
    return LoggedIn(
        user=user(value.user),
        token=value.token,
        csrf_token=value.csrf_token,
        expires_at=value.session.expires_at,
    )


def session(value: model.Session, current: UUID | None) -> Session:
    """A session as an answer."""
    return Session(
        id=value.id,
        created_at=value.created_at,
        expires_at=value.expires_at,
        last_seen_at=value.last_seen_at,
        address=value.address,
        device=value.device,
        current=value.id == current,
    )
