"""Prices: one coherent series for history and for now, the same after a restart, and replayed from real candles."""

import gzip
import json
import math
import statistics
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from bitcurrent_sandbox.alpaca.assets import COINS
from bitcurrent_sandbox.alpaca.candles import DAY, HOUR, MINUTE, merge, of_trades
from bitcurrent_sandbox.alpaca.prices import MarketFactor, SyntheticSource
from tests.contract.sandbox.conftest import Venue
from tests.support.sandbox import start_sandbox

TODAY = int(time.time()) // DAY
MARKET = MarketFactor(7)
SOURCES = {coin.symbol: SyntheticSource(coin, MARKET) for coin in COINS}


def returns(symbol: str, level: int, first: int, count: int) -> list[float]:
    candles = [SOURCES[symbol].candle(level, first + place) for place in range(count)]
    return [math.log(candle.c / candle.o) for candle in candles if candle]


@pytest.mark.parametrize("coin", COINS, ids=lambda coin: coin.code)
def test_a_days_hours_minutes_leaves_and_trades_add_up_to_it_exactly(coin: Any) -> None:
    source, day = SOURCES[coin.symbol], TODAY - 2
    whole = source.candle(DAY, day)
    assert whole is not None
    for level in (HOUR, MINUTE):
        parts = [source.candle(level, day * DAY // level + place) for place in range(DAY // level)]
        assert merge(part for part in parts if part) == whole
        for part in parts:
            assert part is not None
            assert 0 < part.low <= min(part.o, part.c) <= max(part.o, part.c) <= part.h
            assert part.v > 0
    minute = day * DAY // MINUTE + 777
    trades = [trade for place in range(12) for trade in source.trades(minute * 12 + place)]
    assert of_trades(trades) == source.candle(MINUTE, minute)
    assert all(a.at <= b.at and a.id < b.id for a, b in pairwise(trades))


def test_volatility_clusters_and_coins_move_together() -> None:
    minutes = {s: returns(s, MINUTE, (TODAY - 6) * 1440, 5 * 1440) for s in ("BTC/USD", "ETH/USD", "USDC/USD")}
    sizes = [abs(change) for change in minutes["BTC/USD"]]
    assert statistics.correlation(sizes[1:], sizes[:-1]) > 0.1
    assert statistics.correlation(minutes["BTC/USD"], minutes["ETH/USD"]) > 0.15
    days = {s: returns(s, DAY, TODAY - 400, 400) for s in ("BTC/USD", "ETH/USD", "USDC/USD")}
    assert 0.01 < statistics.stdev(days["BTC/USD"]) < 0.05
    assert statistics.correlation(days["BTC/USD"], days["ETH/USD"]) > 0.5
    assert max(abs(change) for change in days["USDC/USD"]) < 0.01


def test_another_seed_is_another_market() -> None:
    other = SyntheticSource(COINS[0], MarketFactor(8))
    assert other.candle(DAY, TODAY - 1) != SOURCES["BTC/USD"].candle(DAY, TODAY - 1)


def bars(url: str, timeframe: str, start: datetime, end: datetime, **more: Any) -> list[Any]:
    query = {"symbols": "BTC/USD", "timeframe": timeframe, "start": start.isoformat(), "end": end.isoformat()}
    found: list[Any] = []
    token = None
    for _ in range(200):
        page: dict[str, str] = {"page_token": token} if token else {}
        answer = httpx.get(f"{url}/alpaca/v1beta3/crypto/us/bars", params=query | more | page, timeout=30)
        assert answer.status_code == 200, answer.text
        found += answer.json()["bars"].get("BTC/USD", [])
        token = answer.json()["next_page_token"]
        if token is None:
            return found
    raise AssertionError("too many pages")


def joined(parts: list[Any]) -> tuple[float, float, float, float, float, int]:
    return (
        parts[0]["o"], max(bar["h"] for bar in parts), min(bar["l"] for bar in parts), parts[-1]["c"],
        round(sum(bar["v"] for bar in parts), 6), sum(bar["n"] for bar in parts),
    )  # fmt: skip


def test_history_is_coherent_over_timeframes_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = midnight - timedelta(days=95), midnight - timedelta(seconds=1)
    with start_sandbox(data=tmp_path) as first:
        days = bars(first.url, "1Day", start, end)
        assert len(days) == 95
        assert joined(bars(first.url, "1Hour", start, end)) == joined(days)
        a_day = (midnight - timedelta(days=1), end)
        minutes = bars(first.url, "1Min", *a_day, limit=500)
        assert len(minutes) == 1440
        for timeframe, count in (("5Min", 288), ("7T", 206), ("15min", 96), ("4H", 6), ("1D", 1)):
            frames = bars(first.url, timeframe, *a_day)
            assert (len(frames), joined(frames)) == (count, joined(minutes))
        assert bars(first.url, "1Min", *a_day, sort="desc", limit=700) == minutes[::-1]
        weeks = bars(first.url, "1Week", start, end)
        assert all(datetime.fromisoformat(week["t"]).weekday() == 0 for week in weeks)
        months = bars(first.url, "1Month", start.replace(day=1), end)
        assert [month["t"][8:10] for month in months] == ["01"] * len(months)
        assert (
            joined(bars(first.url, "1Day", start.replace(day=1), end))[1:3] == joined(months)[1:3] or midnight.day > 1
        )
        first.control("jump", symbol="BTC/USD", percent="10")
        today = bars(first.url, "1Min", midnight, datetime.now(UTC))
    with start_sandbox(data=tmp_path) as second:
        assert bars(second.url, "1Day", start, end) == days
        again = bars(second.url, "1Min", midnight, datetime.now(UTC))
        # The minute that was still running has gone on; all before it is as it was, with the jump in it.
        assert again[: len(today) - 1] == today[:-1]
        snapshot = httpx.get(f"{second.url}/alpaca/v1beta3/crypto/us/snapshots?symbols=BTC/USD").json()
        last = snapshot["snapshots"]["BTC/USD"]
        assert last["dailyBar"]["c"] == last["latestTrade"]["p"]
        assert last["dailyBar"]["o"] == days[-1]["c"]
        assert last["latestTrade"]["p"] > again[0]["o"] * 1.02


def test_mistakes_in_a_query_are_named(venue: Venue) -> None:
    for query, words in (
        ("symbols=BTC/USD", "invalid timeframe"),
        ("symbols=BTC/USD&timeframe=60Min", "invalid timeframe"),
        ("symbols=BTC/USD&timeframe=5Month", "invalid timeframe"),
        ("timeframe=1Min", "symbols is required"),
        ("symbols=NOPE&timeframe=1Min", "invalid symbol: NOPE"),
        ("symbols=BTC/USD&timeframe=1Min&limit=10001", "invalid limit"),
        ("symbols=BTC/USD&timeframe=1Min&start=yesterday", "invalid start"),
        ("symbols=BTC/USD&timeframe=1Min&page_token=%21", "invalid page_token"),
    ):
        answer = venue.http.get(f"/v1beta3/crypto/us/bars?{query}")
        assert answer.status_code == 400
        assert words in answer.json()["message"]


def candle_rows() -> list[str]:
    rows, price = [], 20_000.0
    for minute in range(120):
        close = price * (1 + math.sin(minute) / 200)
        high, low = max(price, close) * 1.001, min(price, close) * 0.999
        at = datetime(2023, 3, 1, tzinfo=UTC) + timedelta(minutes=minute)
        rows.append(f"{at},{price:.2f},{high:.2f},{low:.2f},{close:.2f},{1 + minute % 7}.5")
        price = close
    return rows


def test_replayed_candles_are_the_coins_minutes(tmp_path: Path) -> None:
    rows = candle_rows()
    file = tmp_path / "candles.csv.gz"
    with gzip.open(file, "wt") as out:
        out.write("\n".join(["open_time,open,high,low,close,volume", *rows]))
    began = datetime.now(UTC).replace(second=0, microsecond=0)
    with start_sandbox("--replay", str(file), "--speed", "6000", data=tmp_path / "data") as sandbox:
        # At 6000 candles a minute the whole file passes in the minute's first five seconds, whose last trade, the
        # close, is told in the fourth of them: a sandbox started at once after the full minute has not told it yet.
        time.sleep(max(0.0, 5.5 - (datetime.now(UTC) - began).total_seconds()))
        minute = bars(sandbox.url, "1Min", began, began + timedelta(seconds=59))[0]
        cells = [row.split(",") for row in rows]
        assert minute["o"] == float(cells[0][1])
        assert minute["h"] == max(float(cell[2]) for cell in cells)
        assert minute["l"] == min(float(cell[3]) for cell in cells)
        assert minute["c"] == float(cells[-1][4])
        before = bars(sandbox.url, "1Min", began - timedelta(minutes=1), began - timedelta(seconds=1))[0]
        assert before["c"] == pytest.approx(minute["o"], rel=0.001)
        eth = httpx.get(f"{sandbox.url}/alpaca/v1beta3/crypto/us/latest/trades?symbols=ETH/USD").json()
        assert eth["trades"]["ETH/USD"]["p"] > 0


def test_a_file_that_is_no_candles_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("open_time,open,high,low,close,volume\n2023-03-01,1,2,0.5,1,1\n2023-03-01,1,2,0.5,1,1\n")
    with pytest.raises(RuntimeError, match="line 3"), start_sandbox("--replay", str(file), data=tmp_path / "data"):
        pass


def test_the_shapes_are_documents_of_their_own() -> None:
    folder = Path(__file__).parent.parent / "alpaca"
    for file in folder.glob("*.json"):
        assert json.loads(file.read_text())["$defs"]
