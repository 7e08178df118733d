"""Writing and reading notes about customers; and what privacy needs of them."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.backoffice.notes import repository
from bitcurrent.backoffice.notes.model import Note
from bitcurrent.identity.model import Actor
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Export, Part

LENGTH_MAX: Final = 5_000
AT_ONCE: Final = 500


class Notes:
    """Keeps notes."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def add(self, connection: Connection, actor: Actor, user_id: UserId, text: str, *, address: str) -> Note:
        """Write one. Raises NotFound, Invalid."""
        actor.require_operator()
        await self._identity.user(connection, user_id)
        words = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
        if not 1 <= len(words) <= LENGTH_MAX or not words.replace("\n", "").isprintable():
            raise Invalid(f"Write 1 to {LENGTH_MAX} visible characters.", field="text")
        note = await repository.add(
            connection, self._identity.vault, user_id=user_id, author=actor.user_id, text=words
        )  # fmt: skip
        # The words stay where they can be erased.
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action="customer.noted",
            subject=f"user:{user_id}",
            address=address,
            details={"note": str(note.id)},
        )
        return note

    async def of_customer(
        self, connection: Connection, user_id: UserId, *, before: UUID | None = None, limit: int
    ) -> Sequence[Note]:
        """Newest first."""
        return await repository.of_customer(connection, self._identity.vault, user_id, before=before, limit=limit)


def export_with(vault: Vault) -> Export:
    """What privacy gives the customer of them."""

    def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
        yield Part("notes", _rows(connection, vault, user_id))

    return export


async def _rows(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    before: UUID | None = None
    while notes := await repository.of_customer(connection, vault, user_id, before=before, limit=AT_ONCE):
        for note in notes:
            yield {"created_at": note.created_at, "text": note.text}
        before = notes[-1].id


async def erase(connection: Connection, user_id: UserId) -> None:
    """Forget the words; that there were some, stays."""
    await repository.erase(connection, user_id)
