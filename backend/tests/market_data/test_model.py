"""What can be said about markets and quotes without asking anyone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from bitcurrent.kernel.clock import now
from bitcurrent.market_data.board import PriceBoard, encode_message, message_of, read_message
from bitcurrent.market_data.model import (
    InvalidTimeframe,
    Market,
    MarketIndex,
    Quote,
    QuoteUnavailable,
    UnknownMarket,
    parse_timeframe,
    reference_price,
)


def market(symbol: str, number: int = 1) -> Market:
    base, _, quote = symbol.partition("/")
    return Market(
        symbol=symbol,
        venue_asset_id=UUID(int=number),
        name=base,
        base=base,
        quote=quote,
        min_order_size=Decimal("0.0001"),
        min_trade_increment=Decimal("0.000000001"),
        price_increment=Decimal("0.01"),
        tradable=True,
        halted_reason=None,
        updated_at=now(),
    )


def quote(bid: str, ask: str, *, at: datetime, seen_at: datetime | None = None, last: str | None = None) -> Quote:
    return Quote(
        symbol="BTC/USD",
        bid=Decimal(bid),
        ask=Decimal(ask),
        bid_size=Decimal(1),
        ask_size=Decimal(1),
        last=None if last is None else Decimal(last),
        at=at,
        last_at=None if last is None else at,
        seen_at=seen_at or at,
    )


@pytest.mark.parametrize(
    "name", ["BTC/USD", "BTC-USD", "BTCUSD", "btc/usd", "btc-usd", "btcusd", "00000000-0000-0000-0000-000000000001"]
)
def test_a_market_is_found_by_every_spelling(name: str) -> None:
    assert MarketIndex([market("BTC/USD"), market("ETH/USD", 2)]).find(name).symbol == "BTC/USD"


@pytest.mark.parametrize("name", ["", "BTC", "BTC_USD", "BTC/EUR", "BTC/USD ", "\x00", "🪙/USD", "x" * 10_000])
def test_what_is_no_market_is_refused_shortly(name: str) -> None:
    with pytest.raises(UnknownMarket) as refused:
        MarketIndex([market("BTC/USD")]).find(name)
    assert len(refused.value.message) < 250


def test_a_spelling_that_could_mean_two_markets_means_none() -> None:
    index = MarketIndex([market("AB/CUSD", 1), market("ABC/USD", 2)])
    assert index.find("ABC-USD").symbol == "ABC/USD"
    with pytest.raises(UnknownMarket):
        index.find("ABCUSD")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1Min", "1Min"),
        ("5min", "5Min"),
        ("5T", "5Min"),
        ("15m", "15Min"),
        ("1H", "1Hour"),
        ("4hour", "4Hour"),
        ("1D", "1Day"),
        ("1w", "1Week"),
        ("1M", "1Month"),
        ("1Month", "1Month"),
        ("01Day", "1Day"),
    ],
)
def test_timeframes_are_read_as_the_venue_and_charts_write_them(text: str, name: str) -> None:
    assert parse_timeframe(text).name == name


@pytest.mark.parametrize("text", ["", "7Min", "1Year", "Min", "-1Min", "1.5Hour", "0Min", "٥Min", "1Min; DROP"])
def test_other_timeframes_are_refused_with_the_list(text: str) -> None:
    with pytest.raises(InvalidTimeframe) as refused:
        parse_timeframe(text)
    assert "15Min" in refused.value.details["allowed"]


def test_an_older_quote_that_differs_neither_replaces_nor_confirms_a_newer_one() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    newer = quote("101", "102", at=start + timedelta(seconds=5), last="101.5")
    older = quote("1", "2", at=start, seen_at=start + timedelta(seconds=9), last="1.5")
    assert newer.merged_with(older) == newer


def test_the_same_quote_seen_again_is_confirmed() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    held = quote("101", "102", at=start)
    merged = held.merged_with(quote("101", "102", at=start, seen_at=start + timedelta(hours=1)))
    assert (merged.at, merged.seen_at) == (start, start + timedelta(hours=1))


def test_a_quote_with_a_wrong_clock_does_not_stay_for_ever() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    board = PriceBoard()
    board.put_quote(quote("1", "2", at=start + timedelta(hours=1), seen_at=start))
    assert board.put_quote(quote("101", "102", at=start + timedelta(seconds=1))).bid == Decimal(101)
    slightly_ahead = quote("1", "2", at=start + timedelta(seconds=9), seen_at=start + timedelta(seconds=2))
    board.put_quote(slightly_ahead)
    seen = start + timedelta(seconds=3)
    while board.quotes["BTC/USD"].bid != Decimal(103):
        assert seen - start < timedelta(seconds=70)
        assert board.quotes["BTC/USD"].seen_at == slightly_ahead.seen_at  # not confirmed by what differs
        seen += timedelta(seconds=5)
        board.put_quote(quote("103", "104", at=start + timedelta(seconds=3), seen_at=seen))


def test_the_reference_price_is_what_the_customer_would_pay_or_get() -> None:
    moment = now()
    held = quote("100", "102", at=moment, last="99")
    prices = [reference_price(held, side=side, age_seconds_max=5).price for side in ("buy", "sell", None)]
    assert prices == [Decimal(102), Decimal(100), Decimal(101)]


def test_an_old_reference_price_is_given_and_called_old() -> None:
    old = quote("100", "102", at=now() - timedelta(seconds=20))
    found = reference_price(old, side="buy", age_seconds_max=15)
    assert not found.is_fresh
    assert 20 <= found.age_seconds < 21


def test_an_empty_side_has_no_price() -> None:
    empty = quote("100", "0", at=now())
    with pytest.raises(QuoteUnavailable):
        reference_price(empty, side="buy", age_seconds_max=5)
    with pytest.raises(QuoteUnavailable):
        reference_price(empty, side=None, age_seconds_max=5)
    assert reference_price(empty, side="sell", age_seconds_max=5).price == Decimal(100)


def test_a_quote_travels_without_loss_and_without_exponents() -> None:
    sent = quote("0.00000000010", "65000.000000000000000001", at=now(), last="1E-10")
    body = encode_message(message_of([sent]))
    assert b'"bid":"0.0000000001"' in body
    assert b"E-" not in body
    board = PriceBoard()
    (received,) = board.put_message(read_message(body))
    assert received == sent


def test_the_board_counts_changes_of_figures_and_not_of_age() -> None:
    board, moment = PriceBoard(), now()
    board.put_quote(quote("1", "2", at=moment))
    before = board.version
    board.put_quote(quote("1", "2", at=moment, seen_at=moment + timedelta(seconds=3)))
    assert board.version == before
    assert board.heard_at == moment + timedelta(seconds=3)
    board.put_quote(quote("1", "3", at=moment + timedelta(seconds=4)))
    assert board.version == before + 1
