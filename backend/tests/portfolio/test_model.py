"""The figures of a portfolio, without any server."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bitcurrent.ledger.model import Balance
from bitcurrent.portfolio.model import Portfolio, Position, Price, percent
from bitcurrent.trading.model import TradedPosition

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def position(
    quantity: str = "2",
    *,
    bought: str = "2",
    cost: str = "100",
    realized: str = "0",
    price: str | None = "60",
    day_before: str | None = "40",
    coin: str = "BTC",
    stale: bool = False,
    at: datetime = NOON,
) -> Position:
    before = Decimal(day_before) if day_before else None
    return Position(
        balance=Balance(currency=coin, available=Decimal(quantity), held=Decimal(0)),
        traded=TradedPosition(currency=coin, quantity=Decimal(bought), cost=Decimal(cost), realized=Decimal(realized)),
        price=Price(price=Decimal(price), at=at, stale=stale, day_before=before) if price else None,
    )


def portfolio(*positions: Position, cash: str = "50") -> Portfolio:
    balance = Balance(currency="USD", available=Decimal(cash), held=Decimal(0))
    return Portfolio(as_of=NOON, cash=balance, positions=positions)


def test_a_gain_is_worth_less_cost() -> None:
    found = position()
    assert [found.value, found.average_cost, found.unrealized, found.unrealized_percent] == [120, 50, 20, 20]
    assert [found.day_change, found.day_change_percent] == [40, 50]


def test_a_loss_is_negative() -> None:
    found = position(price="30", day_before="40")
    assert [found.unrealized, found.unrealized_percent] == [-40, -40]
    assert [found.day_change, found.day_change_percent] == [-20, -25]


def test_coins_that_were_given_have_no_cost_and_no_unrealized_gain() -> None:
    found = position("3", bought="0", cost="0")
    assert [found.value, found.average_cost, found.cost, found.unrealized] == [180, None, 0, 0]
    assert found.unrealized_percent is None


def test_coins_that_went_without_a_sale_took_their_cost_along() -> None:
    found = position("1", bought="2", cost="100")
    assert [found.cost, found.average_cost, found.unrealized] == [50, 50, 10]


def test_without_a_price_nothing_is_guessed() -> None:
    found = position(price=None)
    assert [found.value, found.unrealized, found.unrealized_percent, found.day_change] == [None, None, None, None]
    whole = portfolio(found)
    assert [whole.total, whole.unpriced, whole.stale] == [50, ("BTC",), True]
    assert whole.priced_at is None


def test_without_yesterdays_price_the_day_is_not_guessed() -> None:
    found = position(day_before=None)
    assert [found.day_change, found.day_change_percent] == [None, None]


def test_a_portfolio_is_the_sum_of_cash_and_coins() -> None:
    gone = position("0", bought="0", cost="0", realized="7.5", coin="LTC")
    whole = portfolio(position(), position("10", bought="10", cost="10", price="3", day_before="3", coin="ETH"), gone)
    assert [whole.coins_value, whole.total] == [150, 200]
    assert [whole.unrealized, whole.realized] == [40, Decimal("7.5")]
    assert [whole.day_change, whole.day_change_percent] == [40, 25]
    assert [whole.share_of(owned) for owned in whole.owned] == [60, 15]
    assert [owned.currency for owned in whole.owned] == ["BTC", "ETH"]


def test_the_oldest_price_and_the_stalest_say_how_far_to_trust_the_total() -> None:
    whole = portfolio(position(), position(coin="ETH", at=NOON - timedelta(minutes=5), stale=True))
    assert whole.priced_at == NOON - timedelta(minutes=5)
    assert whole.stale
    assert not portfolio(position()).stale
    assert not portfolio().stale
    assert portfolio().priced_at is None


def test_nothing_is_lost_beyond_the_twenty_eight_digits_of_ordinary_decimals() -> None:
    balance = Balance(
        currency="SHIB", available=Decimal("98765432109876543210.123456789012345678"), held=Decimal("1e-18")
    )
    assert balance.total == Decimal("98765432109876543210.123456789012345679")


@pytest.mark.parametrize(("part", "whole", "expected"), [("1", "3", "33.33"), ("-1", "3", "-33.33"), ("1", "0", None)])
def test_percents_have_two_decimals_and_need_a_whole(part: str, whole: str, expected: str | None) -> None:
    assert percent(Decimal(part), Decimal(whole)) == (Decimal(expected) if expected else None)
