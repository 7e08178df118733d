"""Links for mails: signed, expiring, used once.

A token is the link's id and an HMAC over its purpose and id: whoever reads the database cannot make one, and what was
never mailed cannot be guessed. When it ends and whether it was used stands in the database.
"""

import base64
import binascii
import hashlib
import hmac
from uuid import UUID

from bitcurrent.identity.accounts import repository
from bitcurrent.identity.accounts.model import LIFETIMES, InvalidLink, Link, LinkExpired, LinkUsed, Purpose
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

TOKEN_LENGTH = 64
_ID_BYTES = 16
_TABLE = "account_links"
KEPT_DAYS = 30
PURGE_ROWS_MAX = 5_000


class Links:
    """Makes links and takes them back."""

    def __init__(self, secret_key: str, vault: Vault) -> None:
        self._key = hmac.digest(secret_key.encode(), b"account links", hashlib.sha256)
        self._vault = vault

    async def make(self, connection: Connection, user_id: UserId, purpose: Purpose, *, email: str | None = None) -> str:
        """A new link's token. Older links of the purpose stop working, except those that undo."""
        if purpose != "undo_email":
            await repository.use_links(connection, user_id, purpose)
        link_id = new_id()
        record = self._vault.new_record(table=_TABLE, row=link_id) if email is not None else None
        await repository.insert_link(
            connection,
            link_id=link_id,
            user_id=user_id,
            purpose=purpose,
            lifetime=LIFETIMES[purpose],
            data_key=record.wrapped if record else None,
            email=record.encrypt_text(email, column="email") if record else None,
        )
        return base64.urlsafe_b64encode(link_id.bytes + self._signature(purpose, link_id)).decode()

    async def look(self, connection: Connection, purpose: Purpose, token: str) -> Link:
        """What a token stands for, if it may still be used; raises InvalidLink, LinkUsed or LinkExpired."""
        row = await repository.find_link(connection, self._id_in(purpose, token))
        if row is None or row["purpose"] != purpose:
            raise InvalidLink
        if row["used"]:
            raise LinkUsed
        if row["expired"]:
            raise LinkExpired
        email = None
        if row["data_key"] is not None:
            record = self._vault.open_record(row["data_key"], table=_TABLE, row=row["id"])
            email = record.decrypt_text(row["email"], column="email")
        return Link(row["id"], UserId(row["user_id"]), purpose, email)

    async def use(self, connection: Connection, purpose: Purpose, token: str) -> Link:
        """The same, and from the commit on it is used: of two at once one gets it."""
        link = await self.look(connection, purpose, token)
        await repository.use_links(connection, link.user_id, purpose, only=link.id)
        return link

    def _id_in(self, purpose: Purpose, token: str) -> UUID:
        if len(token) != TOKEN_LENGTH:
            raise InvalidLink
        try:
            content = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise InvalidLink from None
        link_id = UUID(bytes=content[:_ID_BYTES])
        if not hmac.compare_digest(content[_ID_BYTES:], self._signature(purpose, link_id)):
            raise InvalidLink
        return link_id

    def _signature(self, purpose: Purpose, link_id: UUID) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\n" + link_id.bytes, hashlib.sha256)


async def purge_links(connection: Connection) -> int:
    """Forget links that expired a month ago, some thousands at a time; returns how many went."""
    return await repository.purge_links(connection, days=KEPT_DAYS, limit=PURGE_ROWS_MAX)
