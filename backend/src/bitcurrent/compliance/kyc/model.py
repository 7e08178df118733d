"""Submissions and documents as values, what each level asks for, which states follow which, and refusals. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args
from uuid import UUID

from bitcurrent.identity.privacy.model import COUNTRIES, Profile
from bitcurrent.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from bitcurrent.kernel.ids import UserId

Level = Literal["none", "basic", "full"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
AskedLevel = Literal["basic", "full"]
SubmissionState = Literal["draft", "submitted", "checking", "needs_more", "approved", "rejected", "expired"]
STATES: Final[tuple[SubmissionState, ...]] = get_args(SubmissionState)
TRANSITIONS: Final[frozenset[tuple[SubmissionState, SubmissionState]]] = frozenset(
    {
        ("draft", "submitted"), ("draft", "expired"),
        ("submitted", "checking"), ("submitted", "needs_more"), ("submitted", "approved"), ("submitted", "rejected"),
        ("checking", "needs_more"), ("checking", "approved"), ("checking", "rejected"),
        ("approved", "expired"),
    }
)  # fmt: skip
"""Every way that a submission may go; the database refuses all others too."""
OPEN: Final[frozenset[SubmissionState]] = frozenset({"draft", "submitted", "checking"})
UNDECIDED: Final[frozenset[SubmissionState]] = frozenset({"submitted", "checking"})

Origin = Literal["customer", "recheck", "demo"]
RailName = Literal["manual", "provider"]
Checker = Literal["operator", "provider", "demo"]
Outcome = Literal["approved", "rejected", "needs_more"]

Purpose = Literal["identity_front", "identity_back", "selfie", "proof_of_address"]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
MediaType = Literal["image/jpeg", "image/png", "application/pdf"]

DOCUMENT_BYTES_MAX: Final = 10_000_000
DOCUMENTS_MAX: Final = 8
"""Of one submission: both sides twice, and some more."""
TAX_RESIDENCES_MAX: Final = 5

Reason = Literal[
    "document_unreadable",
    "document_expired",
    "document_cut_off",
    "document_not_accepted",
    "document_not_genuine",
    "document_missing",
    "name_differs",
    "birth_date_differs",
    "selfie_differs",
    "address_differs",
    "address_too_old",
    "profile_changed",
    "underage",
    "not_verified",
]
REASONS: Final[Mapping[Reason, str]] = {
    "document_unreadable": "We could not read the document. Take the picture in daylight, without glare.",
    "document_expired": "The document is no longer valid. Send one that is.",
    "document_cut_off": "A part of the document is missing in the picture. Show all four corners.",
    "document_not_accepted": "We cannot accept this kind of document. Send a passport, identity card or licence.",
    "document_not_genuine": "We could not confirm that the document is genuine.",
    "document_missing": "Something that we need is missing. Send the other side of the document too.",
    "name_differs": "The name on the document is not the one in your profile.",
    "birth_date_differs": "The birth date on the document is not the one in your profile.",
    "selfie_differs": "We could not match your picture with the document. Take a new one, facing the camera.",
    "address_differs": "The address on the proof of address is not the one in your profile.",
    "address_too_old": "The proof of address is older than three months. Send a newer one.",
    "profile_changed": "Your profile was changed while we were checking it. Send your verification again.",
    "underage": "Customers are 18 or older.",
    "not_verified": "We could not verify your identity with what you sent.",
}
"""Why somebody was not verified, in the words that the customer reads."""

Flag = Literal[
    "document_used_by_another", "recheck", "provider_unsure", "provider_silent", "not_screened", "screening_open"
]
FLAGS: Final[tuple[Flag, ...]] = get_args(Flag)
"""What makes people look twice: a flagged submission for the level `full` is approved by two of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One version of what the levels ask for and how long an approval holds. Versions are added, never changed."""

    version: int
    documents: Mapping[AskedLevel, frozenset[Purpose]]
    valid: Mapping[AskedLevel, timedelta | None]
    """How long an approval holds; None for good."""
    warnings: tuple[int, ...]
    """So many days before the end the customer is told."""
    attempts: int
    """Submissions that a customer may make in `attempts_window`."""
    attempts_window: timedelta
    draft_kept: timedelta
    recheck_grace: timedelta
    """How long a customer has when asked to verify again, before the level falls."""


RULES: Final[Mapping[int, Rules]] = {
    1: Rules(
        version=1,
        documents={
            "basic": frozenset(),
            "full": frozenset({"identity_front", "selfie", "proof_of_address"}),
        },
        valid={"basic": None, "full": timedelta(days=730)},
        warnings=(30, 7, 1),
        attempts=5,
        attempts_window=timedelta(days=30),
        draft_kept=timedelta(days=30),
        recheck_grace=timedelta(days=30),
    )
}
CURRENT: Final = RULES[max(RULES)]
"""The rules of today."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Declaration:
    """What a customer declares beside the profile. Prints nothing of it."""

    nationality: str
    tax_residences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One request to be verified, without its personal data. Versions of one customer count up from 1."""

    id: UUID
    user_id: UserId
    version: int
    level: AskedLevel
    state: SubmissionState
    origin: Origin
    rule_version: int
    created_at: datetime
    submitted_at: datetime | None = None
    rail: RailName | None = None
    check_id: str | None = None
    attempts: int = 0
    flags: Sequence[Flag] = ()
    checker: Checker | None = None
    decided_at: datetime | None = None
    decided_by: UserId | None = None
    confirmed_by: UserId | None = None
    reasons: Sequence[Reason] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    falls_to: Level = "none"
    warned: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a submission says of a person, as it was when it was sent in. Prints nothing of it."""

    declaration: Declaration | None = field(repr=False)
    profile: Profile | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that was uploaded, without its content. `sha256` is of what came, `clean_sha256` of what is kept."""

    id: UUID
    user_id: UserId
    purpose: Purpose
    media_type: MediaType
    sha256: bytes
    clean_sha256: bytes
    bytes: int
    pages: int
    pieces: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFilter:
    """Which submissions an operator lists. `after` is the keyset: (submitted_at, id) of the last one seen."""

    states: Sequence[SubmissionState] | None = None
    level: AskedLevel | None = None
    flagged: bool | None = None
    user_id: UUID | None = None
    after: tuple[datetime, UUID] | None = None
    limit: int = 50


class SubmissionNotFound(NotFound):
    """No submission has this id, or it is another customer's."""

    code = "kyc_submission_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such submission.")


class DocumentNotFound(NotFound):
    """No document has this id, or it is another customer's."""

    code = "kyc_document_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such document.")


class LinkEnded(NotFound):
    """Used already, over, somebody else's, or never made; all look the same."""

    code = "document_link_ended"

    def __init__(self) -> None:
        super().__init__("This link works once, for a minute, for whoever asked for it. Ask for a new one.")


class SubmissionOpen(Conflict):
    """One at a time."""

    code = "kyc_submission_open"

    def __init__(self, state: SubmissionState) -> None:
        super().__init__(f"A submission of yours is {state} already. Finish that one first.", details={"state": state})


class WrongState(Conflict):
    """The submission is not where this can be done."""

    code = "kyc_wrong_state"

    def __init__(self, state: SubmissionState) -> None:
        super().__init__(f"This submission is {state}: that cannot be done now.", details={"state": state})


class LevelReached(Conflict):
    """There is nothing to gain."""

    code = "kyc_level_reached"

    def __init__(self, level: Level) -> None:
        super().__init__(f"You are verified up to the level '{level}' already.", details={"level": level})


class Incomplete(Conflict):
    """What the level asks for is not all there; `details` says what is missing."""

    code = "kyc_incomplete"

    def __init__(self, missing: Sequence[str]) -> None:
        names = ", ".join(missing)
        super().__init__(f"This is missing: {names}. Nothing was sent in.", details={"missing": ",".join(missing)})


class TooManyAttempts(Conflict):
    """Tried too often in a short time."""

    code = "kyc_too_many_attempts"

    def __init__(self, maximum: int, days: int) -> None:
        super().__init__(
            f"At most {maximum} submissions in {days} days. Write to our support if you need help.",
            details={"maximum": str(maximum), "days": str(days)},
        )


class TooManyDocuments(Conflict):
    """More than anybody needs."""

    code = "kyc_too_many_documents"

    def __init__(self) -> None:
        super().__init__(
            f"At most {DOCUMENTS_MAX} documents. Delete one of them first.", details={"maximum": str(DOCUMENTS_MAX)}
        )


class ProfileChanged(Conflict):
    """What was sent in is not what the profile says by now."""

    code = "kyc_profile_changed"

    def __init__(self) -> None:
        super().__init__("The customer's profile was changed after this was sent in. Ask for a new submission.")


class NothingToRecheck(Conflict):
    """Nobody can be asked to do again what was never done."""

    code = "kyc_nothing_to_recheck"

    def __init__(self) -> None:
        super().__init__("This customer has no approval that could be asked for again.")


class BadDocument(Invalid):
    """The file cannot be taken; `code` and words say why."""

    code = "document_refused"
    title = "Document refused"

    def __init__(self, why: str, message: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{message} Nothing was kept.", field="body", details={"why": why, **(details or {})})


class CleanersBusy(Unavailable):
    """Too many documents at once."""

    code = "documents_busy"

    def __init__(self) -> None:
        super().__init__("Too many documents are being looked at. Send this one again in a moment.")


def allowed(before: SubmissionState, after: SubmissionState) -> bool:
    """Whether a submission may go from one state to the other."""
    return (before, after) in TRANSITIONS


def is_at_least(reached: Level, wanted: Level) -> bool:
    """Whether a level is that one or above."""
    return LEVELS.index(reached) >= LEVELS.index(wanted)


def highest(levels: Sequence[Level]) -> Level:
    """The highest of some levels; none without any."""
    return max(levels, key=LEVELS.index, default="none")


def missing_for(level: AskedLevel, *, has_profile: bool, purposes: Sequence[Purpose], rules: Rules) -> list[str]:
    """What a submission for this level still needs, in the order in which people send it."""
    wanted = rules.documents[level] - set(purposes)
    return [*(() if has_profile else ("profile",)), *(purpose for purpose in PURPOSES if purpose in wanted)]


def needs_four_eyes(submission: Submission) -> bool:
    """Whether its approval takes two people."""
    return submission.level == "full" and bool(submission.flags)


def may_be_approved_by_machine(submission: Submission) -> bool:
    """Whether a provider's yes is enough: nothing about it made anybody wonder."""
    return not submission.flags


def due_warning(rules: Rules, *, expires_at: datetime, moment: datetime, warned: int | None) -> int | None:
    """The warning that is due now, in days before the end; None when there is none, or it was given."""
    left = expires_at - moment
    due = [days for days in rules.warnings if left <= timedelta(days=days)]
    return min(due) if due and (warned is None or min(due) < warned) else None


def checked_declaration(nationality: str, tax_residences: Sequence[str]) -> Declaration:
    """The declaration as it is stored; raises Invalid."""
    if not 1 <= len(tax_residences) <= TAX_RESIDENCES_MAX:
        raise Invalid(
            f"Name 1 to {TAX_RESIDENCES_MAX} countries where you pay tax.",
            field="tax_residences",
            details={"maximum": str(TAX_RESIDENCES_MAX)},
        )
    homes = tuple(dict.fromkeys(_country(each, "tax_residences") for each in tax_residences))
    return Declaration(nationality=_country(nationality, "nationality"), tax_residences=homes)


def read_reasons(outcome: Outcome, reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """The reasons, each once; raises Invalid unless a no has some and a yes has none."""
    if (outcome == "approved") == bool(reasons):
        raise Invalid("A refusal needs reasons for the customer; an approval has none.", field="reasons")
    return tuple(dict.fromkeys(reasons))


def _country(text: str, where: str) -> str:
    country = text.strip().upper()
    if country not in COUNTRIES:
        raise Invalid("A country is named by its two letters, like DE.", field=where)
    return country
