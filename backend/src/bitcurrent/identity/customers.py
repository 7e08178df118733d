"""Customers as operators look them up: by what is unique to them, and masked until somebody says why not."""

from collections.abc import Sequence
from datetime import datetime

from bitcurrent.identity import customers_repository as repository
from bitcurrent.identity.customers_model import CustomerFilter, KeptKey, KeptSession
from bitcurrent.identity.model import ERASED, User, normalise_email
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

HIDDEN = "•••"


async def search(connection: Connection, identity: Identity, which: CustomerFilter) -> Sequence[User]:
    """Customers, newest first."""
    return await repository.search(connection, identity.vault, which)


async def find_by_email(connection: Connection, identity: Identity, email: str) -> UserId | None:
    """Whose e-mail address this is, exactly; raises Invalid for what is none."""
    return await repository.find_by_email(connection, identity.vault, normalise_email(email))


async def sessions_of(connection: Connection, user_id: UserId, *, limit: int) -> Sequence[KeptSession]:
    """The newest logins, past ones too."""
    return await repository.sessions_of(connection, user_id, limit=limit)


async def keys_of(connection: Connection, user_id: UserId, *, limit: int) -> Sequence[KeptKey]:
    """The newest API keys, past ones too."""
    return await repository.keys_of(connection, user_id, limit=limit)


async def count_devices(connection: Connection, user_id: UserId) -> tuple[int, datetime | None]:
    """How many devices are known, and when the newest was first seen."""
    return await repository.count_devices(connection, user_id)


def masked(text: str) -> str:
    """The beginning of each word, enough to recognise what one knows already: "A••• C•••"."""
    if text == ERASED:
        return text
    return " ".join(f"{word[0]}{HIDDEN}" for word in text.split())


def masked_email(email: str) -> str:
    """The first letter and the domain: "a•••@example.com"."""
    name, at, domain = email.rpartition("@")
    return f"{name[:1]}{HIDDEN}@{domain}" if at else masked(email)
