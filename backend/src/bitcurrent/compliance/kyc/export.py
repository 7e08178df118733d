"""KYC's part of an export, and of an erasure."""

from collections.abc import AsyncIterator, Iterable, Mapping

import msgspec

from bitcurrent.compliance.kyc import documents_repository as files
from bitcurrent.compliance.kyc import repository
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Export, Part

_SEALED = {"data_key", "declaration", "profile"}


def export_with(vault: Vault) -> Export:
    """The export, reading what is encrypted with the vault."""

    def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
        yield Part("verifications", _submissions(connection, vault, user_id))
        yield Part("verification_documents", files.document_rows(connection, user_id))

    return export


async def erase(connection: Connection, user_id: UserId) -> None:
    """Documents and what submissions say of the person go; that they were decided, by whom and by what rule, stays."""
    await repository.forget_claims(connection, user_id)
    await files.erase_documents(connection, user_id)


async def _submissions(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    async for row in repository.submission_rows(connection, user_id):
        shown = {name: value for name, value in row.items() if name not in _SEALED}
        claims = repository.open_claims(vault, row)
        yield {
            **shown,
            "declaration": msgspec.to_builtins(claims.declaration),
            "profile": msgspec.to_builtins(claims.profile),
        }
