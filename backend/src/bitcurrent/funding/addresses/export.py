"""The address book's part of an export, and of an erasure."""

from collections.abc import AsyncIterator, Iterable, Mapping

from bitcurrent.funding.addresses import repository
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Export, Part

_SEALED = {"data_key", "address", "label", "beneficiary"}


def export_with(vault: Vault) -> Export:
    """The export, reading what is encrypted with the vault."""

    def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
        yield Part("withdrawal_addresses", _addresses(connection, vault, user_id))

    return export


async def erase(connection: Connection, user_id: UserId) -> None:
    """Nobody reads these addresses, labels and receivers again; evidence of transfers stays, as the law asks."""
    await repository.erase_addresses(connection, user_id)


async def _addresses(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    async for row in repository.address_rows(connection, user_id):
        open_parts = {name: value for name, value in row.items() if name not in _SEALED}
        yield {**open_parts, **repository.open_row(vault, row)}
