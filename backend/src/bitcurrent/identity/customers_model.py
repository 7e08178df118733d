"""Customers as operators look them up."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFilter:
    """Which customers to list, newest account first. `before` is the keyset: the id of the last one seen."""

    ids: tuple[UUID, ...] | None = None
    status: str | None = None
    kyc_level: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None
    limit: int = 50

    def among(self, ids: tuple[UUID, ...] | None) -> "CustomerFilter":
        """The same, of these customers only; None leaves it as it is."""
        return self if ids is None else replace(self, ids=ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSession:
    """A login of a customer's, past or present."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_seen_at: datetime
    address: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptKey:
    """An API key of a customer's, without its secret."""

    key_id: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
