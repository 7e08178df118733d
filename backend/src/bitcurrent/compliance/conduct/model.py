"""Where a customer stands, computed from the evidence; tests drawn and marked; refusals. Pure."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

import msgspec

from bitcurrent.compliance.conduct.packs import Appropriateness, Gate, Jurisdiction, Pack, Step
from bitcurrent.identity.privacy.model import Whereabouts
from bitcurrent.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from bitcurrent.kernel.ids import UserId

Choice = Literal["continue", "leave"]
Outcome = Literal["continued", "left", "declared", "begun", "passed", "failed"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
OF_CHOICE: Final[Mapping[Choice, Outcome]] = {"continue": "continued", "leave": "left"}
Origin = Literal["customer", "demo"]
StepState = Literal["done", "due", "waiting", "later"]


class ConductRequired(Forbidden):
    """Something has to be read, said or understood before money goes in."""

    code = "conduct_required"
    title = "Not open to you yet"

    def __init__(self, standing: "Standing") -> None:
        following = standing.following
        assert following is not None  # else it would be open
        wait = standing.seconds_left
        more = f" It opens in {wait} seconds." if wait else ""
        super().__init__(
            f"Paying in by card and buying open after the step '{following.step}': GET /api/conduct says what it "
            f"asks.{more} Selling and withdrawing stay open.",
            details={
                "jurisdiction": standing.pack.jurisdiction,
                "step": following.step,
                **({"seconds_left": str(wait)} if wait else {}),
            },
        )


class NotServed(Forbidden):
    """Where this customer lives we begin nothing; or we do not know where that is."""

    code = "region_not_served"
    title = "Not open where you live"

    def __init__(self, words: str) -> None:
        super().__init__(words)


class StepNotDue(Conflict):
    """Not asked of this customer, done already, or not yet."""

    code = "step_not_due"

    def __init__(self, step: str, state: str, *, seconds_left: int | None = None) -> None:
        super().__init__(
            f"The step '{step}' is {state}: GET /api/conduct says what is due.",
            details={"step": step, "state": state, **({"seconds_left": str(seconds_left)} if seconds_left else {})},
        )


class TextChanged(Conflict):
    """What was read is not what is valid now."""

    code = "text_changed"

    def __init__(self) -> None:
        super().__init__("This is not the text that is valid now: read it again with GET /api/conduct.")


class NoSuchTest(NotFound):
    """No test of this customer is waiting for these answers."""

    code = "test_not_found"

    def __init__(self) -> None:
        super().__init__("There is no test of yours with this id that waits for answers.")


@dataclass(frozen=True, slots=True)
class Fact:
    """All evidence of one kind about a customer: what came of a step under one version, when first and last."""

    version: int
    step: Step
    outcome: Outcome
    choice: str | None
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class StepStanding:
    """One step of a customer's: done (until `expires_at`), due, waiting until `opens_at`, or for later."""

    step: Step
    state: StepState
    done_at: datetime | None = None
    expires_at: datetime | None = None
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a customer stands by the rules of their country, at a moment of the database's clock."""

    pack: Pack
    moment: datetime
    steps: Sequence[StepStanding]
    blocked: str | None
    """Why nothing can begin at all, in words for the customer."""
    required: bool
    """Whether the steps stand before paying in and buying, or are only offered."""

    @property
    def complete(self) -> bool:
        """Whether every step is done."""
        return all(step.state == "done" for step in self.steps)

    @property
    def following(self) -> StepStanding | None:
        """The step that is next: the first that is due, else the one that is waited for."""
        for state in ("due", "waiting"):
            for step in self.steps:
                if step.state == state:
                    return step
        return None

    @property
    def seconds_left(self) -> int | None:
        """How long the wait for the next step still is; None when it waits for the customer."""
        following = self.following
        if following is None or following.state != "waiting" or following.opens_at is None:
            return None
        return max(1, -((self.moment - following.opens_at) // timedelta(seconds=1)))

    def is_open(self, gate: Gate) -> bool:
        """Whether the gate is open to the customer."""
        if gate not in self.pack.gates:
            return True
        return self.blocked is None and (self.complete or not self.required)

    def require(self, gate: Gate) -> None:
        """Raise NotServed or ConductRequired unless the gate is open."""
        if self.is_open(gate):
            return
        if self.blocked is not None:
            raise NotServed(self.blocked)
        raise ConductRequired(self)

    def state_of(self, step: Step) -> StepStanding:
        """One step; raises StepNotDue for one that these rules do not have."""
        for each in self.steps:
            if each.step == step:
                return each
        raise StepNotDue(step, "not part of the rules for you")


def choose_pack(known: Mapping[Jurisdiction, Pack], country: str | None, default: Jurisdiction) -> Pack:
    """The rules for somebody of this country; the default's for somebody of whom we know none."""
    if country is None:
        return known[default]
    return next((pack for pack in known.values() if country in pack.countries), known["none"])


def standing_of(
    pack: Pack, facts: Iterable[Fact], who: Whereabouts, moment: datetime, *, required: bool = True
) -> Standing:
    """Where somebody stands by a pack. `facts` are those of its jurisdiction."""
    counting = [fact for fact in facts if fact.version >= pack.counts_from]
    begun = _first(counting, "warning", "continued") if "warning" in pack.steps else moment
    steps = [_step(pack, step, counting, moment, begun) for step in pack.steps]
    return Standing(pack=pack, moment=moment, steps=steps, blocked=_blocked(pack, who), required=required)


def _step(pack: Pack, step: Step, facts: Sequence[Fact], moment: datetime, begun: datetime | None) -> StepStanding:
    if step in {"warning", "disclosures"}:
        done = _first(facts, step, "continued")
        return StepStanding(step, "done" if done else "due", done_at=done)
    if begun is None:
        return StepStanding(step, "later")
    if step == "category":
        return _category(pack, facts, moment)
    if step == "appropriateness":
        return _appropriateness(pack, facts, moment)
    assert pack.cooling_off is not None  # a pack has a part for each of its steps
    done = _first(facts, step, "continued")
    opens = begun + timedelta(hours=pack.cooling_off.hours)
    return StepStanding(step, "done" if done else "due" if moment >= opens else "waiting", done_at=done, opens_at=opens)


def _category(pack: Pack, facts: Sequence[Fact], moment: datetime) -> StepStanding:
    assert pack.category is not None  # a pack has a part for each of its steps
    declared = max((fact.last_at for fact in facts if fact.outcome == "declared"), default=None)
    if declared is None:
        return StepStanding("category", "due")
    expires = declared + timedelta(days=pack.category.valid_days)
    return StepStanding("category", "done" if moment < expires else "due", done_at=declared, expires_at=expires)


def _appropriateness(pack: Pack, facts: Sequence[Fact], moment: datetime) -> StepStanding:
    rules = pack.appropriateness
    assert rules is not None  # a pack has a part for each of its steps
    passed = _first(facts, "appropriateness", "passed")
    if passed:
        return StepStanding("appropriateness", "done", done_at=passed)
    failed = [fact for fact in facts if fact.outcome == "failed"]
    if sum(fact.times for fact in failed) >= rules.free_tries:
        opens = max(fact.last_at for fact in failed) + timedelta(hours=rules.wait_hours)
        return StepStanding("appropriateness", "due" if moment >= opens else "waiting", opens_at=opens)
    return StepStanding("appropriateness", "due")


def _first(facts: Iterable[Fact], step: Step, outcome: Outcome) -> datetime | None:
    return min((fact.first_at for fact in facts if fact.step == step and fact.outcome == outcome), default=None)


def _blocked(pack: Pack, who: Whereabouts) -> str | None:
    regions = pack.regions
    if regions is None:
        return None
    # A territory with a country code of its own is its own region.
    code = who.country if who.country in regions.names and who.country not in {"US", None} else None
    code = code or regions.code_of(who.region)
    if code is None:
        return regions.unknown if regions.needed else None
    return regions.words.format(region=regions.names[code]) if code in regions.refused else None


# ---- tests


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question of one test, with its options in the order that was drawn for it."""

    id: str
    topic: str
    asks: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTest:
    """A test that was begun and waits for its answers."""

    id: UUID
    user_id: UserId
    version: int
    begun_at: datetime
    questions: Sequence[Asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How a test ended."""

    passed: bool
    right: int
    answers: Sequence["Answered"]


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was asked, and the answer in the words that were chosen."""

    question: str
    answer: str
    right: bool | None = None


def draw(rules: Appropriateness, seen: Sequence[str]) -> list[Asked]:
    """A question of each topic in a random order: of those asked least often so far (`seen`), any."""
    chance = secrets.SystemRandom()
    drawn = []
    for topic in rules.topics:
        fewest = min(seen.count(question.id) for question in topic.questions)
        question = chance.choice([one for one in topic.questions if seen.count(one.id) == fewest])
        options = chance.sample(question.options, len(question.options))
        drawn.append(Asked(id=question.id, topic=topic.name, asks=question.asks, options=tuple(options)))
    chance.shuffle(drawn)
    return drawn


def mark(rules: Appropriateness, test: OpenTest, chosen: Mapping[str, int]) -> Mark:
    """How the answers are marked: by question the number of the option, from 1. Raises Invalid."""
    right_ones = {question.id: question.options[0] for topic in rules.topics for question in topic.questions}
    asked = {question.id for question in test.questions}
    if set(chosen) != asked:
        raise Invalid(f"A test is answered whole: {len(asked)} questions, each once.", field="answers")
    answers, right, unknown = [], 0, set()
    for question in test.questions:
        number = chosen[question.id]
        if not 1 <= number <= len(question.options):
            raise Invalid(
                f"The options are numbered from 1 to {len(question.options)}.",
                field="answers.option",
                details={"minimum": "1", "maximum": str(len(question.options))},
            )
        words = question.options[number - 1]
        good = words == right_ones.get(question.id)
        answers.append(Answered(question=question.asks, answer=words, right=good))
        right += good
        if not good:
            unknown.add(question.topic)
    passed = right >= rules.pass_mark and not unknown & set(rules.must_know)
    return Mark(passed=passed, right=right, answers=answers)


# ---- evidence


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept encrypted of one piece of evidence."""

    shown: str
    address: str
    device: str
    answers: tuple[Answered, ...] = ()
    questions: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One piece of evidence: what was shown, what was answered, when, from where."""

    id: UUID
    user_id: UserId
    at: datetime
    jurisdiction: Jurisdiction
    version: int
    step: Step
    outcome: Outcome
    choice: str | None
    refers_to: UUID | None
    text_sha256: bytes
    origin: Origin
    content: Content
