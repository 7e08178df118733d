"""A case as a value, what is written down in it, and refusals."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.ids import UserId

CaseKind = Literal["sanctions", "monitoring", "kyc", "dispute", "reconciliation", "other"]
CASE_KINDS: Final[tuple[CaseKind, ...]] = ("sanctions", "monitoring", "kyc", "dispute", "reconciliation", "other")

CaseState = Literal["open", "proposed", "closed"]
CASE_STATES: Final[tuple[CaseState, ...]] = ("open", "proposed", "closed")

Priority = Literal["low", "normal", "high", "urgent"]
PRIORITIES: Final[tuple[Priority, ...]] = ("low", "normal", "high", "urgent")

CaseOutcome = Literal["cleared", "confirmed", "reported"]
CASE_OUTCOMES: Final[tuple[CaseOutcome, ...]] = ("cleared", "confirmed", "reported")
"""Nothing in it; it is what it looked like; that, and the authority was told."""

EntryKind = Literal["opened", "evidence", "assigned", "note", "proposed", "refused", "closed", "reopened"]
ENTRY_KINDS: Final[tuple[EntryKind, ...]] = (
    "opened", "evidence", "assigned", "note", "proposed", "refused", "closed", "reopened",
)  # fmt: skip

SUMMARY_LENGTH_MAX: Final = 300
NOTE_LENGTH_MAX: Final = 5_000
EVIDENCE_BYTES_MAX: Final = 64_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something to look into. `summary` holds ids and figures, never personal data: that stands in the evidence."""

    id: UUID
    kind: CaseKind
    user_id: UserId | None
    subject: str
    summary: str
    priority: Priority
    dedupe_key: str
    state: CaseState
    opened_at: datetime
    owner: UserId | None = None
    proposed_by: UserId | None = None
    proposed_at: datetime | None = None
    proposed_outcome: CaseOutcome | None = None
    closed_by: UserId | None = None
    closed_at: datetime | None = None
    outcome: CaseOutcome | None = None
    reopened_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEntry:
    """One line of a case's history. `text` and `evidence` are encrypted at rest; both None once they were erased."""

    id: UUID
    case_id: UUID
    at: datetime
    kind: EntryKind
    author: UserId | None
    text: str | None
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases to list. `before` is the keyset: the id of the last one seen."""

    kind: CaseKind | None = None
    state: CaseState | None = None
    priority: Priority | None = None
    user_id: UUID | None = None
    owner: UUID | None = None
    subject: str | None = None
    before: UUID | None = None
    limit: int = 50


CaseHandler = Callable[[Any, Case, UserId], Awaitable[None]]
"""What follows from a case's end (or its being opened again): connection, the case as it is now, who did it.

Raising undoes the end.
"""


class CaseNotFound(NotFound):
    """No case has this id."""

    code = "case_not_found"

    def __init__(self) -> None:
        super().__init__("There is no case with this id.")


class CaseClosed(Conflict):
    """It has ended; it can be opened again, with a reason."""

    code = "case_closed"

    def __init__(self) -> None:
        super().__init__("This case is closed. Open it again first.")


class CaseNotClosed(Conflict):
    """It is still being looked into."""

    code = "case_not_closed"

    def __init__(self, state: CaseState) -> None:
        super().__init__(f"This case is {state}: there is nothing to open again.", details={"state": state})


class CaseProposed(Conflict):
    """An outcome waits for the second person."""

    code = "case_proposed"

    def __init__(self) -> None:
        super().__init__("An outcome is proposed already and waits for another person: refuse that first.")


def read_text(text: str, *, field: str, length_max: int) -> str:
    """What somebody wrote, with its lines; raises Invalid when there is nothing or too much of it."""
    plain = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    if not 1 <= len(plain) <= length_max or not plain.replace("\n", "").isprintable():
        raise Invalid(f"Write 1 to {length_max} visible characters.", field=field, details={"maximum": str(length_max)})
    return plain
