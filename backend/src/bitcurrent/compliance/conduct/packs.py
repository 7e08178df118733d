"""Packs: the rules of one jurisdiction as data with a version, read once from packs/ and checked as they are read."""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Final, Literal, get_args

import msgspec

Jurisdiction = Literal["uk", "us", "none"]
JURISDICTIONS: Final[tuple[Jurisdiction, ...]] = get_args(Jurisdiction)
Step = Literal["warning", "disclosures", "category", "appropriateness", "cooling_off"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
TextStep = Literal["warning", "disclosures", "cooling_off"]
TEXT_STEPS: Final[tuple[TextStep, ...]] = get_args(TextStep)
Gate = Literal["deposit", "buy"]
NAME: Final = "{name}"
"""Stands in a text where the customer's first name comes."""

Positive = Annotated[int, msgspec.Meta(ge=1)]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=5_000)]


class PackBroken(Exception):
    """A pack's file contradicts itself: nothing starts with it."""


class _Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that a pack holds."""


class Text(_Data, frozen=True, kw_only=True):
    """Something to read, and to go on from or leave."""

    title: Words
    text: Words


class CoolingOff(Text, frozen=True, kw_only=True):
    """A wait of so many hours since the customer first went on from the warning, and what is asked after it."""

    hours: Positive


class Field(_Data, frozen=True, kw_only=True):
    """Something that a statement asks for: a whole number in bounds, a text, a day of the last `months`."""

    name: Words
    asks: Words
    kind: Literal["number", "text", "date"]
    minimum: int = 0
    maximum: int = 1_000_000_000_000
    months: Positive = 1


class Kind(_Data, frozen=True, kw_only=True):
    """A category of customers with the statement that they sign; `needs` of its fields must be answered."""

    name: Words
    title: Words
    statement: Words
    needs: Positive
    fields: tuple[Field, ...]


class Category(_Data, frozen=True, kw_only=True):
    """The categories, and for how many days a statement holds."""

    valid_days: Positive
    kinds: tuple[Kind, ...]

    def kind(self, name: str) -> Kind | None:
        """The category of this name."""
        return next((kind for kind in self.kinds if kind.name == name), None)


class Question(_Data, frozen=True, kw_only=True):
    """A question whose first option is the right one."""

    id: Words
    asks: Words
    options: tuple[Words, ...]


class Topic(_Data, frozen=True, kw_only=True):
    """Something to understand; each test asks one of its questions."""

    name: Words
    questions: tuple[Question, ...]


class Appropriateness(Text, frozen=True, kw_only=True):
    """The test: its mark, how tries are spaced, and the bank of questions."""

    pass_mark: Positive
    free_tries: Positive
    wait_hours: Positive
    must_know: tuple[str, ...] = ()
    topics: tuple[Topic, ...]


class Regions(_Data, frozen=True, kw_only=True):
    """Parts of the country where we begin nothing with anybody."""

    needed: bool
    words: Words
    unknown: Words
    refused: tuple[str, ...]
    names: Mapping[str, str]

    def code_of(self, region: str | None) -> str | None:
        """The code of a region as people write it: CA, US-CA, California; None for what is none."""
        written = " ".join((region or "").replace(".", "").split()).casefold()
        written = written.removeprefix("us-").removeprefix("state of ")
        for code, name in self.names.items():
            if written in {code.casefold(), name.casefold()}:
                return code
        return None


class Pack(_Data, frozen=True, kw_only=True):
    """One version of a jurisdiction's rules. Versions are added, never changed."""

    jurisdiction: Jurisdiction
    version: Positive
    counts_from: Positive
    countries: tuple[str, ...]
    gates: tuple[Gate, ...]
    incentives: bool
    """Whether money may be given for investing: a bonus."""
    steps: tuple[Step, ...]
    warning: Text | None = None
    disclosures: Text | None = None
    cooling_off: CoolingOff | None = None
    category: Category | None = None
    appropriateness: Appropriateness | None = None
    regions: Regions | None = None

    def text_of(self, step: TextStep, first_name: str) -> str:
        """What this customer reads at a step that the pack has."""
        part: Text | None = getattr(self, step)
        assert part is not None  # a pack has a part for each of its steps
        return part.text.replace(NAME, first_name)


def sha256(text: str) -> bytes:
    """By what a text is known: that one was shown, and no other."""
    return hashlib.sha256(text.encode()).digest()


@cache
def packs() -> Mapping[Jurisdiction, Pack]:
    """The packs of today: of each jurisdiction the newest version. Raises PackBroken."""
    newest: dict[Jurisdiction, Pack] = {}
    folder = resources.files("bitcurrent.compliance.conduct").joinpath("packs")
    for file in folder.iterdir():
        if file.name.endswith(".toml"):
            pack = read_pack(file.read_text(encoding="utf-8"), name=file.name)
            known = newest.get(pack.jurisdiction)
            if known is None or known.version < pack.version:
                newest[pack.jurisdiction] = pack
    if missing := set(JURISDICTIONS) - set(newest):
        raise PackBroken(f"no pack for {', '.join(sorted(missing))}")
    return newest


def read_pack(text: str, *, name: str) -> Pack:
    """A pack from its file's text; raises PackBroken, which says what is wrong."""
    try:
        pack = msgspec.convert(tomllib.loads(text), Pack)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PackBroken(f"{name}: {error}") from None
    if faults := list(_faults(pack)):
        raise PackBroken(f"{name}: {'; '.join(faults)}")
    return pack


def _faults(pack: Pack) -> list[str]:
    faults = [f"the step {step} has no part" for step in pack.steps if getattr(pack, step) is None]
    if not pack.steps:
        faults.append("it has no step")
    if pack.counts_from > pack.version:
        faults.append("its own evidence would not count")
    if "cooling_off" in pack.steps and "warning" not in pack.steps:
        faults.append("a cooling-off begins with the warning, which is missing")
    if pack.category is not None:
        faults += [
            f"{kind.name} needs more fields than it has"
            for kind in pack.category.kinds
            if kind.needs > len(kind.fields)
        ]
    if (test := pack.appropriateness) is not None:
        faults += _faults_of_test(test)
    if pack.regions is not None and (strange := set(pack.regions.refused) - set(pack.regions.names)):
        faults.append(f"refused regions without a name: {sorted(strange)}")
    return faults


def _faults_of_test(test: Appropriateness) -> list[str]:
    faults = []
    ids = [question.id for topic in test.topics for question in topic.questions]
    if len(ids) != len(set(ids)):
        faults.append("two questions have the same id")
    if not test.pass_mark <= len(test.topics):
        faults.append("nobody can reach the mark")
    for topic in test.topics:
        if len(topic.questions) < 2:
            faults.append(f"{topic.name} has fewer than two questions: a second try would ask the same")
        if any(len(set(question.options)) < 2 for question in topic.questions):
            faults.append(f"{topic.name} has a question without a choice")
    if strange := set(test.must_know) - {topic.name for topic in test.topics}:
        faults.append(f"must_know names no topic: {sorted(strange)}")
    return faults
