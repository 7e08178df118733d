"""What withdrawals say to whoever compares the books with the outside."""

from collections.abc import Mapping
from decimal import Decimal

from bitcurrent.funding.withdrawals import evidence_repository as repository
from bitcurrent.funding.withdrawals.model import RailName
from bitcurrent.kernel.database import Connection


async def journal_of(connection: Connection, rail: RailName, reference: str) -> str | None:
    """The reference of the journal that pays the withdrawal which a rail knows by this name; None without one.

    It is posted when the withdrawal has settled, so it need not be there yet.
    """
    found = await repository.find_by_reference(connection, rail, reference)
    return None if found is None else f"withdrawal:{found}"


async def under_way(connection: Connection, rail: RailName) -> Mapping[str, Decimal]:
    """What a rail may have paid already while the books still hold it, by asset."""
    return await repository.sum_under_way(connection, rail)
