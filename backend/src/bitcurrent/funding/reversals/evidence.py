"""What refunds and disputes say to whoever compares the books with the processor."""

from collections.abc import Sequence

from bitcurrent.funding.reversals import evidence_repository as repository
from bitcurrent.kernel.database import Connection

Journals = tuple[str, tuple[str, ...]]
"""The name of a group of journals that belong together, and their references."""


async def refund_references(connection: Connection, refunds: Sequence[str]) -> dict[str, Journals]:
    """The journals of refunds, by the processor's ids. Those that a withdrawal asked for are that withdrawal's."""
    found: dict[str, Journals] = {}
    for refund, refund_id, withdrawal_id in await repository.find_refunds(connection, refunds):
        if withdrawal_id is not None:
            key = f"withdrawal:{withdrawal_id}"
            found[refund] = (key, (key, f"withdrawal_return:{withdrawal_id}"))
        else:
            key = f"refund:{refund_id}"
            found[refund] = (key, (key, f"refund_failed:{refund_id}"))
    return found


async def dispute_references(connection: Connection, disputes: Sequence[str]) -> dict[str, Journals]:
    """The journals of disputes, by the processor's ids."""
    return {
        dispute: (f"dispute:{dispute}", tuple(f"dispute:{dispute}:{step}" for step in range(1, steps + 1)))
        for dispute, steps in await repository.find_disputes(connection, disputes)
    }


def key_of(reference: str) -> str:
    """The name of the group that a journal belongs to."""
    name, _, rest = reference.partition(":")
    if name == "refund_failed":
        return f"refund:{rest}"
    if name == "withdrawal_return":
        return f"withdrawal:{rest}"
    if name == "dispute":
        return f"dispute:{rest.rpartition(':')[0]}"
    return reference
