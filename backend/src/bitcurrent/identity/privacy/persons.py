"""Who customers are in law, for rooms that have to compare them with lists of names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from bitcurrent.identity import repository as people
from bitcurrent.identity.privacy import repository
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A name with what tells people of that name apart. Prints nothing of it."""

    name: str = field(repr=False)
    birth_date: date | None = field(repr=False)
    country: str | None = field(repr=False)


async def person_of(connection: Connection, vault: Vault, user_id: UserId) -> Person | None:
    """A customer as the profile has them, or by the name that they gave themselves; None for nobody."""
    kept = await repository.find_profile(connection, vault, user_id)
    if kept is not None:
        profile = kept.profile
        return Person(name=profile.legal_name, birth_date=profile.birth_date, country=profile.address.country)
    user = await people.find_user(connection, vault, user_id)
    return Person(name=user.display_name, birth_date=None, country=None) if user else None


async def customers_after(connection: Connection, after: UserId | None, *, limit: int) -> Sequence[UserId]:
    """Customers who have a profile, in the order of their ids, behind one of them."""
    return await repository.users_after(connection, after, limit)


async def customers_changed_since(
    connection: Connection, since: datetime, *, limit: int
) -> Sequence[tuple[UserId, datetime]]:
    """Customers whose profile has changed since a moment and when, the first change first."""
    return await repository.users_changed_since(connection, since, limit)
