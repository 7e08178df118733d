"""Everybody's orders, the venue's messages and the schedules of fees, as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bitcurrent.trading.model import FeeRate


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOrderFilter:
    """Which orders of anybody's, newest first. `before` is the keyset: the id of the last one seen."""

    user_id: UUID | None = None
    market: str | None = None
    states: Sequence[str] | None = None
    open_only: bool | None = None
    stuck: bool | None = None
    venue_order_id: str | None = None
    after: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueEvent:
    """A message of the venue as it was stored, and what became of it."""

    source: str
    event_id: str
    received_at: datetime
    kind: str
    payload: dict[str, Any]
    outcome: str
    applied_at: datetime | None
    resolved_by: UUID | None
    resolved_at: datetime | None
    resolution: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A version of the fees, and from when on it holds."""

    version: int
    effective_from: datetime
    created_at: datetime
    reason: str
    approval_id: UUID | None
    tiers: tuple[FeeRate, ...]
