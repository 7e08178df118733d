"""Where somebody stands, to the second; how tests are drawn and marked; what statements take."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from bitcurrent.compliance.conduct import model
from bitcurrent.compliance.conduct.model import ConductRequired, Fact, NotServed, OpenTest, Standing, standing_of
from bitcurrent.compliance.conduct.packs import Appropriateness, packs
from bitcurrent.compliance.conduct.statements import checked_answers
from bitcurrent.identity.privacy.model import Whereabouts
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId

UK, US, NONE = packs()["uk"], packs()["us"], packs()["none"]
BEGUN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANN = Whereabouts("GB", None)
TODAY = date(2026, 3, 31)


def rules() -> Appropriateness:
    assert UK.appropriateness is not None
    return UK.appropriateness


def fact(step: str, outcome: str, at: datetime, **more: object) -> Fact:
    values = {"version": 1, "choice": None, "first_at": at, "last_at": at, "times": 1, **more}
    return Fact(step=step, outcome=outcome, **values)  # type: ignore[arg-type]  # spelled out by each test


def whole(at: datetime = BEGUN) -> list[Fact]:
    return [
        fact("warning", "continued", at),
        fact("category", "declared", at, choice="restricted"),
        fact("appropriateness", "passed", at),
        fact("cooling_off", "continued", at + timedelta(days=1)),
    ]


def uk(facts: list[Fact], moment: datetime) -> Standing:
    return standing_of(UK, facts, ANN, moment)


def states(standing: Standing) -> dict[str, str]:
    return {each.step: each.state for each in standing.steps}


def test_a_new_customer_reads_the_warning_and_nothing_else() -> None:
    standing = uk([], BEGUN)
    assert states(standing) == {
        "warning": "due", "category": "later", "appropriateness": "later", "cooling_off": "later",
    }  # fmt: skip
    with pytest.raises(ConductRequired) as refused:
        standing.require("buy")
    assert refused.value.details == {"jurisdiction": "uk", "step": "warning"}


def test_leaving_is_no_beginning() -> None:
    assert states(uk([fact("warning", "left", BEGUN)], BEGUN + timedelta(days=9)))["category"] == "later"


@pytest.mark.parametrize(
    ("passed", "state", "left"),
    [
        (timedelta(), "waiting", 86_400),
        (timedelta(hours=23, minutes=59, seconds=59), "waiting", 1),
        (timedelta(hours=24, microseconds=-1), "waiting", 1),
        (timedelta(hours=24), "due", None),
    ],
)
def test_cooling_off_takes_24_hours_from_the_first_time_that_they_went_on(
    passed: timedelta, state: str, left: int | None
) -> None:
    facts = [one for one in whole() if one.step != "cooling_off"]
    facts[0] = fact("warning", "continued", BEGUN, last_at=BEGUN + timedelta(hours=20), times=2)
    standing = uk(facts, BEGUN + passed)
    assert states(standing)["cooling_off"] == state
    assert standing.seconds_left == left
    assert not standing.is_open("deposit")


def test_with_every_step_done_the_gates_are_open_until_the_statement_is_a_year_old() -> None:
    done = uk(whole(), BEGUN + timedelta(days=364))
    assert done.complete
    assert done.is_open("buy")
    assert done.is_open("deposit")
    over = uk(whole(), BEGUN + timedelta(days=365))
    assert states(over)["category"] == "due"
    assert not over.is_open("buy")


@pytest.mark.parametrize(
    ("failures", "hours", "state"),
    [(0, 0, "due"), (1, 0, "due"), (2, 0, "waiting"), (2, 23, "waiting"), (2, 24, "due"), (3, 23, "waiting")],
)
def test_a_second_try_is_allowed_at_once_and_every_later_one_waits_a_day(failures: int, hours: int, state: str) -> None:
    failed = [fact("appropriateness", "failed", BEGUN, times=failures)] if failures else []
    standing = uk([fact("warning", "continued", BEGUN), *failed], BEGUN + timedelta(hours=hours))
    assert states(standing)["appropriateness"] == state


def test_evidence_of_a_version_that_does_not_count_any_more_is_asked_for_again() -> None:
    import msgspec

    newer = msgspec.structs.replace(UK, version=2, counts_from=2)
    standing = standing_of(newer, whole(), ANN, BEGUN)
    assert states(standing)["warning"] == "due"


@pytest.mark.parametrize(
    ("country", "region", "blocked"),
    [
        ("US", "California", False), ("US", "NY", True), ("US", None, True), ("US", "Narnia", True),
        ("PR", None, False), ("PR", "San Juan", False),
    ],
)  # fmt: skip
def test_where_we_serve_nobody_nothing_begins(country: str, region: str | None, blocked: bool) -> None:
    acknowledged = [fact("disclosures", "continued", BEGUN)]
    standing = standing_of(US, acknowledged, Whereabouts(country, region), BEGUN)
    assert standing.is_open("buy") is not blocked
    if blocked:
        with pytest.raises(NotServed):
            standing.require("buy")


@pytest.mark.parametrize(
    ("country", "default", "chosen"),
    [
        ("GB", "none", "uk"), ("US", "uk", "us"), ("GU", "none", "us"), ("DE", "uk", "none"),
        (None, "uk", "uk"), (None, "none", "none"),
    ],
)  # fmt: skip
def test_the_country_chooses_the_rules(country: str | None, default: str, chosen: str) -> None:
    pack = model.choose_pack(packs(), country, default)  # type: ignore[arg-type]  # spelled out above
    assert pack.jurisdiction == chosen


def test_what_is_offered_stands_before_nothing() -> None:
    assert standing_of(NONE, [], ANN, BEGUN, required=False).is_open("buy")
    assert not standing_of(NONE, [], ANN, BEGUN).is_open("buy")


# ---- tests


def drawn(seen: list[str] | None = None) -> OpenTest:
    questions = model.draw(rules(), seen or [])
    return OpenTest(id=uuid4(), user_id=UserId(uuid4()), version=1, begun_at=BEGUN, questions=questions)


def right(test: OpenTest) -> dict[str, int]:
    good = {question.id: question.options[0] for topic in rules().topics for question in topic.questions}
    return {asked.id: asked.options.index(good[asked.id]) + 1 for asked in test.questions}


def test_a_test_asks_one_question_of_each_topic_and_the_next_one_asks_others() -> None:
    first = drawn()
    assert len({question.topic for question in first.questions}) == 12
    second = drawn([question.id for question in first.questions])
    assert not {question.id for question in first.questions} & {question.id for question in second.questions}


def test_questions_and_options_come_in_an_order_that_is_drawn() -> None:
    tests = [drawn() for _ in range(20)]
    assert len({tuple(question.topic for question in test.questions) for test in tests}) > 1
    places = {right(test)[question.id] for test in tests for question in test.questions}
    assert places == {1, 2, 3}


def test_all_right_passes_and_two_wrong_pass_too_unless_they_had_to_be_known() -> None:
    test = drawn()
    good = right(test)
    assert model.mark(rules(), test, good).passed
    for count, must_know, passes in ((2, False, True), (3, False, False), (1, True, False)):
        chosen, changed = dict(good), 0
        for asked in test.questions:
            if changed < count and (asked.topic in rules().must_know) is must_know:
                chosen[asked.id] = good[asked.id] % 3 + 1
                changed += 1
        marked = model.mark(rules(), test, chosen)
        assert (marked.passed, marked.right) == (passes, 12 - count)


def test_half_a_test_a_strange_question_and_an_option_that_there_is_not_are_refused() -> None:
    test = drawn()
    good = right(test)
    one = test.questions[0].id
    for chosen in (
        {name: option for name, option in good.items() if name != one},
        {**good, "strange": 1},
        {**good, one: 4},
        {**good, one: 0},
    ):
        with pytest.raises(Invalid):
            model.mark(rules(), test, chosen)


# ---- statements


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        ("restricted", {"invested_percent": "0", "will_invest_percent": "10"}),
        ("high_net_worth", {"income": "100000"}),
        ("high_net_worth", {"net_assets": "250000"}),
        ("certified_sophisticated", {"certified_by": "Bird & Co", "certified_on": "2023-04-01"}),
    ],
)
def test_a_statement_takes_what_it_asks_for(kind: str, answers: dict[str, str]) -> None:
    assert UK.category is not None
    found = UK.category.kind(kind)
    assert found is not None
    assert checked_answers(found, answers, today=TODAY) == answers


@pytest.mark.parametrize(
    ("kind", "answers", "field"),
    [
        ("restricted", {"invested_percent": "11", "will_invest_percent": "1"}, "answers.invested_percent"),
        ("restricted", {"invested_percent": "1"}, "answers.will_invest_percent"),
        ("restricted", {"invested_percent": "-1", "will_invest_percent": "1"}, "answers.invested_percent"),
        ("restricted", {"invested_percent": "1.5", "will_invest_percent": "1"}, "answers.invested_percent"),
        ("restricted", {"invested_percent": "٣", "will_invest_percent": "1"}, "answers.invested_percent"),
        ("restricted", {"hat_size": "58"}, "answers.hat_size"),
        ("high_net_worth", {}, "answers.income"),
        ("high_net_worth", {"income": "99999"}, "answers.income"),
        ("certified_sophisticated", {"certified_by": "B & C", "certified_on": "2023-03-31"}, "answers.certified_on"),
        ("certified_sophisticated", {"certified_by": "B & C", "certified_on": "2026-04-01"}, "answers.certified_on"),
        ("certified_sophisticated", {"certified_by": "B & C", "certified_on": "2025-02-30"}, "answers.certified_on"),
        ("certified_sophisticated", {"certified_by": "B", "certified_on": "2025-02-03"}, "answers.certified_by"),
    ],
)
def test_a_statement_that_is_not_true_of_the_category_is_refused(
    kind: str, answers: dict[str, str], field: str
) -> None:
    assert UK.category is not None
    found = UK.category.kind(kind)
    assert found is not None
    with pytest.raises(Invalid) as refused:
        checked_answers(found, answers, today=TODAY)
    assert refused.value.field == field
