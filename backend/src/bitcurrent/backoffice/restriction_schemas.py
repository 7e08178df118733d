"""Restrictions, notes and adjustments on the wire of the back office."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.backoffice.adjustments.model import Adjustment
from bitcurrent.backoffice.notes.model import Note
from bitcurrent.backoffice.schemas import ApprovalAnswer, Reason
from bitcurrent.compliance.restrictions.model import Restriction, Scope
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request


class Restrict(Request, frozen=True, kw_only=True):
    """Take something from a customer for now. `words` are what the customer reads; `reason` they never see."""

    scope: Scope
    reason: Reason
    words: Annotated[str, msgspec.Meta(max_length=1_000)] | None = None


class Lift(Request, frozen=True, kw_only=True):
    """Why it is given back."""

    reason: Reason


class RestrictionAnswer(Answer, frozen=True, kw_only=True):
    """What a customer may not do for now, since when, and why."""

    id: UUID
    user_id: UUID
    scope: Scope
    code: str
    words: str
    reason: str
    case_id: UUID | None
    started_by: UUID | None
    started_at: datetime
    ended_by: UUID | None
    ended_at: datetime | None
    end_reason: str | None


class LiftAnswer(Answer, frozen=True, kw_only=True):
    """Either it is lifted, or somebody else has to grant it first."""

    restriction: RestrictionAnswer | None
    approval: ApprovalAnswer | None


class AddNote(Request, frozen=True, kw_only=True):
    """A note about a customer. It cannot be changed, and the customer can have it exported."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=5_000)]


class NoteAnswer(Answer, frozen=True, kw_only=True):
    """What an operator wrote; `text` is null once it was erased."""

    id: UUID
    user_id: UUID
    author: UUID
    created_at: datetime
    text: str | None


class AskAdjustment(Request, frozen=True, kw_only=True):
    """Give a customer money (above zero) or take it (below). `evidence`: a case, a ticket, a deposit."""

    user_id: UUID
    currency: Annotated[str, msgspec.Meta(min_length=2, max_length=20)]
    amount: Amount
    reason: Reason
    evidence: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class AdjustmentAnswer(Answer, frozen=True, kw_only=True):
    """What two operators gave a customer, or took."""

    id: UUID
    user_id: UUID
    currency: str
    amount: Amount
    reason: str
    evidence: str
    approval_id: UUID
    asked_by: UUID
    granted_by: UUID
    created_at: datetime


def restriction_answer(value: Restriction) -> RestrictionAnswer:
    """A restriction for operators."""
    return RestrictionAnswer(**{name: getattr(value, name) for name in RestrictionAnswer.__struct_fields__})


def note_answer(value: Note) -> NoteAnswer:
    """A note for operators."""
    return NoteAnswer(**{name: getattr(value, name) for name in NoteAnswer.__struct_fields__})


def adjustment_answer(value: Adjustment) -> AdjustmentAnswer:
    """An adjustment for operators."""
    parts = {name: getattr(value, name) for name in AdjustmentAnswer.__struct_fields__}
    return AdjustmentAnswer(**{**parts, "amount": Amount(value.amount)})
