"""Cases on the wire of the back office."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from bitcurrent.backoffice.schemas import Reason
from bitcurrent.compliance.cases import model
from bitcurrent.web.schemas import Answer, Request

Summary = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=model.SUMMARY_LENGTH_MAX,
        description="What it is about, by ids and figures: no names, no addresses. Those stand in notes.",
    ),
]
Note = Annotated[
    str, msgspec.Meta(min_length=1, max_length=model.NOTE_LENGTH_MAX, description="Encrypted, and never changed.")
]


class OpenCase(Request, frozen=True, kw_only=True):
    """Open a case by hand."""

    kind: model.CaseKind = "other"
    user_id: UUID | None = None
    summary: Summary
    note: Note
    priority: model.Priority = "normal"


class AssignCase(Request, frozen=True, kw_only=True):
    """Who shall look after it; yourself when not given."""

    owner: UUID | None = None


class NoteCase(Request, frozen=True, kw_only=True):
    """Write something down."""

    text: Note


class ProposeOutcome(Request, frozen=True, kw_only=True):
    """Propose how a case ends; another person has to confirm it."""

    outcome: model.CaseOutcome
    reason: Reason


class CaseReason(Request, frozen=True, kw_only=True):
    """Why."""

    reason: Reason


class CaseAnswer(Answer, frozen=True, kw_only=True):
    """Something that people look into."""

    id: UUID
    kind: model.CaseKind
    user_id: UUID | None
    subject: str
    summary: str
    priority: model.Priority
    state: model.CaseState
    opened_at: datetime
    owner: UUID | None
    proposed_by: UUID | None
    proposed_at: datetime | None
    proposed_outcome: model.CaseOutcome | None
    closed_by: UUID | None
    closed_at: datetime | None
    outcome: model.CaseOutcome | None
    reopened_at: datetime | None
    may_confirm: bool
    """Whether the asker of this request may: not what they proposed themselves."""


class CaseEntryAnswer(Answer, frozen=True, kw_only=True):
    """One line of a case's history. Without an author it was a rule of the house."""

    at: datetime
    kind: model.EntryKind
    author: UUID | None
    text: str | None
    evidence: dict[str, Any] | None


class CaseWithHistory(Answer, frozen=True, kw_only=True):
    """A case and all that was written and found."""

    case: CaseAnswer
    history: list[CaseEntryAnswer]


def case_answer(value: model.Case, *, reader: UUID) -> CaseAnswer:
    """A case as an answer to one operator."""
    return CaseAnswer(
        id=value.id,
        kind=value.kind,
        user_id=value.user_id,
        subject=value.subject,
        summary=value.summary,
        priority=value.priority,
        state=value.state,
        opened_at=value.opened_at,
        owner=value.owner,
        proposed_by=value.proposed_by,
        proposed_at=value.proposed_at,
        proposed_outcome=value.proposed_outcome,
        closed_by=value.closed_by,
        closed_at=value.closed_at,
        outcome=value.outcome,
        reopened_at=value.reopened_at,
        may_confirm=value.state == "proposed" and value.proposed_by != reader,
    )


def entry_answer(value: model.CaseEntry) -> CaseEntryAnswer:
    """A line of history as an answer."""
    return CaseEntryAnswer(
        at=value.at,
        kind=value.kind,
        author=value.author,
        text=value.text,
        evidence=None if value.evidence is None else dict(value.evidence),
    )
