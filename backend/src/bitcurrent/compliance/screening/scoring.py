"""From two names, birth dates and countries to points; and from matches to a risk score with its parts."""

from collections.abc import Sequence
from datetime import date

from bitcurrent.compliance.screening.model import Entry, Listed, Match, Quality, Rules, Subject, Verdict

SCORE_MAX = 100


def score_match(
    subject: Subject, entry: Entry, *, alias: str, quality: Quality, name_score: float, rules: Rules
) -> Match:
    """The points of a listed one, part by part."""
    listed = entry.listed
    parts = {"name": round(name_score)}
    if points := birth_points(subject.birth_date, listed.births, rules):
        parts["birth"] = points
    if points := country_points(subject.country, listed.countries, rules):
        parts["country"] = points
    if quality == "weak":
        parts["weak_alias"] = rules.weak_alias
    return Match(entry=entry, alias=alias, score=max(0, min(SCORE_MAX, sum(parts.values()))), parts=parts)


def birth_points(ours: date | None, listed: Sequence[str], rules: Rules) -> int:
    """How well a birth date fits the best of those that the list has; nothing when either side has none."""
    if ours is None or not listed:
        return 0
    return max(_birth_points(ours, one, rules) for one in listed)


def _birth_points(ours: date, listed: str, rules: Rules) -> int:
    first, dots, last = listed.partition("..")
    if dots:
        return rules.same_year if int(first) <= ours.year <= int(last) else _apart(ours, (int(first), int(last)), rules)
    year, *rest = (int(part) for part in listed.split("-"))
    if year == ours.year:
        if len(rest) == 2 and (tuple(rest) in {(ours.month, ours.day), (ours.day, ours.month)}):
            return rules.same_day if rest[0] == ours.month else rules.same_month
        return rules.same_month if rest and rest[0] == ours.month else rules.same_year
    return _apart(ours, (year, year), rules)


def _apart(ours: date, years: tuple[int, int], rules: Rules) -> int:
    years_between = min(abs(ours.year - year) for year in years)
    if years_between <= 1:
        return rules.year_beside
    return rules.years_apart if years_between <= 3 else rules.other_birth


def country_points(ours: str | None, listed: Sequence[str], rules: Rules) -> int:
    """Whether the list knows somebody in the country where they live; nothing when either side says none."""
    if ours is None or not listed:
        return 0
    return rules.same_country if ours in listed else rules.other_country


def judge(subject: Subject, matches: Sequence[Match], rules: Rules) -> Verdict:
    """The risk score: the best match, or what country and missing birth date weigh, whichever is more."""
    best = max((match.score for match in matches), default=0)
    parts = {"list_match": best}
    if points := rules.country_points.get(subject.country or "", 0):
        parts["country"] = points
    if subject.role == "customer" and subject.birth_date is None:
        parts["birth_date_unknown"] = rules.without_birth
    risk = max(best, min(SCORE_MAX, sum(parts.values()) - best))
    worth_a_look = tuple(
        sorted((match for match in matches if match.score >= rules.review_from), key=lambda match: -match.score)
    )
    return Verdict(
        outcome="review" if risk >= rules.review_from else "clear", risk_score=risk, parts=parts, matches=worth_a_look
    )


def kinds_for(subject: Subject) -> frozenset[str]:
    """Which kinds of listed ones somebody is compared with: ships never, companies where it may be one."""
    return frozenset({"individual"}) if subject.role == "customer" else frozenset({"individual", "entity"})


def is_company(listed: Listed) -> bool:
    """Whether its name is read as a company's."""
    return listed.kind != "individual"
