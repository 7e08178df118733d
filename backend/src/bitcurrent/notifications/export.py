"""Notifications' part of an export, and of an erasure: what went to a customer, their inbox, and what they chose."""

from collections.abc import AsyncIterator, Iterable, Mapping

from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Export, Part
from bitcurrent.notifications import inbox_repository, repository
from bitcurrent.notifications.inbox import Inbox

PAGE = 200


def export_with(vault: Vault) -> Export:
    """The export of this room, for who holds the keys."""
    inbox = Inbox(vault)

    def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
        yield Part("letters", repository.rows_to(connection, "mails", user_id))
        yield Part("texts", repository.rows_to(connection, "texts", user_id))
        yield Part("messages", _messages(connection, inbox, user_id))
        yield Part("notification_preferences", _preferences(connection, user_id))

    return export


async def erase(connection: Connection, user_id: UserId) -> None:
    """Forget every letter, text and message, those that still wait too."""
    await repository.delete_all(connection, "mails", user_id)
    await repository.delete_all(connection, "texts", user_id)
    await inbox_repository.delete_messages(connection, user_id)


async def _messages(connection: Connection, inbox: Inbox, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    before = None
    while page := await inbox.read(connection, user_id, before=before, limit=PAGE):
        for message in page:
            yield {
                "created_at": message.created_at,
                "topic": message.topic,
                "title": message.title,
                "body": message.body,
                "read_at": message.read_at,
            }
        before = page[-1].id


async def _preferences(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    for (topic, channel), enabled in (await inbox_repository.read_preferences(connection, user_id)).items():
        yield {"topic": topic, "channel": channel, "enabled": enabled}
