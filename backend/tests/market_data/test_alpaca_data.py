"""The adapter against small servers that speak the vendor's protocol, well and badly."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bitcurrent.integrations.alpaca.data import AlpacaData
from bitcurrent.market_data.model import TIMEFRAMES, BookChange, CandleChange, QuoteChange, Tick, Trade
from bitcurrent.market_data.ports import SourceBusy, SourceUnavailable, StreamChannel
from tests.market_data.conftest import source_of
from tests.support.sandbox import Sandbox

ALL_CHANNELS: frozenset[StreamChannel] = frozenset({"quotes", "trades", "candles", "books"})
ASSET = {
    "id": "276e2673-764b-4ab6-a611-caf665ca6340",
    "class": "crypto",
    "symbol": "BTC/USD",
    "name": "Bitcoin / US Dollar",
    "status": "active",
    "tradable": True,
    "min_order_size": "0.000012",
    "min_trade_increment": "0.000000001",
    "price_increment": "0.01",
    "something_new": [1],
}


@dataclass
class Answers:
    """An HTTP server that gives the prepared answers in turn (the last one for ever) and keeps what was asked."""

    bodies: Sequence[tuple[str, bytes]]
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.split()[1])
        status, body = self.bodies[min(len(self.asked), len(self.bodies)) - 1]
        lines = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(lines.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def answering(*bodies: object) -> AsyncIterator[tuple[AlpacaData, Answers]]:
    """A source whose venue gives these bodies (JSON text, or a pair of status line and text)."""
    prepared = [
        (body[0], str(body[1]).encode()) if isinstance(body, tuple) else ("200 OK", str(body).encode())
        for body in bodies
    ]
    answers = Answers(prepared)
    server = await asyncio.start_server(answers.serve, "127.0.0.1", 0)
    answers.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        AlpacaData(
            trading_url=answers.url, data_url=answers.url, data_stream_url="ws://unused", key_id="K", secret_key="S"
        ) as source,
    ):
        yield source, answers


@asynccontextmanager
async def streaming(
    *frames: str | bytes, greeting: str = "connected", handshake_seconds: float = 10
) -> AsyncIterator[tuple[AlpacaData, list[str]]]:
    """A source whose venue lets in, takes the subscription, sends these frames and hangs up."""
    received: list[str] = []

    async def venue(socket: ServerConnection) -> None:
        await socket.send(json.dumps([{"T": "success", "msg": greeting}]))
        received.append(str(await socket.recv()))
        await socket.send('[{"T":"success","msg":"authenticated"}]')
        received.append(str(await socket.recv()))
        await socket.send('[{"T":"subscription","trades":[],"quotes":["BTC/USD"],"bars":[]}]')
        for frame in frames:
            await socket.send(frame)

    async with serve(venue, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/v1beta3/crypto/us"
        async with AlpacaData(
            trading_url="http://unused",
            data_url="http://unused",
            data_stream_url=url,
            key_id="K",
            secret_key="S",
            handshake_seconds=handshake_seconds,
        ) as source:
            yield source, received


async def ticks_of(source: AlpacaData) -> tuple[list[Tick], str]:
    """Everything that one connection brings, and why it ended."""
    ticks: list[Tick] = []
    try:
        async with asyncio.timeout(5):
            async for bunch in source.stream(["BTC/USD"], ALL_CHANNELS):
                ticks += bunch
    except SourceUnavailable as error:
        return ticks, error.message
    raise AssertionError("a stream ends with an error")


async def test_prices_are_the_very_digits_that_were_sent() -> None:
    snapshot = """{"snapshots": {"SHIB/USD": {
        "latestQuote": {"t": "2026-01-02T03:04:05.123456789Z", "bp": 1e-5, "bs": 123456789012.123456789,
                        "ap": 0.000010000000000001, "as": 0.1, "new": {}},
        "latestTrade": {"t": "2026-01-02T03:04:04Z", "p": 0.30000000000000004, "s": 1, "i": 5, "tks": "B"},
        "dailyBar": null}, "NEW/USD": null, "BARE/USD": {}}}"""
    async with answering(snapshot) as (source, answers):
        quotes = await source.quotes(["SHIB/USD", "NEW/USD", "BARE/USD"])
    assert set(quotes) == {"SHIB/USD"}
    quote = quotes["SHIB/USD"]
    assert (quote.bid, quote.ask) == (Decimal("0.00001"), Decimal("0.000010000000000001"))
    assert str(quote.bid_size) == "123456789012.123456789"
    assert str(quote.last) == "0.30000000000000004"
    assert quote.at == datetime(2026, 1, 2, 3, 4, 5, 123457, UTC)  # to the microsecond
    assert parse_qs(urlsplit(answers.asked[0]).query)["symbols"] == ["SHIB/USD,NEW/USD,BARE/USD"]


@pytest.mark.parametrize("price", ["1e400", "-1", "1e19", '"NaN"', "null", "true", "{}"])
async def test_what_cannot_be_a_price_is_left_out_and_the_others_kept(price: str) -> None:
    quotes = [
        f'{{"latestQuote": {{"t": "2026-01-02T03:04:05Z", "bp": {bid}, "bs": 1, "ap": 1, "as": 1}}}}'
        for bid in (price, "1")
    ]
    async with answering(f'{{"snapshots": {{"BTC/USD": {quotes[0]}, "ETH/USD": {quotes[1]}}}}}') as (source, _):
        assert list(await source.quotes(["BTC/USD", "ETH/USD"])) == ["ETH/USD"]


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"snapshots": 7}', '{"snapshots": {"BTC/USD"', "null"])
async def test_an_answer_that_cannot_be_read_is_no_answer(body: str) -> None:
    async with answering(body) as (source, _):
        with pytest.raises(SourceUnavailable):
            await source.quotes(["BTC/USD"])


async def test_markets_without_believable_rules_are_left_out() -> None:
    good = json.dumps(ASSET)
    bad = [
        {**ASSET, "symbol": "BTCUSD"},
        {**ASSET, "min_order_size": None},
        {**ASSET, "price_increment": "0"},
        {**ASSET, "min_trade_increment": "-1"},
        {**ASSET, "id": "no uuid"},
        "not even an object",
    ]
    halted = {**ASSET, "symbol": "ETH/USD", "tradable": False}
    inactive = {**ASSET, "symbol": "SOL/USD", "status": "inactive"}
    body = "[" + ",".join([good, *map(json.dumps, [*bad, halted, inactive])]) + "]"
    async with answering(body) as (source, _):
        markets = await source.list_markets()
    assert [(market.symbol, market.tradable) for market in markets] == [
        ("BTC/USD", True),
        ("ETH/USD", False),
        ("SOL/USD", False),
    ]
    assert markets[0].name == "Bitcoin"
    assert markets[0].min_order_size == Decimal("0.000012")


async def test_pages_shorter_than_their_limit_are_followed_by_their_token() -> None:
    def page(hour: int, token: str | None) -> str:
        bar = {"t": f"2026-01-02T0{hour}:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 3, "n": 4, "vw": 1.5}
        return json.dumps({"bars": {"BTC/USD": [bar]}, "next_page_token": token})

    async with answering(page(1, "one"), page(2, "two"), page(3, None)) as (source, answers):
        candles = await source.candles(
            "BTC/USD", TIMEFRAMES["1Hour"], start=None, end=None, limit=50, newest_first=False
        )
    assert [candle.start.hour for candle in candles] == [1, 2, 3]
    assert "page_token=two" in answers.asked[2]


async def test_pages_without_end_are_given_up() -> None:
    page = json.dumps({"bars": {}, "next_page_token": "again"})
    async with answering(page) as (source, answers):
        with pytest.raises(SourceUnavailable, match="further pages"):
            await source.candles("BTC/USD", TIMEFRAMES["1Hour"], start=None, end=None, limit=50, newest_first=False)
    assert len(answers.asked) <= 20


async def test_an_answer_without_end_is_cut_off() -> None:
    async with answering("[" + " " * 17_000_000 + "]") as (source, _):
        with pytest.raises(SourceUnavailable, match="far too much"):
            await source.list_markets()


async def test_a_server_error_is_asked_again_once_and_a_refusal_is_not() -> None:
    async with answering(("502 Bad Gateway", "{}"), '{"snapshots": {}}') as (source, answers):
        assert await source.quotes(["BTC/USD"]) == {}
        assert len(answers.asked) == 2
    async with answering(("403 Forbidden", "{}"), '{"snapshots": {}}') as (source, answers):
        with pytest.raises(SourceUnavailable, match="403"):
            await source.quotes(["BTC/USD"])
        assert len(answers.asked) == 1


async def test_history_has_a_budget_that_leaves_prices_alone(venue: Sandbox) -> None:
    async with source_of(venue, history_reads_per_minute=3) as source:
        for _ in range(3):
            await source.order_book("BTC/USD")
        with pytest.raises(SourceBusy) as refused:
            await source.order_book("BTC/USD")
        assert 1 <= int(refused.value.details["retry_after_seconds"]) <= 61
        assert "BTC/USD" in await source.quotes(["BTC/USD"])


async def test_after_the_venues_429_history_rests_as_long_as_it_says(venue: Sandbox) -> None:
    venue.control("settings", data_requests_per_minute=1)
    async with source_of(venue) as source:
        outcomes = []
        for _ in range(4):
            try:
                await source.order_book("BTC/USD")
            except (SourceBusy, SourceUnavailable) as refused:
                outcomes.append(type(refused))
        assert SourceUnavailable in outcomes  # the venue's own refusal
        assert outcomes[-1] is SourceBusy  # and then ours, without asking


async def test_wrong_keys_are_told_as_such(venue: Sandbox) -> None:
    async with source_of(venue, secret_key="wrong") as source:
        with pytest.raises(SourceUnavailable, match=r"40[13]"):
            await source.list_markets()
        _, why = await ticks_of(source)
        assert "402" in why


async def test_the_stream_is_subscribed_as_the_venue_documents_it() -> None:
    async with streaming() as (source, received):
        ticks, why = await ticks_of(source)
    assert ticks == []
    assert "closed" in why or "broke" in why
    assert json.loads(received[0]) == {"action": "auth", "key": "K", "secret": "S"}
    subscription = json.loads(received[1])
    assert subscription["action"] == "subscribe"
    for name in ("quotes", "trades", "bars", "updatedBars", "orderbooks"):
        assert subscription[name] == ["BTC/USD"]


async def test_each_kind_of_message_becomes_its_tick() -> None:
    frame = """[
        {"T":"q","S":"BTC/USD","bp":64999.99,"bs":0.1,"ap":65000.01,"as":1e-9,"t":"2026-01-02T03:04:05.123456789Z"},
        {"T":"t","S":"BTC/USD","p":65000.123456789,"s":0.5,"t":"2026-01-02T03:04:06Z","i":77,"tks":"S"},
        {"T":"b","S":"BTC/USD","o":1,"h":3,"l":0.5,"c":2,"v":9.5,"n":4,"vw":1.75,"t":"2026-01-02T03:04:00Z"},
        {"T":"o","S":"BTC/USD","b":[{"p":1,"s":2}],"a":[{"p":3,"s":0}],"t":"2026-01-02T03:04:07Z","r":true}
    ]"""
    async with streaming(frame, frame.encode()) as (source, _):
        ticks, _ = await ticks_of(source)
    assert ticks[:4] == ticks[4:]  # text and binary frames alike
    quote, trade, candle, book = ticks[:4]
    assert isinstance(quote, QuoteChange)
    assert (quote.bid, quote.ask_size) == (Decimal("64999.99"), Decimal("1E-9"))
    assert isinstance(trade, Trade)
    assert (trade.price, trade.id, trade.taker) == (Decimal("65000.123456789"), "77", "sell")
    assert isinstance(candle, CandleChange)
    assert candle.candle.vwap == Decimal("1.75")
    assert isinstance(book, BookChange)
    assert book.is_whole
    assert book.asks[0].quantity == 0


async def test_unknown_and_broken_messages_are_passed_over_and_their_neighbours_kept() -> None:
    good = '{"T":"t","S":"BTC/USD","p":1,"s":1,"t":"2026-01-02T03:04:06Z","i":"a1","tks":"?"}'
    frames = [
        f'[{{"T":"brand_new","S":"BTC/USD","x":1}},{good}]',
        f'[{{"T":"q","S":"BTC/USD","bp":"much","bs":1,"ap":1,"as":1,"t":"2026-01-02T03:04:06Z"}},{good}]',
        f'[{{"T":"q","S":"BTC/USD","bp":"NaN","bs":1,"ap":1,"as":1,"t":"2026-01-02T03:04:06Z"}},{good}]',
        f'[{{"T":"q","S":"BTC/USD","bp":1e400,"bs":1,"ap":1,"as":1,"t":"2026-01-02T03:04:06Z"}},{good}]',
        f'[{{"T":"q","S":"BTC/USD","t":"2026-01-02T03:04:06Z"}},{{"T":"q"}},7,{good}]',
        f'[{{"T":"q","S":"BTC/USD","bp":1,"bs":1,"ap":1,"as":1,"t":"noon"}},{good}]',
        f'[{{"T":"q","S":"BTC/USD","bp":1,"bs":1,"ap":1,"as":1,"t":"2026-01-02T03:04:06"}},{good}]',
    ]
    async with streaming(*frames) as (source, _):
        ticks, _ = await ticks_of(source)
    trades = [tick for tick in ticks if isinstance(tick, Trade)]
    assert len(trades) == len(ticks) == len(frames)
    assert trades[0].taker is None


@pytest.mark.parametrize("frame", ["{", '{"T":"t"}', "7", '[{"T":"error","code":407,"msg":"slow client"}]'])
async def test_a_stream_that_makes_no_sense_is_left(frame: str) -> None:
    async with streaming(frame, '[{"T":"t","S":"BTC/USD","p":1,"s":1,"t":"2026-01-02T03:04:06Z","i":1}]') as (
        source,
        _,
    ):
        ticks, why = await ticks_of(source)
    assert ticks == []
    assert "stream" in why


async def test_a_venue_that_never_says_hello_is_left() -> None:
    async with streaming(greeting="who are you", handshake_seconds=0.3) as (source, _):
        _, why = await ticks_of(source)
    assert "TimeoutError" in why
