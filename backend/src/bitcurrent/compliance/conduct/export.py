"""Conduct's part of a customer's export, and how its evidence is forgotten when the law allows it."""

from collections.abc import AsyncIterator, Iterable, Mapping

from bitcurrent.compliance.conduct import repository
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Export, Part


def export_with(vault: Vault) -> Export:
    """The room's export, reading what is encrypted with the vault."""

    def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
        yield Part("conduct", _rows(connection, vault, user_id))

    return export


async def _rows(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    async for one in repository.all_evidence(connection, vault, user_id):
        yield {
            "id": str(one.id),
            "at": one.at,
            "rules": f"{one.jurisdiction}-{one.version}",
            "step": one.step,
            "outcome": one.outcome,
            "choice": one.choice,
            "shown": one.content.shown,
            # Which answers were right stays with us: the questions are asked again.
            "answers": [{"question": each.question, "answer": each.answer} for each in one.content.answers],
            "address": one.content.address,
            "device": one.content.device,
            "text_sha256": one.text_sha256.hex(),
        }


async def erase(connection: Connection, user_id: UserId) -> None:
    """Everything that was shown and answered goes with the customer."""
    await repository.erase(connection, user_id)
