"""Notifications' verbs: tell a customer something with the act that it tells of, and hand over what is queued."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import msgspec

from bitcurrent.identity import directory
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.notifications import letters, repository
from bitcurrent.notifications.inbox import Inbox, purge_messages
from bitcurrent.notifications.model import Delivery, Mail, OutboxName, OutgoingText, Waiting, delivery_of
from bitcurrent.notifications.preferences import read_preferences
from bitcurrent.notifications.unsubscribing import token_for

KEPT_DAYS = 90
PURGE_ROWS_MAX = 5_000
UNSUBSCRIBE_PATH = "/api/notifications/unsubscribe"


class _Outbox:
    """One outbox in the database, whose lines are encrypted until they are sent."""

    name: OutboxName

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def _put(
        self, connection: Connection, *, user_id: UserId, template: str, values: Mapping[str, str], recipient: str
    ) -> UUID:
        row_id = new_id()
        record = self._vault.new_record(table=self.name, row=row_id)
        await repository.insert_waiting(
            connection,
            self.name,
            row_id=row_id,
            user_id=user_id,
            template=template,
            data_key=record.wrapped,
            recipient=record.encrypt(recipient.encode(), column="recipient"),
            content=record.encrypt(msgspec.json.encode(dict(values)), column="content"),
        )
        return row_id

    async def claim(self, connection: Connection, *, limit: int, lease: timedelta) -> list[Waiting]:
        """What is due; commit before handing any over."""
        return await repository.claim(connection, self.name, limit=limit, lease=lease)

    def _open(self, waiting: Waiting) -> tuple[str, dict[str, str]]:
        """Recipient and values of a claimed line; raises CryptoError."""
        record = self._vault.open_record(waiting.data_key, table=self.name, row=waiting.id)
        values = msgspec.json.decode(record.decrypt(waiting.content, column="content"), type=dict[str, str])
        return record.decrypt(waiting.recipient, column="recipient").decode(), values


class Mails(_Outbox):
    """Letters by e-mail."""

    name: OutboxName = "mails"

    def __init__(self, vault: Vault, base_url: str) -> None:
        super().__init__(vault)
        self._base_url = base_url

    async def queue(
        self,
        connection: Connection,
        *,
        user_id: UserId,
        template: str,
        values: Mapping[str, str],
        to: str | None = None,
    ) -> None:
        """Queue a letter in the open transaction: what is rolled back is never sent.

        Without `to` it goes to the customer's address of this moment; nobody gets one whose data were erased. Raises
        KeyError for a template that does not exist or lacks a value.
        """
        letters.check(template, values)
        recipient = to or await directory.address_of(connection, self._vault, user_id)
        if recipient is not None:
            await self._put(connection, user_id=user_id, template=template, values=values, recipient=recipient)

    def write(self, waiting: Waiting) -> Mail:
        """A claimed letter as it is sent; raises CryptoError or KeyError when it cannot be read any more."""
        recipient, values = self._open(waiting)
        token = None
        if waiting.template in letters.LETTERS:
            token = token_for(self._vault, waiting.user_id, letters.LETTERS[waiting.template].topic)
        written = letters.write(waiting.template, values, self._base_url, unsubscribe=token)
        one_click = f"{self._base_url.rstrip('/')}{UNSUBSCRIBE_PATH}/{token}"
        return Mail(
            id=waiting.id,
            created_at=waiting.created_at,
            to=recipient,
            subject=written.subject,
            text=written.text,
            html=written.html,
            unsubscribe=None if written.is_essential else one_click,
        )


class Texts(_Outbox):
    """Texts to phones, for those who chose them."""

    name: OutboxName = "texts"

    async def queue(
        self, connection: Connection, *, user_id: UserId, template: str, values: Mapping[str, str]
    ) -> UUID | None:
        """Queue a text to the customer's confirmed phone in the open transaction; None when there is no phone."""
        phone = await directory.phone_of(connection, self._vault, user_id)
        if phone is None:
            return None
        return await self._put(connection, user_id=user_id, template=template, values=values, recipient=phone)

    def write(self, waiting: Waiting) -> OutgoingText:
        """A claimed text as it is sent; raises CryptoError or KeyError when it cannot be read any more."""
        phone, values = self._open(waiting)
        return OutgoingText(id=waiting.id, phone=phone, words=letters.write_text(waiting.template, values))

    async def report(self, connection: Connection, *, text_id: UUID, status: str, code: int | None) -> bool:
        """Take down what a carrier reports of a text; False for what it has said before, or of no text of ours."""
        if not await repository.insert_report(connection, text_id=text_id, status=status, code=code):
            return False
        delivery = delivery_of(status)
        if delivery is not None:
            await repository.note_delivery(connection, text_id, delivery, code=code)
        return True


class Notifications:
    """Tells customers: one verb for every channel that they chose. It is also identity's `Letters`."""

    def __init__(self, vault: Vault, base_url: str) -> None:
        self.vault = vault
        self.mails = Mails(vault, base_url)
        self.texts = Texts(vault)
        self.inbox = Inbox(vault)

    async def notify(
        self,
        connection: Connection,
        *,
        user_id: UserId,
        template: str,
        values: Mapping[str, str],
        to: str | None = None,
    ) -> None:
        """Tell a customer something, in the open transaction: nobody hears of what is rolled back.

        The template says which topic it belongs to, and so which channels the customer gets it by. With `to` it is a
        letter to that address and nothing else. Call it last in the transaction: a message takes the customer's next
        place in the event log, which others wait for. Raises KeyError for a template or value that is missing.
        """
        letter = letters.check(template, values)
        if to is not None:
            await self.mails.queue(connection, user_id=user_id, template=template, values=values, to=to)
            return
        chosen = await read_preferences(connection, user_id)
        if chosen.wants(letter.topic, "email"):
            await self.mails.queue(connection, user_id=user_id, template=template, values=values)
        if letter.phone is not None and chosen.wants(letter.topic, "sms"):
            await self.texts.queue(connection, user_id=user_id, template=template, values=values)
        if letter.in_inbox and chosen.wants(letter.topic, "in_app"):
            await self.inbox.add(connection, user_id=user_id, template=template, values=values)

    async def queue(
        self,
        connection: Connection,
        *,
        user_id: UserId,
        template: str,
        values: Mapping[str, str],
        to: str | None = None,
    ) -> None:
        """The same, as the rooms below know it: see `notify`."""
        await self.notify(connection, user_id=user_id, template=template, values=values, to=to)


async def purge_told(connection: Connection) -> int:
    """Forget what was sent or died 90 days ago and old messages, some thousands at a time; returns how many went."""
    gone = await purge_messages(connection, limit=PURGE_ROWS_MAX)
    for outbox in (Mails.name, Texts.name):
        purged = await repository.purge(connection, outbox, days=KEPT_DAYS, limit=PURGE_ROWS_MAX)
        gone += purged
    return gone


async def taken(connection: Connection, text_id: UUID, delivery: Delivery) -> None:
    """A carrier has taken a text and says so much of it."""
    await repository.end(connection, Texts.name, text_id, state="sent")
    await repository.note_delivery(connection, text_id, delivery)
