"""/api/markets over the real application and the sandbox venue."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest
from litestar import Litestar

from bitcurrent.kernel.clock import now
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.market_data.service import MarketData
from tests.market_data.conftest import eventually, times_asked
from tests.support.brokerage import running_api, settings_for
from tests.support.sandbox import Sandbox


@pytest.fixture
async def api(
    module_database_urls: DatabaseUrls, redis_url: str, venue: Sandbox
) -> AsyncIterator[tuple[httpx.AsyncClient, Litestar]]:
    """The application with the venue's markets and prices known; the database is the module's."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Any] = loop.create_future()
    finished = asyncio.Event()

    async def hold() -> None:
        async with running_api(settings_for(module_database_urls, redis_url, venue)) as (client, app):
            await market_data_of(app).sync_markets()
            await eventually(lambda: market_data_of(app).day("BTC/USD") is not None, seconds=15, what="prices")
            opened.set_result((client, app))
            await finished.wait()

    # A task of its own: what opens the application's task group must also be what closes it.
    holder: asyncio.Future[Any] = asyncio.create_task(hold())
    await asyncio.wait([opened, holder], return_when=asyncio.FIRST_COMPLETED)
    if holder.done():
        await holder  # it could not be opened: this raises why
    yield opened.result()
    finished.set()
    await holder


@pytest.fixture
def client(api: tuple[httpx.AsyncClient, Litestar]) -> httpx.AsyncClient:
    return api[0]


def market_data_of(app: Litestar) -> MarketData:
    found: MarketData = app.state.market_data
    return found


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_all_markets_are_listed_with_prices_as_strings(client: httpx.AsyncClient) -> None:
    page = await get(client, "/api/markets")
    assert len(page["items"]) >= 20
    assert page["next"] is None
    bitcoin = next(item for item in page["items"] if item["symbol"] == "BTC/USD")
    assert bitcoin["path"] == "BTC-USD"
    assert (bitcoin["last"], bitcoin["bid"], bitcoin["ask"]) == ("65000", "64999.99", "65000.01")
    assert bitcoin["min_trade_increment"] == "0.000000001"
    assert (bitcoin["tradable"], bitcoin["halted"], bitcoin["stale"]) == (True, False, False)
    assert bitcoin["age_seconds"] < 5
    low, last, high = (Decimal(bitcoin[name]) for name in ("low_24h", "last", "high_24h"))
    assert low <= last <= high
    assert Decimal(bitcoin["volume_24h"]) > 0
    change, percent = Decimal(bitcoin["change_24h"]), Decimal(bitcoin["change_24h_percent"])
    assert abs(change * 100 / (last - change) - percent) <= Decimal("0.005")
    shiba = next(item for item in page["items"] if item["symbol"] == "SHIB/USD")
    assert "E" not in shiba["price_increment"]


async def test_the_list_answers_304_until_a_figure_changes(
    api: tuple[httpx.AsyncClient, Litestar], venue: Sandbox
) -> None:
    client, app = api
    first = await client.get("/api/markets")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "public, no-cache"
    await asyncio.sleep(1.2)
    again = await client.get("/api/markets", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    venue.control("price", symbol="BTC/USD", price="66000")
    await market_data_of(app).refresh_prices()
    await asyncio.sleep(0.15)
    changed = await client.get("/api/markets", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    assert '"last":"66000"' in changed.text


async def test_the_list_is_compressed_for_those_who_take_it(client: httpx.AsyncClient) -> None:
    packed = await client.get("/api/markets", headers={"Accept-Encoding": "gzip"})
    plain = await client.get("/api/markets", headers={"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert [item["symbol"] for item in packed.json()["items"]] == [item["symbol"] for item in plain.json()["items"]]


async def test_only_the_fields_asked_for(client: httpx.AsyncClient) -> None:
    page = await get(client, "/api/markets", fields="symbol,last")
    assert {"symbol": "BTC/USD", "last": "65000"} in page["items"]
    assert await get(client, "/api/markets/ETH-USD", fields="last") == {"last": "3200"}
    refused = await client.get("/api/markets", params={"fields": "symbol,colour"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_fields")


async def test_one_market_by_every_spelling(client: httpx.AsyncClient) -> None:
    for name in ("BTC-USD", "BTCUSD", "btc-usd"):
        assert (await get(client, f"/api/markets/{name}"))["symbol"] == "BTC/USD"


async def test_an_unknown_market_is_a_404_that_says_so(client: httpx.AsyncClient) -> None:
    for name in ("NOPE-USD", "BTC-EUR", "%F0%9F%AA%99", "x" * 5_000):
        for tail in ("", "/candles", "/book", "/trades"):
            answer = await client.get(f"/api/markets/{name}{tail}")
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_market"), (name, tail)
            assert len(answer.content) < 1_000


async def test_a_halted_market_says_why(api: tuple[httpx.AsyncClient, Litestar], venue: Sandbox) -> None:
    client, app = api
    market_data = market_data_of(app)
    async with app.state.database.transaction() as connection:
        await market_data.halt(connection, "BTC-USD", reason="Circuit breaker.")
    venue.control("halt", symbol="ETH/USD")
    await market_data.sync_markets()
    halted = await get(client, "/api/markets/BTC-USD", fields="tradable,halted,halted_reason")
    assert halted == {"tradable": False, "halted": True, "halted_reason": "Circuit breaker."}
    assert (await get(client, "/api/markets/ETH-USD"))["halted_reason"] == "The venue does not trade it now."
    async with app.state.database.transaction() as connection:
        await market_data.resume(connection, "BTC-USD")
    await market_data.reload_markets()
    assert (await get(client, "/api/markets/BTC-USD"))["tradable"] is True


async def test_larger_candles_are_the_sum_of_smaller_ones(client: httpx.AsyncClient) -> None:
    hour = (now() - timedelta(hours=30)).replace(minute=0, second=0, microsecond=0)
    span = {"start": hour.isoformat().replace("+00:00", "Z"), "end": (hour + timedelta(minutes=59)).isoformat()}
    minutes = (await get(client, "/api/markets/BTC-USD/candles", timeframe="1Min", limit=100, **span))["items"]
    quarters = (await get(client, "/api/markets/BTC-USD/candles", timeframe="15Min", **span))["items"]
    whole = (await get(client, "/api/markets/BTC-USD/candles", timeframe="1Hour", **span))["items"]
    assert (len(minutes), len(quarters), len(whole)) == (60, 4, 1)
    for parts in (minutes, quarters):
        assert parts[0]["open"] == whole[0]["open"]
        assert parts[-1]["close"] == whole[0]["close"]
        assert max(Decimal(part["high"]) for part in parts) == Decimal(whole[0]["high"])
        assert min(Decimal(part["low"]) for part in parts) == Decimal(whole[0]["low"])
        assert sum(Decimal(part["volume"]) for part in parts) == Decimal(whole[0]["volume"])
        assert sum(part["trades"] for part in parts) == whole[0]["trades"]


async def test_candle_pages_lead_back_without_gap_or_overlap(client: httpx.AsyncClient) -> None:
    path, pages, cursor = "/api/markets/ETH-USD/candles", list[list[Any]](), None
    for _ in range(3):
        query = {"timeframe": "1Hour", "limit": 7, **({"cursor": cursor} if cursor else {})}
        page = await get(client, path, **query)
        pages.insert(0, page["items"])
        cursor = page["next"]
        assert cursor
    starts = [datetime.fromisoformat(candle["start"]) for page in pages for candle in page]
    assert len(starts) == 21
    assert all(later - earlier == timedelta(hours=1) for earlier, later in pairwise(starts))
    assert now() - starts[-1] < timedelta(hours=1)


async def test_candle_pages_lead_on_from_a_start_to_the_end(client: httpx.AsyncClient) -> None:
    start = (now() - timedelta(hours=10)).replace(minute=0, second=0, microsecond=0)
    path, starts, cursor = "/api/markets/ETH-USD/candles", list[datetime](), None
    for _ in range(5):
        query = {"timeframe": "1Hour", "limit": 3, "start": start.isoformat(), **({"cursor": cursor} if cursor else {})}
        page = await get(client, path, **query)
        starts += [datetime.fromisoformat(candle["start"]) for candle in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert starts[0] == start
    assert len(starts) == len(set(starts)) == 11
    assert starts == sorted(starts)


async def test_each_timeframe_has_candles(client: httpx.AsyncClient) -> None:
    for name in ("1Min", "5Min", "15Min", "30Min", "1Hour", "2Hour", "4Hour", "6Hour", "12Hour", "1Day", "1Week"):
        page = await get(client, "/api/markets/BTC-USD/candles", timeframe=name, limit=5)
        assert len(page["items"]) == 5, name
        for candle in page["items"]:
            low, high = Decimal(candle["low"]), Decimal(candle["high"])
            assert low <= min(Decimal(candle["open"]), Decimal(candle["close"]), Decimal(candle["vwap"]))
            assert high >= max(Decimal(candle["open"]), Decimal(candle["close"]), Decimal(candle["vwap"]))


BAD_CANDLE_QUERIES = (
    ({"timeframe": "7Min"}, "invalid_timeframe", "timeframe"),
    ({"timeframe": ""}, "invalid_timeframe", "timeframe"),
    ({"start": "yesterday"}, "invalid_time", "start"),
    ({"end": "0001-01-01T00:00:00+23:59"}, "invalid_time", "end"),
    ({"end": "9999-12-31T23:59:59-23:59"}, "invalid_time", "end"),
    ({"start": "2026-02-01", "end": "2026-01-01"}, "invalid_span", "start"),
    ({"limit": "0"}, "invalid_field", "limit"),
    ({"limit": "501"}, "invalid_field", "limit"),
    ({"limit": "1e3"}, "invalid_field", "limit"),
    ({"cursor": "nonsense"}, "invalid_cursor", "cursor"),
    ({"cursor": "WzEsMl0"}, "invalid_cursor", "cursor"),
    ({"cursor": "W3RydWUsIjAwMDEtMDEtMDFUMDA6MDA6MDArMjM6NTkiXQ"}, "invalid_cursor", "cursor"),
    ({"cursor": "W2ZhbHNlLCIyMDI2LTAxLTAxVDAwOjAwOjAwIl0"}, "invalid_cursor", "cursor"),
)


async def test_bad_candle_queries_are_refused_clearly(client: httpx.AsyncClient) -> None:
    for query, code, field in BAD_CANDLE_QUERIES:
        answer = await client.get("/api/markets/BTC-USD/candles", params=query)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["field"]) == (422, code, field), (query, problem)
        if code == "invalid_timeframe":
            assert "1Hour" in problem["details"]["allowed"]


async def test_candles_of_the_future_are_none(client: httpx.AsyncClient) -> None:
    later = (now() + timedelta(days=2)).isoformat()
    assert (await get(client, "/api/markets/BTC-USD/candles", start=later)) == {"items": [], "next": None}


async def test_the_book_is_in_order_and_as_deep_as_asked(client: httpx.AsyncClient) -> None:
    book = await get(client, "/api/markets/BTC-USD/book", depth=5)
    bids, asks = ([Decimal(level["price"]) for level in book[side]] for side in ("bids", "asks"))
    assert (len(bids), len(asks)) == (5, 5)
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert all(Decimal(level["quantity"]) > 0 for level in book["bids"] + book["asks"])
    for depth in ("0", "101", "x"):
        assert (await client.get("/api/markets/BTC-USD/book", params={"depth": depth})).status_code == 422


async def test_trade_pages_lead_back_without_gap_or_overlap(client: httpx.AsyncClient) -> None:
    path, seen, cursor = "/api/markets/BTC-USD/trades", list[tuple[str, str]](), None
    for _ in range(4):
        page = await get(client, path, limit=10, **({"cursor": cursor} if cursor else {}))
        seen += [(trade["at"], trade["id"]) for trade in page["items"]]
        cursor = page["next"]
        assert {trade["taker"] for trade in page["items"]} <= {"buy", "sell", None}
    assert len(set(seen)) == 40
    assert seen == sorted(seen, reverse=True)
    whole = await get(client, path, limit=100)
    reference = [(trade["at"], trade["id"]) for trade in whole["items"]]
    first = reference.index(seen[0])
    assert reference[first : first + 40] == seen


async def test_equal_reads_at_once_reach_the_venue_once_and_are_kept(client: httpx.AsyncClient, venue: Sandbox) -> None:
    counts = {}
    for tail, path in (("candles", "bars"), ("book", "latest/orderbooks"), ("trades", "trades")):
        watch = venue.control("faults", kind="delay_before", count=0, ms=50, path=f"/v1beta3/crypto/us/{path}")["id"]
        answers = await asyncio.gather(*(client.get(f"/api/markets/DOGE-USD/{tail}") for _ in range(25)))
        assert {answer.status_code for answer in answers} == {200}
        await client.get(f"/api/markets/DOGE-USD/{tail}")
        counts[tail] = times_asked(venue, watch)
    assert counts == {"candles": 1, "book": 1, "trades": 1}


async def test_closed_candles_are_kept_longer_than_open_ones(client: httpx.AsyncClient, venue: Sandbox) -> None:
    watch = venue.control("faults", kind="delay_before", count=0, ms=0, path="/v1beta3/crypto/us/bars")["id"]
    closed = {"start": "2026-01-01", "end": "2026-01-01T05:00:00Z"}
    if now() < datetime.fromisoformat("2026-01-02T00:00:00Z"):
        closed = {"start": "2025-06-01", "end": "2025-06-01T05:00:00Z"}
    for _ in range(2):
        await get(client, "/api/markets/LTC-USD/candles", **closed)
        await get(client, "/api/markets/LTC-USD/candles")
        await asyncio.sleep(5.2 if times_asked(venue, watch) == 2 else 0)
    assert times_asked(venue, watch) == 3


async def test_a_venue_that_fails_is_a_503_and_the_list_goes_on(
    api: tuple[httpx.AsyncClient, Litestar], venue: Sandbox
) -> None:
    client, _ = api
    venue.control("faults", kind="error_before", count=0, status=500, path="/v1beta3")
    for tail in ("candles", "book", "trades"):
        answer = await client.get(f"/api/markets/XRP-USD/{tail}")
        assert (answer.status_code, answer.json()["code"]) == (503, "market_data_unavailable")
        assert answer.headers["retry-after"]
    assert (await client.get("/api/markets")).status_code == 200


async def test_one_broken_answer_of_the_venue_is_asked_again(client: httpx.AsyncClient, venue: Sandbox) -> None:
    for kind in ("drop_before", "error_before"):
        venue.control("faults", kind=kind, count=1, path="/v1beta3/crypto/us/latest/orderbooks")
        name = {"drop_before": "UNI-USD", "error_before": "DOT-USD"}[kind]
        assert (await client.get(f"/api/markets/{name}/book")).status_code == 200


async def test_prices_grow_old_visibly_when_nobody_confirms_them(
    api: tuple[httpx.AsyncClient, Litestar], venue: Sandbox
) -> None:
    client, app = api
    market_data = market_data_of(app)
    venue.control("faults", kind="error_before", count=0, status=503, path="/v1beta3")
    board = market_data._board
    for symbol, quote in list(board.quotes.items()):
        board.quotes[symbol] = replace(quote, seen_at=quote.seen_at - timedelta(seconds=60))
    await eventually(lambda: not market_data._refreshes._running, what="a quiet moment")
    await asyncio.sleep(1.1)
    market = await get(client, "/api/markets/BTC-USD")
    assert market["stale"] is True
    assert market["age_seconds"] >= 60
    assert market["last"] == "65000"
