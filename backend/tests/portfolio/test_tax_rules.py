"""Matching disposals: HMRC's own worked examples, first in first out, and what must hold for any history.

The manual (CRYPTO22251 to CRYPTO22256) rounds to whole pounds; so do the comparisons here.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.kernel.money import plain
from bitcurrent.portfolio.tax.model import Dealing, Match, Method, Result, match


def dealt(day: str, quantity: int | str, pounds: int | str, *, hour: int = 12) -> Dealing:
    """A purchase, or with a negative quantity a sale, at that hour."""
    amount = Decimal(quantity)
    on = date.fromisoformat(day)
    return Dealing(
        at=datetime.combine(on, time(hour), UTC),
        day=on,
        asset="TOK",
        acquired=amount > 0,
        quantity=abs(amount),
        worth=Decimal(pounds),
    )


def pounds(amount: Decimal) -> int:
    """As the manual rounds."""
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def told(result: Result) -> list[tuple[str, str, int, int]]:
    """Day, rule, quantity and gain of each match."""
    return [(one.disposed_on.isoformat(), one.rule, int(one.quantity), pounds(one.gain)) for one in result.matches]


def costs(result: Result) -> list[tuple[str, str]]:
    """Rule, quantity @ cost of each match, as text."""
    return [(one.rule, f"{plain(one.quantity)} cost {plain(one.cost)}") for one in result.matches]


def left(result: Result) -> tuple[int, int]:
    """The pool's quantity and cost."""
    (holding,) = result.holdings
    return int(holding.quantity), pounds(holding.cost)


def uk(*dealings: Dealing) -> Result:
    return match(dealings, "uk")


def test_crypto22251_a_sale_from_the_pool() -> None:
    result = uk(dealt("2016-01-01", 100, 1_000), dealt("2017-12-01", 50, 125_000), dealt("2018-06-01", -50, 300_000))
    assert [pounds(one.cost) for one in result.matches] == [42_000]
    assert told(result) == [("2018-06-01", "pool", 50, 258_000)]
    assert left(result) == (100, 84_000)


def test_crypto22252_sales_and_a_purchase_of_the_same_day() -> None:
    result = uk(
        dealt("2020-01-01", 5_000, 500),
        dealt("2020-06-23", -1_000, 800, hour=9),
        dealt("2020-06-23", 1_600, 1_000, hour=14),
        dealt("2020-06-23", -500, 600, hour=20),
    )
    (one,) = result.matches
    assert costs(result) == [("same_day", "1500 cost 937.5")]
    assert one.gain == Decimal("462.5")  # the manual rounds the cost first and says 462
    assert result.holdings[0].cost == Decimal("562.5")
    assert result.holdings[0].quantity == 5_100


def test_crypto22253_purchases_within_thirty_days() -> None:
    result = uk(
        dealt("2020-01-01", 2_000, 1_000),
        dealt("2020-03-31", -1_000, 400),
        dealt("2020-04-20", -500, 150),
        dealt("2020-04-21", 700, 175),
        dealt("2020-04-28", 500, 100),
        dealt("2020-05-01", 500, 150),
    )
    assert told(result) == [
        ("2020-03-31", "thirty_days", 700, 105),
        ("2020-03-31", "thirty_days", 300, 60),
        ("2020-04-20", "thirty_days", 200, 20),
        ("2020-04-20", "thirty_days", 300, 0),
    ]
    assert left(result) == (2_200, 1_060)


def test_crypto22254_the_same_day_and_the_pool() -> None:
    day = "2020-01-31"
    result = uk(
        dealt("2019-01-01", 8_000, 1_000),
        dealt(day, -5_000, 500, hour=8),
        dealt(day, 4_000, 320, hour=9),
        dealt(day, 1_000, 75, hour=10),
        dealt(day, 1_000, 70, hour=11),
        dealt(day, -2_000, 142, hour=12),
        dealt(day, 500, 35, hour=13),
    )
    assert costs(result) == [("same_day", "6500 cost 500"), ("pool", "500 cost 62.5")]
    assert sum(one.gain for one in result.matches) == Decimal("79.5")  # the manual rounds the cost first: 79
    assert left(result) == (7_500, 938)


def test_crypto22255_thirty_days_and_the_pool() -> None:
    result = uk(
        dealt("2018-01-01", 14_000, 200_000), dealt("2018-08-30", -4_000, 160_000), dealt("2018-09-11", 500, 17_500)
    )
    assert [(one.rule, pounds(one.cost)) for one in result.matches] == [("thirty_days", 17_500), ("pool", 50_000)]
    assert sum(pounds(one.gain) for one in result.matches) == 92_500
    assert left(result) == (10_500, 150_000)


def test_crypto22256_all_three_rules() -> None:
    result = uk(
        dealt("2018-01-01", 100_000, 300_000),
        dealt("2018-07-31", 10_000, 45_000, hour=9),
        dealt("2018-07-31", -30_000, 150_000, hour=15),
        dealt("2018-08-05", -20_000, 100_000),
        dealt("2018-08-06", 50_000, 225_000),
        dealt("2018-08-07", -100_000, 150_000),
    )
    assert [(day, rule, quantity) for day, rule, quantity, _ in told(result)] == [
        ("2018-07-31", "same_day", 10_000),
        ("2018-07-31", "thirty_days", 20_000),
        ("2018-08-05", "thirty_days", 20_000),
        ("2018-08-07", "pool", 100_000),
    ]
    gains = [pounds(one.gain) for one in result.matches]
    assert (gains[0] + gains[1], gains[2], gains[3]) == (15_000, 10_000, -163_636)
    assert left(result) == (10_000, 31_364)


def test_a_purchase_on_the_thirty_first_day_goes_to_the_pool() -> None:
    sale = dealt("2024-03-01", -10, 100)
    within = uk(dealt("2024-01-01", 10, 50), sale, dealt("2024-03-31", 10, 90))
    beyond = uk(dealt("2024-01-01", 10, 50), sale, dealt("2024-04-01", 10, 90))
    assert [one.rule for one in within.matches] == ["thirty_days"]
    assert [one.rule for one in beyond.matches] == ["pool"]


def test_a_fee_of_a_sale_is_a_cost() -> None:
    sale = Dealing(
        at=datetime(2024, 5, 1, tzinfo=UTC),
        day=date(2024, 5, 1),
        asset="TOK",
        acquired=False,
        quantity=Decimal(4),
        worth=Decimal(400),
        fee=Decimal(3),
    )
    (one,) = match([dealt("2024-01-01", 8, 200), sale], "uk").matches
    assert [plain(each) for each in (one.proceeds, one.cost, one.fee, one.gain)] == ["400", "100", "3", "297"]


def test_what_was_never_bought_here_has_no_cost_and_says_so() -> None:
    result = uk(dealt("2024-01-01", 2, 20), dealt("2024-06-01", -5, 100))
    assert costs(result) == [("pool", "2 cost 20"), ("unknown", "3 cost 0")]
    assert sum(one.proceeds for one in result.matches) == 100
    assert result.holdings == ()


def test_first_in_first_out_takes_the_oldest_lots() -> None:
    result = match(
        [
            dealt("2024-01-01", 10, 100),
            dealt("2024-02-01", 10, 200),
            dealt("2024-03-01", -15, 450),
            dealt("2024-03-02", 1, 40),
        ],
        "fifo",
    )
    assert [one.acquired_on for one in result.matches] == [date(2024, 1, 1), date(2024, 2, 1)]
    assert costs(result) == [("lot", "10 cost 100"), ("lot", "5 cost 100")]
    assert sum(one.gain for one in result.matches) == 250
    assert left(result) == (6, 140)


amounts = st.decimals(min_value="0.000000001", max_value="1000000", places=9)


@st.composite
def histories(draw: st.DrawFn) -> list[Dealing]:
    """Up to thirty dealings in two coins over three months; some sell what was never bought."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    made = []
    for number in range(draw(st.integers(1, 30))):
        at = start + timedelta(days=draw(st.integers(0, 90)), minutes=number)
        made.append(
            Dealing(
                at=at,
                day=at.date(),
                asset=draw(st.sampled_from(["BTC", "ETH"])),
                acquired=draw(st.booleans()),
                quantity=draw(amounts),
                worth=draw(amounts),
                fee=Decimal(0),
                reference=str(number),
            )
        )
    return made


def total(matches: Sequence[Match], asset: str, field: str) -> Decimal:
    return sum((getattr(one, field) for one in matches if one.asset == asset), Decimal(0))


@given(histories(), st.sampled_from(["uk", "fifo"]), st.randoms(use_true_random=False))
def test_nothing_is_lost_and_the_order_of_lines_does_not_matter(history, method: Method, random) -> None:  # type: ignore[no-untyped-def]  # Hypothesis gives them
    result = match(history, method)
    for asset in ("BTC", "ETH"):
        bought = [one for one in history if one.asset == asset and one.acquired]
        sold = [one for one in history if one.asset == asset and not one.acquired]
        held = next((one for one in result.holdings if one.asset == asset), None)
        matched = [one for one in result.matches if one.asset == asset]
        assert total(matched, asset, "quantity") == sum(one.quantity for one in sold)
        assert total(matched, asset, "proceeds") == sum(one.worth for one in sold)
        known = sum((one.quantity for one in matched if one.rule != "unknown"), Decimal(0))
        assert known + (held.quantity if held else 0) == sum(one.quantity for one in bought)
        assert total(matched, asset, "cost") + (held.cost if held else 0) == sum(one.worth for one in bought)
        assert held is None or (held.quantity > 0 and held.cost >= 0)
    shuffled = list(history)
    random.shuffle(shuffled)
    assert match(shuffled, method) == result
