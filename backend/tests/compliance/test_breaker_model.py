"""The circuit breaker's judgement over tapes of prices, and over days of the sandbox's own."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bitcurrent.compliance.breakers.model import Rule, Tape, choose, replay, words_of
from bitcurrent.compliance.breakers.service import check_rule
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.money import ROUGH

START = datetime(2026, 1, 1, tzinfo=UTC)
JUMP = Rule(
    version=1, kind="jump", asset=None, stops="trading", percent=Decimal(10), within_seconds=60, calm_seconds=300,
    resume="calm",
)  # fmt: skip
STALE = replace(JUMP, version=2, kind="stale", stops="order_market", percent=None, calm_seconds=15)


def after(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def tape(*prices: int, every: int = 1) -> Tape:
    made = Tape()
    for number, price in enumerate(prices):
        made.hear(after(number * every), Decimal(price))
    return made


@pytest.mark.parametrize("price", [89, 111, 1])
def test_a_price_a_tenth_away_from_what_was_usual_is_a_jump(price: int) -> None:
    seen = tape(*[100] * 30, price).jump(JUMP)
    assert seen is not None
    assert (seen.price, seen.usual) == (Decimal(price), Decimal(100))


@pytest.mark.parametrize("price", [91, 100, 110])
def test_less_is_none(price: int) -> None:
    assert tape(*[100] * 30, price).jump(JUMP) is None


def test_a_price_that_wanders_far_in_minutes_is_no_jump() -> None:
    assert all(tape(*range(100, 100 + n), every=30).jump(JUMP) is None for n in range(1, 100))


def test_few_prices_say_nothing() -> None:
    assert tape(100, 100, 100, 200).jump(JUMP) is None


def test_prices_from_before_the_window_say_nothing() -> None:
    quiet = tape(*[100] * 30)
    quiet.hear(after(29 + 61), Decimal(200))
    assert quiet.jump(JUMP) is None


def test_older_news_than_the_newest_says_nothing() -> None:
    late = tape(*[100] * 30)
    late.hear(after(3), Decimal(500))
    assert late.jump(JUMP) is None


def test_one_wild_price_that_goes_back_is_a_jump_all_the_same_and_calm_is_counted_from_it() -> None:
    one = tape(*[100] * 30, 150)
    assert one.jump(JUMP) is not None
    for second in range(31, 31 + 300):
        one.hear(after(second), Decimal(100))
        assert one.jump(JUMP) is None
        assert not one.has_calmed(JUMP, after(second - 1), since=after(30))
    one.hear(after(331), Decimal(100))
    assert one.has_calmed(JUMP, after(331), since=after(30))


def test_it_has_not_calmed_down_while_no_price_comes() -> None:
    one = tape(*[100] * 30, 150)
    assert one.jump(JUMP) is not None
    assert not one.has_calmed(JUMP, after(4_000), since=after(30))


def test_a_price_is_stale_when_nobody_confirmed_it_and_fresh_again_after_a_while() -> None:
    one = tape(100, 100)
    assert not one.is_stale(STALE, after(61))
    assert one.is_stale(STALE, after(62))
    one.hear(after(70), Decimal(100))
    assert not one.is_stale(STALE, after(70))
    assert not one.has_freshened(STALE, after(76), since=after(62))
    assert one.has_freshened(STALE, after(77), since=after(62))
    assert not Tape().is_stale(STALE, after(9_999))


def test_an_assets_own_rule_goes_before_that_of_all_and_may_say_that_nothing_is_stopped() -> None:
    own = replace(JUMP, version=2, asset="DOGE", percent=Decimal(30))
    none = replace(JUMP, version=3, asset="SHIB", stops=None)
    newer = replace(JUMP, version=4, percent=Decimal(12))
    rules = [newer, none, own, JUMP]
    assert choose(rules, kind="jump", asset="DOGE") == own
    assert choose(rules, kind="jump", asset="SHIB") is None
    assert choose(rules, kind="jump", asset="BTC") == newer
    assert choose(rules, kind="stale", asset="BTC") is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"percent": Decimal(0)}, "percent"),
        ({"percent": Decimal(101)}, "percent"),
        ({"percent": None}, "percent"),
        ({"within_seconds": 1}, "within_seconds"),
        ({"within_seconds": 86_400}, "within_seconds"),
        ({"calm_seconds": 0}, "calm_seconds"),
        ({"stops": "bonus"}, "stops"),
        ({"kind": "stale"}, "percent"),
    ],
)
def test_a_rule_with_an_impossible_threshold_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_rule(replace(JUMP, **changes))  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.field == field


def test_customers_read_why_and_how_it_goes_on() -> None:
    assert words_of(JUMP, "BTC") == (
        "Trading in BTC is stopped for now: the price moved by more than 10% within 60 seconds. "
        "It goes on by itself once it has calmed down. Open orders can be canceled."
    )
    assert words_of(replace(STALE, resume="operator"), None) == (
        "Market orders are stopped for now: we get no fresh prices. "
        "We are looking into it. Open orders can be canceled."
    )


def walk(seed: int, *, bends: dict[int, Decimal]) -> Iterator[tuple[datetime, Decimal]]:
    """Three hours of prices, one a second: within 0.05% of the last, and bent at some moments."""
    chance, price = random.Random(seed), Decimal(50_000)
    for second in range(10_800):
        step = Decimal(chance.randint(-50, 50)) / 100_000
        price = ROUGH.multiply(price, 1 + step + bends.get(second, Decimal(0)))
        yield after(second), price


def test_over_hours_it_stops_at_every_bend_and_nowhere_else() -> None:
    bends = {2_000: Decimal("-0.12"), 4_000: Decimal("0.05"), 6_000: Decimal("0.15"), 9_000: Decimal("-0.5")}
    stopped = [round((at - START).total_seconds()) for at, _ in replay(JUMP, walk(1, bends=bends))]
    assert stopped == [2_000, 6_000, 9_000]
    assert replay(JUMP, walk(2, bends={})) == []
