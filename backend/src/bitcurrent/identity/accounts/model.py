"""Links and closing as values, and the refusals that belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, Invalid
from bitcurrent.kernel.ids import UserId

Purpose = Literal["verify_email", "reset_password", "change_email", "undo_email"]

LIFETIMES: dict[Purpose, timedelta] = {
    "verify_email": timedelta(hours=24),
    "reset_password": timedelta(hours=1),
    "change_email": timedelta(hours=24),
    "undo_email": timedelta(hours=72),
}


class InvalidLink(Invalid):
    """Not one of ours, or for something else."""

    code = "invalid_link"
    title = "Invalid link"

    def __init__(self) -> None:
        super().__init__("This link is not valid. Copy it whole, or ask for another.", field="token")


class LinkUsed(Invalid):
    """It works once."""

    code = "link_used"
    title = "Link used before"

    def __init__(self) -> None:
        super().__init__("This link was used, or replaced by a newer one. Nothing was done.", field="token")


class LinkExpired(Invalid):
    """Too late."""

    code = "link_expired"
    title = "Link expired"

    def __init__(self) -> None:
        super().__init__("This link has expired. Ask for another.", field="token")


class EmailVerified(Conflict):
    """Nothing to confirm."""

    code = "email_verified"

    def __init__(self) -> None:
        super().__init__("Your e-mail address is confirmed already.")


class SameEmail(Invalid):
    """It is the address already."""

    code = "same_email"

    def __init__(self) -> None:
        super().__init__("This is your address already.", field="new_email")


class CannotClose(Conflict):
    """Something is still in the account; `details` says what, and how much of it."""

    code = "account_not_empty"
    title = "Not empty"

    def __init__(self, obstacles: Mapping[str, str]) -> None:
        said = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in obstacles.items())
        super().__init__(
            f"The account cannot be closed yet ({said}). Cancel what is open and take out what is left.",
            details=obstacles,
        )


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was made for somebody; `email` is the address it is about, where it is about one."""

    id: UUID
    user_id: UserId
    purpose: Purpose
    email: str | None


def masked(email: str) -> str:
    """An address that its owner recognises and nobody else can use: a…@example.org."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}…@{domain}"
