"""The books at a glance: what is owed to customers, what the house's accounts say, and what moved day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bitcurrent.kernel.database import Connection
from bitcurrent.ledger import overview_repository as repository


@dataclass(frozen=True, slots=True)
class Owed:
    """What all customers together have of an asset."""

    currency: str
    available: Decimal
    held: Decimal
    customers: int


@dataclass(frozen=True, slots=True)
class HouseBalance:
    """What a house account says. What lies outside is below zero."""

    account: str
    currency: str
    balance: Decimal


@dataclass(frozen=True, slots=True)
class DayMove:
    """What journals of one kind moved customers' balances by on one day (UTC), of one asset; `count` journals."""

    day: str
    kind: str
    currency: str
    amount: Decimal
    count: int


async def owed_by_asset(connection: Connection) -> Sequence[Owed]:
    """What is owed to customers, by asset."""
    return [Owed(**dict(row)) for row in await repository.owed_by_asset(connection)]


async def house_balances(connection: Connection) -> Sequence[HouseBalance]:
    """The house's accounts that are not empty."""
    return [HouseBalance(**dict(row)) for row in await repository.house_balances(connection)]


async def customers_moved_by_day(connection: Connection, kinds: Sequence[str], *, days: int) -> Sequence[DayMove]:
    """What journals of these kinds moved customers' balances by, day by day."""
    return [DayMove(**dict(row)) for row in await repository.customers_moved_by_day(connection, kinds, days)]


async def fees_by_day(connection: Connection, *, days: int) -> Sequence[DayMove]:
    """What the house's fees account took and gave back, day by day."""
    return [DayMove(**dict(row)) for row in await repository.fees_by_day(connection, days)]
