"""Bank accounts' part of an export, and of an erasure."""

from collections.abc import AsyncIterator, Iterable, Mapping

import msgspec

from bitcurrent.funding.bank_accounts import repository
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Export, Part


def export_with(vault: Vault) -> Export:
    """The export, reading what is encrypted with the vault."""

    def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
        yield Part("bank_accounts", _accounts(connection, vault, user_id))

    return export


async def erase(connection: Connection, user_id: UserId) -> None:
    """Nobody reads these accounts again; what the bank's own files say stays with the bank."""
    await repository.erase_accounts(connection, user_id)


async def _accounts(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    async for row in repository.account_rows(connection, user_id):
        shown = {name: value for name, value in row.items() if name not in {"data_key", "details"}}
        if row["data_key"] is not None:
            opened = vault.open_record(row["data_key"], table="bank_accounts", row=row["id"])  # type: ignore[arg-type]  # rows are untyped
            details = msgspec.json.decode(opened.decrypt(row["details"], column="details"), type=dict[str, object])  # type: ignore[arg-type]  # the same
            shown |= {name: details[name] for name in ("holder", "account", "bank")}
        yield shown
