"""Packs: what we ship is whole, what was published is never edited, and a file that contradicts itself is refused."""

import hashlib
from importlib import resources

import pytest

from bitcurrent.compliance.conduct.packs import PackBroken, packs, read_pack

PUBLISHED = {
    "none-1.toml": "e43037fea4769f98a741e4f9d380b6619c06db9c55961c874b1b2c6782b5f755",
    "uk-1.toml": "9bdf6fec2c46f7a29a7498739cfb56b3686c68688d0bb862ba5e9590af52ef30",
    "us-1.toml": "e0234c4cc6f2f349b56f4d19db2eb64a8f6d765ff1f85665d42a059629371d90",
}
"""By their SHA-256: customers have seen these. A change is a new version in a new file, with a line here."""
SMALL = """
jurisdiction = "uk"
version = 2
counts_from = 1
countries = ["GB"]
gates = ["buy"]
incentives = false
steps = ["warning"]
[warning]
title = "Before you begin"
text = "{name}, you can lose it all."
"""


def text_of(name: str) -> str:
    return resources.files("bitcurrent.compliance.conduct").joinpath("packs", name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_version_is_never_edited(name: str) -> None:
    assert hashlib.sha256(text_of(name).encode()).hexdigest() == PUBLISHED[name]


def test_every_pack_is_published() -> None:
    folder = resources.files("bitcurrent.compliance.conduct").joinpath("packs")
    assert {file.name for file in folder.iterdir()} == set(PUBLISHED)


def test_the_uk_asks_of_twelve_topics_and_a_second_try_can_ask_otherwise() -> None:
    rules = packs()["uk"].appropriateness
    assert rules is not None
    assert len(rules.topics) == 12
    assert min(len(topic.questions) for topic in rules.topics) >= 2
    options = [len(question.options) for topic in rules.topics for question in topic.questions]
    assert min(options) >= 3


def test_no_option_gives_itself_away_by_being_the_longest_of_all_too_often() -> None:
    rules = packs()["uk"].appropriateness
    assert rules is not None
    questions = [question for topic in rules.topics for question in topic.questions]
    longest = [max(question.options, key=len) == question.options[0] for question in questions]
    assert sum(longest) <= len(questions) // 2


def test_a_newer_version_is_read_and_a_small_one_is_whole() -> None:
    pack = read_pack(SMALL, name="uk-2.toml")
    assert (pack.jurisdiction, pack.version) == ("uk", 2)
    assert pack.text_of("warning", "Ann") == "Ann, you can lose it all."


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("jurisdiction", "juristiction", "juristiction"),
        ('"uk"', '"mars"', "mars"),
        ("version = 2", "version = 0", "version"),
        ("counts_from = 1", "counts_from = 3", "own evidence would not count"),
        ('["warning"]', '["warning", "category"]', "category has no part"),
        ('["warning"]', "[]", "no step"),
        ('["buy"]', '["sell"]', "sell"),
        ("you can lose it all.", '"', "uk-2.toml"),
    ],
)
def test_a_pack_that_contradicts_itself_is_refused_and_says_why(old: str, new: str, why: str) -> None:
    assert old in SMALL
    with pytest.raises(PackBroken, match=why):
        read_pack(SMALL.replace(old, new, 1), name="uk-2.toml")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("pass_mark = 10", "pass_mark = 13", "nobody can reach the mark"),
        ('"compensation"]\n', '"kompensation"]\n', "kompensation"),
        ('id = "firm-2"', 'id = "firm-1"', "same id"),
        ("needs = 1", "needs = 3", "needs more fields"),
    ],
)
def test_rules_that_nobody_could_meet_are_refused(old: str, new: str, why: str) -> None:
    text = text_of("uk-1.toml")
    assert old in text
    with pytest.raises(PackBroken, match=why):
        read_pack(text.replace(old, new, 1), name="uk-1.toml")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("NY", "NY"), ("us-ny", "NY"), (" New  York ", "NY"), ("N.Y.", "NY"), ("State of New York", "NY"),
        ("california", "CA"), ("Narnia", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_states_are_known_as_people_write_them(written: str | None, code: str | None) -> None:
    regions = packs()["us"].regions
    assert regions is not None
    assert regions.code_of(written) == code
