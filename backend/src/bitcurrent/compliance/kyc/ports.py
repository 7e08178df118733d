"""What KYC needs from outside: somebody who checks identities."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from bitcurrent.compliance.kyc.model import AskedLevel, MediaType, Purpose, Reason
from bitcurrent.identity.privacy.model import Profile

CheckStatus = Literal["waiting", "pending", "approved", "rejected", "needs_more", "unsure"]
"""Waiting for what belongs to it, being looked at; decided; or given back to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Whom to check. `reference` is ours: starting a check twice for one reference has one effect."""

    reference: UUID
    level: AskedLevel
    nationality: str = field(repr=False)
    profile: Profile = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A document for the check, as it is kept."""

    purpose: Purpose
    media_type: MediaType
    sha256: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check as the provider tells it. An answer that we do not know is `pending`: it never approves."""

    id: str
    reference: UUID
    status: CheckStatus
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityEvent:
    """A webhook whose signature fits: something happened to a check. What, the provider is asked."""

    id: str
    check_id: str
    reference: UUID
    created_at: datetime


class IdentityTrouble(Exception):
    """The provider did not answer, or not so that it can be understood: whatever was asked is unknown."""


class IdentityRefused(Exception):
    """The provider does not take this check at all: people decide."""


class ForgedIdentityEvent(Exception):
    """No signature fits the body, or the body is no event."""


class StaleIdentityEvent(Exception):
    """Signed too long ago, or in the future."""


class IdentityCheck(Protocol):
    """A provider that checks identities."""

    @property
    def configured(self) -> bool:
        """Whether there is one; otherwise every check is manual."""
        ...

    async def find(self, reference: UUID) -> Check | None:
        """The check of this reference; None when the provider has none. Raises IdentityTrouble."""
        ...

    async def start(self, applicant: Applicant, documents: Sequence[Evidence]) -> Check:
        """Start a check, or go on with one that was begun. Raises IdentityTrouble, IdentityRefused."""
        ...

    def verified_event(self, *, body: bytes, signature: str, now: datetime) -> IdentityEvent:
        """The event of a webhook; raises ForgedIdentityEvent, StaleIdentityEvent."""
        ...
