"""Conduct on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.compliance.conduct import model
from bitcurrent.compliance.conduct.packs import Gate, Jurisdiction, Kind, Step, TextStep, sha256
from bitcurrent.web.schemas import Answer, Request

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", description="As GET /api/conduct gave it.")]
Version = Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="As GET /api/conduct gave it.")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Given = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class AnswerText(Request, frozen=True, kw_only=True):
    """What the customer says to a text: go on, or leave. Version and hash say that this very text was read."""

    step: TextStep
    version: Version
    text_sha256: Sha256
    choice: model.Choice


class DeclareCategory(Request, frozen=True, kw_only=True):
    """Signs the statement of a category, with what it asks for: by name, as text."""

    category: Name
    version: Version
    text_sha256: Sha256
    answers: Annotated[dict[Name, Given], msgspec.Meta(max_length=10)]


class OptionChosen(Request, frozen=True, kw_only=True):
    """The option chosen at a question, numbered from 1."""

    question: Name
    option: Annotated[int, msgspec.Meta(ge=1, le=10)]


class AnswerTest(Request, frozen=True, kw_only=True):
    """A whole test."""

    answers: Annotated[list[OptionChosen], msgspec.Meta(min_length=1, max_length=50)]


class StepAnswer(Answer, frozen=True, kw_only=True):
    """One step: done, due, waiting until `opens_at`, or later (after the steps before it)."""

    step: Step
    state: model.StepState
    done_at: datetime | None
    opens_at: datetime | None
    expires_at: datetime | None


class FieldAnswer(Answer, frozen=True, kw_only=True):
    """Something that a statement asks for: a whole number within bounds, a text, or a day."""

    name: str
    asks: str
    kind: str
    minimum: int | None
    maximum: int | None
    months: int | None


class CategoryAnswer(Answer, frozen=True, kw_only=True):
    """A category with the statement to sign; `needs` of its fields must be answered."""

    category: str
    title: str
    statement: str
    text_sha256: str
    needs: int
    fields: list[FieldAnswer]


class QuestionAnswer(Answer, frozen=True, kw_only=True):
    """A question, and its options in the order of this test, numbered from 1."""

    question: str
    asks: str
    options: list[str]


class AskedTest(Answer, frozen=True, kw_only=True):
    """A test that waits for its answers; there is no hurry."""

    id: UUID
    begun_at: datetime
    questions: list[QuestionAnswer]


class NextAnswer(Answer, frozen=True, kw_only=True):
    """What is next. A text to go on from, categories to choose from, or a test to begin."""

    step: Step
    state: model.StepState
    version: int
    title: str
    text: str
    text_sha256: str | None
    categories: list[CategoryAnswer] | None
    pass_mark: int | None
    questions: int | None


class ConductAnswer(Answer, frozen=True, kw_only=True):
    """Where you stand by the rules of your country, by our clock (`now`)."""

    jurisdiction: Jurisdiction
    version: int
    now: datetime
    open: dict[Gate, bool]
    required: bool
    complete: bool
    blocked: str | None
    steps: list[StepAnswer]
    next: NextAnswer | None
    seconds_left: int | None


class MarkedTest(Answer, frozen=True, kw_only=True):
    """Whether the test was passed, and where you stand now. Which answers were right is not told."""

    passed: bool
    standing: ConductAnswer


def conduct_answer(standing: model.Standing, first_name: str) -> ConductAnswer:
    """Where somebody stands, with the text of the next step."""
    pack = standing.pack
    return ConductAnswer(
        jurisdiction=pack.jurisdiction,
        version=pack.version,
        now=standing.moment,
        open={"deposit": standing.is_open("deposit"), "buy": standing.is_open("buy")},
        required=standing.required,
        complete=standing.complete,
        blocked=standing.blocked,
        steps=[
            StepAnswer(
                step=each.step,
                state=each.state,
                done_at=each.done_at,
                opens_at=each.opens_at,
                expires_at=each.expires_at,
            )
            for each in standing.steps
        ],
        next=_next(standing, first_name),
        seconds_left=standing.seconds_left,
    )


def _next(standing: model.Standing, first_name: str) -> NextAnswer | None:
    following, pack = standing.following, standing.pack
    if following is None:
        return None
    step, categories, text_hash = following.step, None, None
    mark = questions = None
    if step == "category":
        assert pack.category is not None  # a pack has a part for each of its steps
        title, text = "Which kind of investor are you?", "Choose the statement that is true of you, and sign it."
        categories = [_category(kind) for kind in pack.category.kinds]
    elif step == "appropriateness":
        assert pack.appropriateness is not None  # a pack has a part for each of its steps
        title, text = pack.appropriateness.title, pack.appropriateness.text
        mark, questions = pack.appropriateness.pass_mark, len(pack.appropriateness.topics)
    else:
        part = getattr(pack, step)
        title, text = part.title, pack.text_of(step, first_name)
        text_hash = sha256(text).hex()
    return NextAnswer(
        step=step,
        state=following.state,
        version=pack.version,
        title=title,
        text=text,
        text_sha256=text_hash,
        categories=categories,
        pass_mark=mark,
        questions=questions,
    )


def _category(kind: Kind) -> CategoryAnswer:
    return CategoryAnswer(
        category=kind.name,
        title=kind.title,
        statement=kind.statement,
        text_sha256=sha256(kind.statement).hex(),
        needs=kind.needs,
        fields=[
            FieldAnswer(
                name=field.name,
                asks=field.asks,
                kind=field.kind,
                minimum=field.minimum if field.kind == "number" else None,
                maximum=field.maximum if field.kind == "number" else None,
                months=field.months if field.kind == "date" else None,
            )
            for field in kind.fields
        ],
    )


def paper_of(test: model.OpenTest) -> AskedTest:
    """A test without what is right in it."""
    return AskedTest(
        id=test.id,
        begun_at=test.begun_at,
        questions=[QuestionAnswer(question=one.id, asks=one.asks, options=list(one.options)) for one in test.questions],
    )
