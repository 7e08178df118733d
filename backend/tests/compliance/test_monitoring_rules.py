"""Each rule speaks of the history that it is made for, and is silent about the near miss beside it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from bitcurrent.compliance.monitoring.model import (
    RULE_NAMES,
    Fact,
    FactKind,
    Hit,
    Mark,
    RuleName,
    Sighting,
    ThresholdImpossible,
    Window,
)
from bitcurrent.compliance.monitoring.parameters import KINDS, read_parameters, with_settings, written
from bitcurrent.compliance.monitoring.rules import judge
from bitcurrent.kernel.ids import UserId, new_id

ANN = UserId(UUID(int=1))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_positions = count(1)


def fact(kind: FactKind, worth: str | None = "100", *, hours: float = 0, days: int = 0, **facts: Any) -> Fact:
    """A transaction so long before noon."""
    return Fact(
        position=next(_positions),
        user_id=ANN,
        kind=kind,
        subject=new_id(),
        at=NOON - timedelta(hours=hours, days=days),
        worth=None if worth is None else Decimal(worth),
        facts=facts,
    )


def said(rule: RuleName, *history: Fact, **parameters: Any) -> Hit | None:
    """What a rule says of the last of these."""
    return judge(read_parameters(rule, parameters), Window(fact=history[-1], earlier=history[:-1]))


def structuring(worths: list[str], *, hours: float = 1) -> list[Fact]:
    return [fact("deposit", worth, hours=hours * (len(worths) - 1 - n)) for n, worth in enumerate(worths)]


def test_structuring_is_several_amounts_just_under_a_limit() -> None:
    found = said("structuring", *structuring(["950", "990", "999.99"]))
    assert found is not None
    assert found.parts == {"count": "3", "worth": "2939.99", "limit": "1000"}
    assert said("structuring", *structuring(["950", "999"])) is None, "one too few"
    assert said("structuring", *structuring(["950", "990", "1000"])) is None, "the limit itself is not under it"
    assert said("structuring", *structuring(["950", "990", "899.99"])) is None, "not just under it"
    assert said("structuring", *structuring(["950", "990", "999"], hours=37)) is None, "too far apart"
    mixed = [fact("deposit", "950", hours=2), fact("withdrawal", "960", hours=1), fact("deposit", "970")]
    assert said("structuring", *mixed) is None, "in and out are not the same"
    assert said("structuring", *structuring(["950", "990", "970"]), limit="2000") is None


def test_velocity_counts_and_sums() -> None:
    often = [fact("deposit", "10", hours=0.5 * n) for n in range(19, -1, -1)]
    assert said("velocity", *often) is not None
    assert said("velocity", *often[1:]) is None
    assert said("velocity", fact("deposit", "20000", hours=1), fact("withdrawal", "30000")) is not None
    assert said("velocity", fact("deposit", "20000", hours=1), fact("withdrawal", "29999")) is None
    assert said("velocity", fact("deposit", "20000", hours=25), fact("withdrawal", "30000")) is None
    assert said("velocity", fact("deposit", "60000", hours=1), fact("fill", "5")) is None, "a trade is not money moving"


def test_money_that_only_passes_through_is_seen_and_a_trader_s_is_not() -> None:
    came, went = fact("deposit", "2000", hours=3), fact("withdrawal", "1600")
    assert said("pass_through", came, went) is not None
    assert said("pass_through", came, fact("withdrawal", "1599")) is None
    assert said("pass_through", came, fact("refund", "1900")) is not None
    assert said("pass_through", came, fact("fill", "400", hours=2), went) is None, "a fifth was traded"
    assert said("pass_through", came, fact("fill", "399", hours=2), went) is not None
    assert said("pass_through", fact("deposit", "2000", hours=49), went) is None
    assert said("pass_through", fact("deposit", "999", hours=3), fact("withdrawal", "999")) is None


def test_much_after_a_long_silence() -> None:
    assert said("dormant_large", fact("fill", "5", days=180), fact("deposit", "5000")) is not None
    assert said("dormant_large", fact("fill", "5", days=179), fact("deposit", "5000")) is None
    assert said("dormant_large", fact("fill", "5", days=180), fact("deposit", "4999")) is None
    assert said("dormant_large", fact("deposit", "9000")) is None, "a new customer was not silent"


def test_more_cards_than_a_person_has() -> None:
    cards = [fact("card", card=f"card{n}", days=n) for n in (3, 2, 1, 0)]
    assert said("many_cards", *cards) is not None
    same = [*cards[:3], replace(cards[3], facts={"card": "card1"})]
    assert said("many_cards", *same) is None
    assert said("many_cards", fact("card", card="card9", days=31), *cards[1:]) is None


@pytest.mark.parametrize("kind", ["card", "destination", "access"])
def test_several_customers_with_one_card_destination_or_device(kind: Any) -> None:
    mark = Mark(kind, "the same")
    mine = replace(fact("withdrawal"), marks=(mark,))
    ben, eve = UserId(UUID(int=2)), UserId(UUID(int=3))
    both = (Sighting(ben, NOON - timedelta(days=1)), Sighting(eve, NOON - timedelta(days=29)))

    def of(*seen: Sighting, **parameters: Any) -> Hit | None:
        window = Window(fact=mine, earlier=(), shared={mark: seen})
        return judge(read_parameters("shared_marks", parameters), window)

    found = of(*both)
    assert found is not None
    assert found.parts == {"customers": "3", "shared": kind}
    assert of(both[0], Sighting(ANN, NOON)) is None, "two, one of whom is oneself"
    assert of(both[0], Sighting(eve, NOON - timedelta(days=31))) is None, "long ago"
    others = [other for other in ("card", "destination", "access") if other != kind]
    assert of(*both, kinds=others) is None


def test_everything_to_a_destination_that_is_new() -> None:
    def drain(worth: str = "8000", **facts: str) -> Hit | None:
        known: dict[str, Any] = {"everything": "10000", "destination_age_hours": "71"} | facts
        return said("new_address_drain", fact("withdrawal", worth, **known))

    assert drain() is not None
    assert drain("7999") is None
    assert drain(destination_age_hours="72") is None
    assert drain("4999", everything="5000") is None
    assert said("new_address_drain", fact("withdrawal", "9000", everything="9000")) is None, "to a card: no destination"


def trips(flips: int, *, sold: str = "1") -> list[Fact]:
    sides = ["buy" if n % 2 == 0 else "sell" for n in range(flips + 1)]
    return [
        fact(
            "fill",
            "2000",
            hours=(flips - n) * 0.1,
            market="BTC/USD",
            side=side,
            quantity="1" if side == "buy" else sold,
        )
        for n, side in enumerate(sides)
    ]


def test_the_same_bought_and_sold_over_and_over() -> None:
    assert said("wash", *trips(7)) is not None
    assert said("wash", *trips(5)) is None, "too few changes"
    assert said("wash", *trips(7, sold="0.8")) is None, "something stays"
    assert said("wash", *trips(7), minimum="16001") is None, "too little"
    other = [replace(each, facts={**each.facts, "market": f"{n}/USD"}) for n, each in enumerate(trips(7))]
    assert said("wash", *other) is None, "eight markets"


def test_a_card_of_another_country() -> None:
    def card(country: str, home: str | None = "GB", worth: str = "500", **parameters: Any) -> Hit | None:
        facts: dict[str, Any] = {"card": "c", "country": country} | ({"residence": home} if home else {})
        return said("card_country", fact("card", worth, **facts), **parameters)

    found = card("NG")
    assert found is not None
    assert "GB" not in found.words, "where somebody lives is not told in what is kept"
    assert card("GB") is None
    assert card("NG", None) is None
    assert card("NG", worth="499") is None
    assert card("IE", allowed=["IE"]) is None


def test_a_worth_that_nobody_knows_counts_as_nothing() -> None:
    for rule in RULE_NAMES:
        assert said(rule, fact("withdrawal", None, hours=1), fact("withdrawal", None)) is None


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("structuring", {"limit": "0"}),
        ("structuring", {"limit": "-5"}),
        ("structuring", {"limit": "NaN"}),
        ("structuring", {"limit": 1000.5}),
        ("structuring", {"count": 1}),
        ("structuring", {"margin_percent": 100}),
        ("velocity", {"count": 2.5}),
        ("velocity", {"hours": 0}),
        ("velocity", {"hours": 24 * 91}),
        ("velocity", {"worth": "1e30"}),
        ("pass_through", {"out_percent": 101}),
        ("dormant_large", {"days": 401}),
        ("shared_marks", {"kinds": []}),
        ("shared_marks", {"kinds": ["card", "card"]}),
        ("shared_marks", {"kinds": ["shoe"]}),
        ("card_country", {"allowed": ["England"]}),
        ("wash", {"speed": 3}),
    ],
)
def test_an_impossible_threshold_is_refused_with_its_name(rule: RuleName, values: dict[str, Any]) -> None:
    with pytest.raises(ThresholdImpossible) as refused:
        read_parameters(rule, values)
    assert refused.value.field == "parameters"
    assert next(iter(values)) in refused.value.message


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_parameters_are_written_as_they_are_read(rule: RuleName) -> None:
    usual = KINDS[rule]()
    assert read_parameters(rule, written(usual)) == usual
    assert read_parameters(rule, {}) == usual


def test_settings_of_a_command_line_are_read_as_their_kind() -> None:
    changed = with_settings("velocity", {"count": 5}, ["worth=1234.56", "hours=12"])
    assert written(changed) == {"count": 5, "worth": "1234.56", "hours": 12}
    assert written(with_settings("card_country", {}, ["allowed=IE,FR"]))["allowed"] == ("IE", "FR")
    for wrong in ("speed=3", "hours", "hours=soon", "worth=much", "count=1"):
        with pytest.raises(ThresholdImpossible):
            with_settings("velocity", {}, [wrong])


def test_scores_grow_with_what_was_counted() -> None:
    score: Callable[[int], int] = lambda times: (  # noqa: E731  one line
        found.score if (found := said("velocity", *[fact("deposit", "10") for _ in range(times)])) else 0
    )
    scores = [score(times) for times in (19, 20, 30, 40, 80)]
    assert scores == sorted(scores)
    assert (scores[0], scores[1], scores[-1]) == (0, 50, 100)
