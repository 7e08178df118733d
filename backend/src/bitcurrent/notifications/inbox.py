"""The inbox in the house itself: messages that stay, read and unread."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec

from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.notifications import inbox_repository as repository
from bitcurrent.notifications.letters import LETTERS, write_note
from bitcurrent.notifications.model import Message, MessageNotFound

MESSAGE_ADDED = "message_added"
KEPT_DAYS = 400
_TABLE = "messages"


class Inbox:
    """Keeps messages; what fills their templates is encrypted, and the words are put together when they are read."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def add(self, connection: Connection, *, user_id: UserId, template: str, values: Mapping[str, str]) -> UUID:
        """A new message, and the event that tells open sessions of it, in the open transaction."""
        note = write_note(template, values)
        message_id = new_id()
        record = self._vault.new_record(table=_TABLE, row=message_id)
        await repository.insert_message(
            connection,
            message_id=message_id,
            user_id=user_id,
            topic=note.topic,
            template=template,
            data_key=record.wrapped,
            content=record.encrypt(msgspec.json.encode(dict(values)), column="content"),
        )
        # Topic and title are ours and about nobody; the words are read from the inbox.
        await append_event(
            connection,
            user_id=user_id,
            kind=MESSAGE_ADDED,
            subject=message_id,
            payload={"topic": note.topic, "title": note.title},
        )
        return message_id

    async def read(
        self,
        connection: Connection,
        user_id: UserId,
        *,
        unread: bool | None = None,
        before: UUID | None = None,
        limit: int = 50,
    ) -> Sequence[Message]:
        """A customer's messages, newest first."""
        rows = await repository.list_messages(connection, user_id, unread=unread, before=before, limit=limit)
        return [self._opened(row) for row in rows]

    async def count_unread(self, connection: Connection, user_id: UserId) -> int:
        """How many the customer has not read."""
        return await repository.count_unread(connection, user_id)

    async def mark_read(self, connection: Connection, user_id: UserId, message_id: UUID) -> Message:
        """The message, read from now on; raises MessageNotFound."""
        row = await repository.mark_read(connection, user_id, message_id)
        if row is None:
            raise MessageNotFound
        return self._opened(row)

    async def mark_all_read(self, connection: Connection, user_id: UserId) -> int:
        """Every message is read; how many were not."""
        return await repository.mark_all_read(connection, user_id)

    def _opened(self, row: asyncpg.Record) -> Message:
        record = self._vault.open_record(row["data_key"], table=_TABLE, row=row["id"])
        values = msgspec.json.decode(record.decrypt(row["content"], column="content"), type=dict[str, str])
        if row["template"] in LETTERS:
            note = write_note(row["template"], values)
            title, body = note.title, note.body
        else:  # a letter that this version does not write any more
            title, body = row["template"].replace("_", " ").capitalize(), ""
        return Message(
            id=row["id"],
            created_at=row["created_at"],
            topic=row["topic"],
            template=row["template"],
            title=title,
            body=body,
            read_at=row["read_at"],
        )


async def purge_messages(connection: Connection, *, limit: int) -> int:
    """Forget what is older than 400 days, some at a time; how many went."""
    return await repository.purge_messages(connection, days=KEPT_DAYS, limit=limit)
