"""Notifications' part of an export, and of an erasure: the letters to a customer."""

from collections.abc import Iterable

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Part
from bitcurrent.notifications import repository


def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
    """Which letters went out, and when."""
    yield Part("letters", repository.mail_rows(connection, user_id))


async def erase(connection: Connection, user_id: UserId) -> None:
    """Forget every letter, those that still wait too."""
    await repository.delete_mails(connection, user_id)
