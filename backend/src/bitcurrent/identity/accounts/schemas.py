"""What accounts say and hear on the wire."""

from typing import Annotated, Literal

import msgspec

from bitcurrent.web.schemas import Answer, Request

_Text = Annotated[str, msgspec.Meta(max_length=300)]
_Password = Annotated[str, msgspec.Meta(max_length=1000, description="12 to 128 characters of any kind.")]
_Token = Annotated[str, msgspec.Meta(max_length=200, description="From the link in the mail.")]


class Register(Request, frozen=True, kw_only=True):
    """Open an account."""

    email: _Text
    display_name: _Text
    password: _Password


class Registered(Answer, frozen=True, kw_only=True):
    """Look into your mail. The same for every address, whether or not it had an account."""

    email: str
    next: Literal["verify_email"] = "verify_email"


class Token(Request, frozen=True, kw_only=True):
    """A link that came by mail."""

    token: _Token


class Done(Answer, frozen=True, kw_only=True):
    """It is done."""

    done: Literal[True] = True


class AskReset(Request, frozen=True, kw_only=True):
    """Ask for a link to set a new password."""

    email: _Text


class Accepted(Answer, frozen=True, kw_only=True):
    """If there is something to send, it is in the mail. The same in every case."""

    next: Literal["check_mail"] = "check_mail"


class ResetPassword(Request, frozen=True, kw_only=True):
    """Set a new password by a link."""

    token: _Token
    new_password: _Password


class ChangePassword(Request, frozen=True, kw_only=True):
    """Set a new password; every other session ends."""

    current_password: _Password
    new_password: _Password


class ChangeEmail(Request, frozen=True, kw_only=True):
    """Use another e-mail address, once it has confirmed that."""

    new_email: _Text
    password: _Password


class CloseAccount(Request, frozen=True, kw_only=True):
    """Close the account; the password confirms it."""

    password: _Password
