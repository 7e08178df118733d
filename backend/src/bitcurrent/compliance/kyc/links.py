"""Links by which an operator sees a document: made for one person, for a minute, for one look, and written down."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.kyc import documents_repository as files
from bitcurrent.compliance.kyc.levels import WORK
from bitcurrent.compliance.kyc.model import Document, DocumentNotFound, LinkEnded
from bitcurrent.compliance.kyc.ports import Evidence
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import check_permission
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import new_id

LIVES: Final = timedelta(seconds=60)
TOKEN_BYTES: Final = 32
PURGED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Link:
    """A link; the token is shown once and kept only as its hash."""

    token: str = field(repr=False)
    expires_at: datetime


class DocumentLinks:
    """Makes links and honours them once."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def make(self, connection: Connection, actor: Actor, document_id: UUID, *, address: str) -> Link:
        """A link for this operator; raises DocumentNotFound."""
        document = await files.read_document(connection, document_id)
        if document is None:
            raise DocumentNotFound
        token = secrets.token_urlsafe(TOKEN_BYTES)
        ends = now() + LIVES
        await files.insert_link(
            connection,
            link_id=new_id(),
            document_id=document_id,
            operator_id=actor.user_id,
            token_hash=_hash(token),
            lives=LIVES,
        )
        await self._note(connection, actor, "kyc.document_link_made", document, address)
        return Link(token, ends)

    async def open(self, connection: Connection, actor: Actor, token: str, *, address: str) -> tuple[Document, bytes]:
        """The document and its content, once; raises LinkEnded, CryptoError."""
        actor.require_operator()
        check_permission(actor.role, WORK)
        document = await files.use_link(connection, _hash(token), actor.user_id)
        if document is None:
            raise LinkEnded
        await self._note(connection, actor, "kyc.document_seen", document, address)
        return document, await files.read_content(connection, self._vault, document.id)

    async def evidence(self, connection: Connection, submission_id: UUID) -> Sequence[Evidence]:
        """Every document of a submission with its content, for whoever checks it."""
        return [
            Evidence(
                purpose=document.purpose,
                media_type=document.media_type,
                sha256=document.clean_sha256.hex(),
                content=await files.read_content(connection, self._vault, document.id),
            )
            for document in await files.documents_of(connection, submission_id)
        ]

    async def _note(self, connection: Connection, actor: Actor, action: str, document: Document, address: str) -> None:
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action=action,
            subject=f"kyc_document:{document.id}",
            address=address,
            details={"user": str(document.user_id), "purpose": document.purpose},
        )


async def purge_links(connection: Connection) -> int:
    """Forget links that ended long ago; how many went."""
    return await files.purge_links(connection, limit=PURGED_AT_ONCE)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
