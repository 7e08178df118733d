"""Everybody's orders, the venue, acts and proofs, fees, the house's health and its money, for operators."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from bitcurrent.audit.model import Act
from bitcurrent.audit.proving_model import Proof
from bitcurrent.backoffice.schemas import Reason
from bitcurrent.trading.model import FeeRate, Order
from bitcurrent.trading.oversight_model import Schedule, VenueEvent
from bitcurrent.trading.schemas import OrderAnswer, order_answer
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request


class AdminOrder(OrderAnswer, frozen=True, kw_only=True):
    """An order with what its owner is not shown: whose, from where, and how it stands with the venue."""

    user_id: UUID
    source: str
    venue_order_id: str | None
    cancel_requested_at: datetime | None
    cancel_sent_at: datetime | None
    claimed_at: datetime | None
    unknown_since: datetime | None
    checked_at: datetime | None


class VenueEventAnswer(Answer, frozen=True, kw_only=True):
    """A message of the venue. What is neither `applied` nor `seen` waits: `flagged` for a person."""

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


class ResolveEvent(Request, frozen=True, kw_only=True):
    """What it was, and why nothing is left to do. A source and an id as the list gives them."""

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    reason: Reason


class VenueAnswer(Answer, frozen=True, kw_only=True):
    """How we stand with the venue: open orders by state, what waits, when it last told or answered something."""

    open_orders: dict[str, int]
    accepted: int
    unknown: int
    canceling: int
    flagged: int
    newest_event_at: datetime | None
    polls: dict[str, datetime]


class ActAnswer(Answer, frozen=True, kw_only=True):
    """Who did what to what, from where, why, and what it was before and after."""

    id: int
    created_at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_role: str | None
    action: str
    subject: str
    address: str | None
    reason: str | None
    details: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ProofAnswer(Answer, frozen=True, kw_only=True):
    """A verification of the whole audit log. `holds` is null until it is finished, or when it could not be done."""

    id: UUID
    asked_by: UUID | None
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    holds: bool | None
    sealed: int | None
    waiting: int | None
    first_break: str | None
    trouble: str | None


class TierWish(Request, frozen=True, kw_only=True):
    """A tier: from this 30-day volume (USD) on, these fees in hundredths of a percent."""

    volume_from: Amount
    maker_bps: Amount
    taker_bps: Amount


class AskFees(Request, frozen=True, kw_only=True):
    """A new schedule, whole, from a moment on; from its grant on without one."""

    tiers: Annotated[list[TierWish], msgspec.Meta(min_length=1, max_length=50)]
    reason: Reason
    effective_from: datetime | None = None


class TierAnswer(Answer, frozen=True, kw_only=True):
    """A tier of a schedule."""

    volume_from: Amount
    maker_bps: Amount
    taker_bps: Amount


class ScheduleAnswer(Answer, frozen=True, kw_only=True):
    """A version of the fees. It holds until the next one begins."""

    version: int
    effective_from: datetime
    created_at: datetime
    reason: str
    approval_id: UUID | None
    tiers: list[TierAnswer]


def admin_order(order: Order) -> AdminOrder:
    """An order for operators."""
    shown = order_answer(order)
    more = {
        name: getattr(order, name) for name in AdminOrder.__struct_fields__ if name not in OrderAnswer.__struct_fields__
    }
    return AdminOrder(**{name: getattr(shown, name) for name in OrderAnswer.__struct_fields__}, **more)


def event_answer(value: VenueEvent) -> VenueEventAnswer:
    """A message of the venue for operators."""
    return VenueEventAnswer(**{name: getattr(value, name) for name in VenueEventAnswer.__struct_fields__})


def act_answer(value: Act) -> ActAnswer:
    """An act for operators."""
    parts = {name: getattr(value, name) for name in ActAnswer.__struct_fields__}
    return ActAnswer(**parts)


def proof_answer(value: Proof) -> ProofAnswer:
    """A verification for operators."""
    return ProofAnswer(**{name: getattr(value, name) for name in ProofAnswer.__struct_fields__})


def schedule_answer(value: Schedule) -> ScheduleAnswer:
    """A version of the fees for operators."""
    return ScheduleAnswer(
        version=value.version,
        effective_from=value.effective_from,
        created_at=value.created_at,
        reason=value.reason,
        approval_id=value.approval_id,
        tiers=[tier_answer(tier) for tier in value.tiers],
    )


def tier_answer(tier: FeeRate) -> TierAnswer:
    """A tier for operators."""
    return TierAnswer(
        volume_from=Amount(tier.volume_from), maker_bps=Amount(tier.maker_bps), taker_bps=Amount(tier.taker_bps)
    )
