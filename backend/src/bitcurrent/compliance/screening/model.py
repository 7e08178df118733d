"""Whom we screen, what the lists say, how a score comes about, and what it means. Pure values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from bitcurrent.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from bitcurrent.kernel.ids import UserId

Source = Literal["ofac", "uk", "demo"]
SOURCES: Final[tuple[Source, ...]] = ("ofac", "uk", "demo")

EntryKind = Literal["individual", "entity", "vessel", "aircraft"]
ENTRY_KINDS: Final[tuple[EntryKind, ...]] = ("individual", "entity", "vessel", "aircraft")
Quality = Literal["primary", "alias", "weak"]

Outcome = Literal["clear", "review", "block"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("clear", "review", "block")

Occasion = Literal["kyc", "name_change", "withdrawal", "beneficiary", "list_change", "by_hand"]
OCCASIONS: Final[tuple[Occasion, ...]] = ("kyc", "name_change", "withdrawal", "beneficiary", "list_change", "by_hand")

Role = Literal["customer", "beneficiary"]


class ListedName(msgspec.Struct, frozen=True):
    """One name of somebody who is listed."""

    text: str
    quality: Quality = "primary"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of one person, company or ship. `key` is the list's own number.

    Births are "1970-05-01", "1970-05", "1970", or "1968..1972" where the list does not know better.
    """

    key: str
    kind: EntryKind
    names: tuple[ListedName, ...]
    births: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A listed one as it stands in our books: a change of the list makes a new one with another id."""

    id: UUID
    source: Source
    listed: Listed


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Subject:
    """Who is to be screened. Prints nothing of it."""

    name: str
    birth_date: date | None = None
    country: str | None = None
    role: Role = "customer"
    company: bool = False


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The thresholds of one version: points from 0 to 100."""

    review_from: int = 80
    """From here on it looks like the listed one: people look at it, and nothing is paid out until then."""
    same_day: int = 8
    same_month: int = 5
    same_year: int = 3
    year_beside: int = 0
    years_apart: int = -6
    """Two or three years."""
    other_birth: int = -26
    """More."""
    same_country: int = 2
    other_country: int = -3
    weak_alias: int = -6
    country_points: dict[str, int] = {}
    """What living in a country weighs, by its two letters: those that the FATF calls upon to act against, and so on."""
    without_birth: int = 5
    """What it weighs that nobody has told us when somebody was born."""


def check_rules(rules: Rules) -> Rules:
    """The rules, or Invalid for what cannot be meant: points that go the wrong way, a threshold nothing can reach."""
    if not 60 <= rules.review_from <= 95:
        raise Invalid("People must look from 60 to 95 points on.", field="review_from")
    rising = (
        rules.other_birth,
        rules.years_apart,
        rules.year_beside,
        rules.same_year,
        rules.same_month,
        rules.same_day,
    )
    if list(rising) != sorted(rising) or rules.other_birth < -60 or rules.same_day > 20:
        raise Invalid("A nearer birth date must not weigh less: -60 to 20 points.", field="same_day")
    if not (-20 <= rules.other_country <= rules.same_country <= 20):
        raise Invalid("The same country must not weigh less than another one: -20 to 20 points.", field="same_country")
    if not -20 <= rules.weak_alias <= 0:
        raise Invalid("A weak alias weighs -20 to 0 points.", field="weak_alias")
    for country, points in rules.country_points.items():
        if not (len(country) == 2 and country.isalpha() and country.isupper() and 0 <= points <= 100):
            raise Invalid("A country has two letters and 0 to 100 points.", field="country_points")
    if not 0 <= rules.without_birth <= 50:
        raise Invalid("An unknown birth date weighs 0 to 50 points.", field="without_birth")
    return rules


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesVersion:
    """Rules as they stood from a moment on."""

    version: int
    rules: Rules
    effective_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A listed one who looks like somebody, and why: points by part, their sum within 0 and 100 is the score."""

    entry: Entry
    alias: str
    score: int
    parts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of comparing: the risk score with its parts, and the matches worth a look, highest first."""

    outcome: Outcome
    risk_score: int
    parts: Mapping[str, int]
    matches: Sequence[Match]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """A screening as it was written down. `inputs` and `evidence` are encrypted at rest; None once erased."""

    id: UUID
    user_id: UserId
    occasion: Occasion
    role: Role
    subject: str
    screened_at: datetime
    lists: Mapping[str, str]
    rules_version: int
    risk_score: int
    parts: Mapping[str, int]
    outcome: Outcome
    case_id: UUID | None
    inputs: Mapping[str, Any] | None = None
    evidence: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningFilter:
    """Which screenings to list. `before` is the keyset: the id of the last one seen."""

    user_id: UUID | None = None
    outcome: Outcome | None = None
    occasion: Occasion | None = None
    score_min: int | None = None
    before: UUID | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SanctionsList:
    """One version of a list; in force while nothing has replaced it."""

    id: UUID
    source: Source
    sha256: str
    files: Mapping[str, str]
    entries: int
    aliases: int
    added: int
    removed: int
    imported_at: datetime
    imported_by: str
    replaced_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescreening:
    """All customers compared anew: with what one version of a list added, or with everything."""

    id: UUID
    list_id: UUID | None
    asked_by: UserId | None
    asked_at: datetime
    last_user: UUID | None
    screened: int
    matched: int
    finished_at: datetime | None


class NoLists(Unavailable):
    """Without a list nobody can be called clear."""

    code = "no_sanctions_lists"

    def __init__(self) -> None:
        super().__init__("No sanctions list is in force: nobody can be screened.")


class UnderReview(Unavailable):
    """People look into it; it is asked again when they are done."""

    code = "under_review"

    def __init__(self) -> None:
        super().__init__("This waits for people to look at it.")


class BadList(Invalid):
    """The file is not what it should be: nothing of it was taken, and the list before stays in force."""

    code = "bad_list"
    title = "Not a list"

    def __init__(self, message: str, *, file: str, row: int | None = None) -> None:
        where = file if row is None else f"{file}, row {row}"
        super().__init__(f"{where}: {message} Nothing was imported; the list before stays in force.", field=file)


class ScreeningNotFound(NotFound):
    """No screening has this id."""

    code = "screening_not_found"

    def __init__(self) -> None:
        super().__init__("There is no screening with this id.")


class RescreeningRuns(Conflict):
    """One at a time."""

    code = "rescreening_runs"

    def __init__(self) -> None:
        super().__init__("All customers are being screened right now; ask again when that is done.")
