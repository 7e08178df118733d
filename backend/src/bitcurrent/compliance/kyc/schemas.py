"""KYC on the wire. Personal data goes in; what comes back is what was sent, never what others said of it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.compliance.kyc import model
from bitcurrent.compliance.limits.model import Rule
from bitcurrent.compliance.products import Product
from bitcurrent.kernel.money import plain
from bitcurrent.web.schemas import Answer, Request

_Country = Annotated[str, msgspec.Meta(max_length=300, description="ISO 3166-1 alpha-2, like DE.")]


class BeginSubmission(Request, frozen=True, kw_only=True):
    """Begin to be verified. Name, birth date and address are those of your profile."""

    level: model.AskedLevel
    nationality: _Country
    tax_residences: Annotated[list[_Country], msgspec.Meta(min_length=1, max_length=model.TAX_RESIDENCES_MAX)]


class DocumentAnswer(Answer, frozen=True, kw_only=True):
    """A document of yours. What is kept was made anew from what you sent, whose SHA-256 this is."""

    id: UUID
    purpose: model.Purpose
    media_type: model.MediaType
    bytes: int
    pages: int
    sha256: str
    created_at: datetime


class ReasonAnswer(Answer, frozen=True, kw_only=True):
    """Why something was not accepted: a stable code, and words."""

    code: model.Reason
    words: str


class SubmissionAnswer(Answer, frozen=True, kw_only=True):
    """One request to be verified. `expires_at` is when its approval ends."""

    id: UUID
    version: int
    level: model.AskedLevel
    state: model.SubmissionState
    created_at: datetime
    submitted_at: datetime | None
    decided_at: datetime | None
    expires_at: datetime | None
    reasons: list[ReasonAnswer]
    documents: list[DocumentAnswer]


class LimitAnswer(Answer, frozen=True, kw_only=True):
    """A limit that a level brings: in USD for worth, in the asset for amount, a number of times for count."""

    product: Product
    period: str
    measure: str
    asset: str | None
    maximum: str


class LevelAnswer(Answer, frozen=True, kw_only=True):
    """A level: whether you have it, what it asks for, what you still lack for it, and its limits."""

    level: model.Level
    reached: bool
    documents: list[model.Purpose]
    missing: list[str]
    limits: list[LimitAnswer]


class Verification(Answer, frozen=True, kw_only=True):
    """Where you stand."""

    level: model.Level
    levels: list[LevelAnswer]
    submissions: list[SubmissionAnswer]
    attempts_left: int
    rule_version: int


class IdentityEventTaken(Answer, frozen=True, kw_only=True):
    """The event is kept, now or since earlier."""

    received: bool = True


def document_answer(document: model.Document) -> DocumentAnswer:
    """A document as an answer."""
    return DocumentAnswer(
        id=document.id,
        purpose=document.purpose,
        media_type=document.media_type,
        bytes=document.bytes,
        pages=document.pages,
        sha256=document.sha256.hex(),
        created_at=document.created_at,
    )


def reason_answers(reasons: Sequence[model.Reason]) -> list[ReasonAnswer]:
    """Reasons in words."""
    return [ReasonAnswer(code=reason, words=model.REASONS[reason]) for reason in reasons]


def submission_answer(submission: model.Submission, documents: Sequence[model.Document]) -> SubmissionAnswer:
    """A submission as its owner sees it."""
    return SubmissionAnswer(
        id=submission.id,
        version=submission.version,
        level=submission.level,
        state=submission.state,
        created_at=submission.created_at,
        submitted_at=submission.submitted_at,
        decided_at=submission.decided_at,
        expires_at=submission.expires_at,
        reasons=reason_answers(submission.reasons),
        documents=[document_answer(document) for document in documents],
    )


def limit_answer(rule: Rule) -> LimitAnswer:
    """A rule as an answer."""
    scope = rule.scope
    return LimitAnswer(
        product=scope.product,
        period=scope.period,
        measure=scope.measure,
        asset=scope.asset,
        maximum=plain(rule.maximum or Decimal(0)),
    )
