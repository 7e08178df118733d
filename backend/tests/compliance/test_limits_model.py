"""Which rule counts, what is left of it, and when room comes free: decided without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from bitcurrent.compliance.limits.model import (
    Level,
    LimitExceeded,
    Measure,
    Period,
    Rule,
    Scope,
    Usage,
    choose,
    decide,
    stand,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ANN = UUID(int=1)


def rule(
    version: int,
    maximum: int | None,
    *,
    period: Period = "day",
    measure: Measure = "worth",
    level: Level | None = None,
    asset: str | None = None,
    user_id: UUID | None = None,
) -> Rule:
    scope = Scope(product="card_deposit", period=period, measure=measure, level=level, asset=asset, user_id=user_id)
    most = None if maximum is None else Decimal(maximum)
    return Rule(version=version, scope=scope, maximum=most, effective_from=NOON)


def test_the_newest_rule_of_a_scope_counts() -> None:
    assert [one.version for one in choose([rule(1, 100), rule(3, 50), rule(2, 70)])] == [3]


def test_the_one_that_came_into_force_last_is_the_newest() -> None:
    early = replace(rule(2, 70), effective_from=NOON - timedelta(days=1))
    assert [one.version for one in choose([rule(1, 100), early])] == [1]


def test_a_customers_own_rule_goes_before_a_levels_and_that_before_everybodys() -> None:
    everybody, level, own = rule(1, 10), rule(2, 20, level="basic"), rule(3, 5_000, user_id=ANN)
    assert choose([everybody, level]) == [level]
    assert choose([own, level, everybody]) == [own]


def test_a_withdrawn_rule_gives_way_to_the_next_one() -> None:
    level, own = rule(1, 20, level="basic"), rule(2, 5_000, user_id=ANN)
    assert choose([level, own, rule(3, None, user_id=ANN)]) == [level]


def test_a_rule_for_one_asset_stands_beside_that_for_all() -> None:
    both = choose([rule(1, 100), rule(2, 1, measure="amount", asset="BTC"), rule(3, 2, period="single")])
    assert [one.version for one in both] == [3, 1, 2]


def test_what_is_left_is_the_maximum_less_what_was_used_and_never_negative() -> None:
    usage = Usage(worth=Decimal(80), count=3, oldest=NOON)
    standing = stand(rule(1, 100), usage)
    assert (standing.used, standing.left) == (Decimal(80), Decimal(20))
    assert standing.frees_at == NOON + timedelta(hours=24)
    assert stand(rule(1, 50), usage).left == 0
    assert stand(rule(1, 2, measure="count"), usage).left == 0
    assert stand(rule(1, 2), Usage()).frees_at is None


def test_exactly_the_limit_passes_and_a_cent_more_does_not() -> None:
    standing = [stand(rule(7, 100), Usage(worth=Decimal(60), count=1, oldest=NOON))]
    assert decide(standing, amount=Decimal(40), worth=Decimal(40), field="amount").version == 7
    with pytest.raises(LimitExceeded) as refused:
        decide(standing, amount=Decimal("40.01"), worth=Decimal("40.01"), field="amount")
    assert refused.value.details == {
        "product": "card_deposit",
        "period": "day",
        "measure": "worth",
        "unit": "USD",
        "limit": "100",
        "used": "60",
        "left": "40",
        "asked": "40.01",
        "rule_version": "7",
        "level": "any",
        "frees_at": "2026-06-02T12:00:00+00:00",
    }
    assert "at most 100 USD in 24 hours; 40 is left until 2026-06-02 12:00 UTC" in refused.value.message


def test_without_rules_everything_passes_as_version_zero() -> None:
    assert decide([], amount=Decimal(1), worth=Decimal(10**9), field="amount").version == 0
