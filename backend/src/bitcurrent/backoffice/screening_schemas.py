"""Screening and sanctions lists on the wire of the back office."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from bitcurrent.backoffice.schemas import Reason
from bitcurrent.compliance.screening import model
from bitcurrent.web.schemas import Answer, Request


class ScreenCustomer(Request, frozen=True, kw_only=True):
    """Compare one customer with the lists in force, now."""

    user_id: UUID
    reason: Reason


class RescreenAll(Request, frozen=True, kw_only=True):
    """Compare every customer with the lists in force."""

    reason: Reason


class ChangeRules(Request, frozen=True, kw_only=True):
    """Ask for other rules: what is not given is as in the rules that the house comes with, not as it is now."""

    rules: model.Rules
    reason: Reason


class ScreeningAnswer(Answer, frozen=True, kw_only=True):
    """A screening: what it said, by which lists and rules. `risk_score` and its parts are points from 0 to 100."""

    id: UUID
    user_id: UUID
    occasion: model.Occasion
    role: model.Role
    subject: str
    screened_at: datetime
    lists: dict[str, str]
    rules_version: int
    risk_score: int
    parts: dict[str, int]
    outcome: model.Outcome
    case_id: UUID | None


class MatchAnswer(Answer, frozen=True, kw_only=True):
    """A listed one who looks like them, and why."""

    entry_id: UUID
    source: model.Source
    key: str
    alias: str
    score: str
    parts: dict[str, str]
    births: list[str]
    countries: list[str]
    programs: list[str]


class ScreeningWithMatches(Answer, frozen=True, kw_only=True):
    """A screening with what was asked and what was found; both null once they were erased."""

    screening: ScreeningAnswer
    name: str | None
    birth_date: date | None
    country: str | None
    matches: list[MatchAnswer] | None


class ListAnswer(Answer, frozen=True, kw_only=True):
    """One version of a sanctions list; in force while nothing has replaced it."""

    id: UUID
    source: model.Source
    sha256: str
    files: dict[str, str]
    entries: int
    aliases: int
    added: int
    removed: int
    imported_at: datetime
    imported_by: str
    replaced_at: datetime | None


class RescreeningAnswer(Answer, frozen=True, kw_only=True):
    """All customers compared anew: with what one version of a list added, or with everything in force."""

    id: UUID
    list_id: UUID | None
    asked_by: UUID | None
    asked_at: datetime
    screened: int
    matched: int
    finished_at: datetime | None


class SanctionsAnswer(Answer, frozen=True, kw_only=True):
    """The lists and rules in force, and the newest comparisons of everybody."""

    lists: list[ListAnswer]
    rules_version: int
    rules: dict[str, Any]
    rescreenings: list[RescreeningAnswer]


def screening_answer(value: model.Screening) -> ScreeningAnswer:
    """A screening as an answer, without what is personal."""
    return ScreeningAnswer(
        id=value.id,
        user_id=value.user_id,
        occasion=value.occasion,
        role=value.role,
        subject=value.subject,
        screened_at=value.screened_at,
        lists=dict(value.lists),
        rules_version=value.rules_version,
        risk_score=value.risk_score,
        parts=dict(value.parts),
        outcome=value.outcome,
        case_id=value.case_id,
    )


def screening_with_matches(value: model.Screening) -> ScreeningWithMatches:
    """A screening as an answer, whole."""
    asked = value.inputs or {}
    born = asked.get("birth_date")
    return ScreeningWithMatches(
        screening=screening_answer(value),
        name=asked.get("name"),
        birth_date=date.fromisoformat(born) if born else None,
        country=asked.get("country"),
        matches=None if value.evidence is None else [_match_answer(dict(match)) for match in value.evidence],
    )


def _match_answer(value: dict[str, Any]) -> MatchAnswer:
    return MatchAnswer(**{**value, "entry_id": UUID(value["entry_id"])})


def list_answer(value: model.SanctionsList) -> ListAnswer:
    """A version of a list as an answer."""
    return ListAnswer(
        id=value.id,
        source=value.source,
        sha256=value.sha256,
        files=dict(value.files),
        entries=value.entries,
        aliases=value.aliases,
        added=value.added,
        removed=value.removed,
        imported_at=value.imported_at,
        imported_by=value.imported_by,
        replaced_at=value.replaced_at,
    )


def rescreening_answer(value: model.Rescreening) -> RescreeningAnswer:
    """A comparison of everybody as an answer."""
    return RescreeningAnswer(
        id=value.id,
        list_id=value.list_id,
        asked_by=value.asked_by,
        asked_at=value.asked_at,
        screened=value.screened,
        matched=value.matched,
        finished_at=value.finished_at,
    )
