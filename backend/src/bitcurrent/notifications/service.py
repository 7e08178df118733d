"""Notifications' verbs: queue a letter with the act that it tells of, and hand queued letters over."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from bitcurrent.identity import directory
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.notifications import letters, repository
from bitcurrent.notifications.model import Mail, WaitingMail

_TABLE = "mails"
KEPT_DAYS = 90
PURGE_ROWS_MAX = 5_000


class Mails:
    """Identity's `Letters`: an outbox in the database, whose lines are encrypted until they are sent."""

    def __init__(self, vault: Vault, base_url: str) -> None:
        self._vault = vault
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
        if recipient is None:
            return
        mail_id = new_id()
        record = self._vault.new_record(table=_TABLE, row=mail_id)
        await repository.insert_mail(
            connection,
            mail_id=mail_id,
            user_id=user_id,
            template=template,
            data_key=record.wrapped,
            recipient=record.encrypt(recipient.encode(), column="recipient"),
            content=record.encrypt(msgspec.json.encode(dict(values)), column="content"),
        )

    async def claim(self, connection: Connection, *, limit: int, lease: timedelta) -> list[WaitingMail]:
        """Letters whose time has come; commit before handing any over."""
        return await repository.claim_mails(connection, limit=limit, lease=lease)

    def write(self, waiting: WaitingMail) -> Mail:
        """A claimed letter as it is sent; raises CryptoError or KeyError when it cannot be read any more."""
        record = self._vault.open_record(waiting.data_key, table=_TABLE, row=waiting.id)
        values = msgspec.json.decode(record.decrypt(waiting.content, column="content"), type=dict[str, str])
        written = letters.write(waiting.template, values, self._base_url)
        return Mail(
            id=waiting.id,
            created_at=waiting.created_at,
            to=record.decrypt(waiting.recipient, column="recipient").decode(),
            subject=written.subject,
            text=written.text,
            html=written.html,
        )


async def purge_mails(connection: Connection) -> int:
    """Forget what was sent or died 90 days ago, some thousands at a time; returns how many went."""
    return await repository.purge_mails(connection, days=KEPT_DAYS, limit=PURGE_ROWS_MAX)
