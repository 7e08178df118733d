"""The KYC queue on the wire: submissions without personal data, and one with all of it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from bitcurrent.backoffice.schemas import ApprovalAnswer, Reason
from bitcurrent.compliance.kyc import model
from bitcurrent.compliance.kyc import schemas as kyc
from bitcurrent.identity.privacy import schemas as privacy
from bitcurrent.identity.privacy.model import KeptProfile
from bitcurrent.web.schemas import Answer, Request


class ApproveSubmission(Request, frozen=True, kw_only=True):
    """Say that the customer is who they say, and what that rests on."""

    reason: Reason


class RefuseSubmission(Request, frozen=True, kw_only=True):
    """Reject it for good, or ask for more; the customer is told the reasons in our words."""

    outcome: Literal["rejected", "needs_more"]
    reasons: Annotated[list[model.Reason], msgspec.Meta(min_length=1, max_length=len(model.REASONS))]


class AskRecheck(Request, frozen=True, kw_only=True):
    """Have a customer verify again."""

    reason: Reason


class OperatorsSubmission(Answer, frozen=True, kw_only=True):
    """A submission as operators see it in the queue."""

    id: UUID
    user_id: UUID
    version: int
    level: model.AskedLevel
    state: model.SubmissionState
    origin: model.Origin
    rule_version: int
    submitted_at: datetime | None
    rail: model.RailName | None
    flags: list[model.Flag]
    checker: model.Checker | None
    decided_at: datetime | None
    decided_by: UUID | None
    confirmed_by: UUID | None
    reasons: list[model.Reason]
    expires_at: datetime | None


class OperatorsDocument(Answer, frozen=True, kw_only=True):
    """A document; its content is seen through a link that works once."""

    id: UUID
    purpose: model.Purpose
    media_type: model.MediaType
    bytes: int
    pages: int
    sha256: str
    clean_sha256: str
    created_at: datetime


class ClaimedPerson(Answer, frozen=True, kw_only=True):
    """Who the customer says to be, as it was sent in; nothing of it once it was erased."""

    legal_name: str
    birth_date: date
    address: privacy.Address
    documents: list[privacy.Document]
    nationality: str
    tax_residences: list[str]


class WholeSubmission(Answer, frozen=True, kw_only=True):
    """One submission with what it says of the person, its documents, and what it was decided on."""

    submission: OperatorsSubmission
    person: ClaimedPerson | None
    documents: list[OperatorsDocument]
    evidence: dict[str, Any]


class Decision(Answer, frozen=True, kw_only=True):
    """The submission as it is now, and the approval that another person has to grant, where it takes two."""

    submission: OperatorsSubmission
    approval: ApprovalAnswer | None


class DocumentLink(Answer, frozen=True, kw_only=True):
    """A link that works once, until then, for whoever asked for it."""

    url: str
    expires_at: datetime


def submission_answer(submission: model.Submission) -> OperatorsSubmission:
    """A submission in the queue."""
    return OperatorsSubmission(
        id=submission.id,
        user_id=submission.user_id,
        version=submission.version,
        level=submission.level,
        state=submission.state,
        origin=submission.origin,
        rule_version=submission.rule_version,
        submitted_at=submission.submitted_at,
        rail=submission.rail,
        flags=list(submission.flags),
        checker=submission.checker,
        decided_at=submission.decided_at,
        decided_by=submission.decided_by,
        confirmed_by=submission.confirmed_by,
        reasons=list(submission.reasons),
        expires_at=submission.expires_at,
    )


def whole_answer(
    submission: model.Submission, claims: model.Claims, documents: Sequence[model.Document]
) -> WholeSubmission:
    """One submission with everything."""
    return WholeSubmission(
        submission=submission_answer(submission),
        person=_person(claims, submission),
        documents=[
            OperatorsDocument(**msgspec.structs.asdict(kyc.document_answer(each)), clean_sha256=each.clean_sha256.hex())
            for each in documents
        ],
        evidence=dict(submission.evidence),
    )


def _person(claims: model.Claims, submission: model.Submission) -> ClaimedPerson | None:
    if claims.profile is None or claims.declaration is None:
        return None
    shown = privacy.profile(KeptProfile(profile=claims.profile, updated_at=submission.created_at))
    return ClaimedPerson(
        legal_name=shown.legal_name,
        birth_date=shown.birth_date,
        address=shown.address,
        documents=shown.documents,
        nationality=claims.declaration.nationality,
        tax_residences=list(claims.declaration.tax_residences),
    )
