"""Alpaca's crypto data API, under /v1beta3/crypto/us: public, and in JSON numbers where the trading API has strings."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from bitcurrent.botapi.refusals import MALFORMED, BotRefusal, bad_parameter
from bitcurrent.botapi.requests import Query
from bitcurrent.botapi.routing import PublicCall, PublicRoute, Reply, reply_numbers
from bitcurrent.kernel.clock import now
from bitcurrent.market_data.model import (
    TIMEFRAMES,
    Candle,
    Level,
    Quote,
    Timeframe,
    Trade,
    UnknownMarket,
    parse_timeframe,
)
from bitcurrent.market_data.ports import ROWS_MAX
from bitcurrent.market_data.service import MarketData

T = TypeVar("T")

BASE = "/v1beta3/crypto/us"
SYMBOLS_READ_MAX = 30
"""Symbols a call may name where each is read from the venue (what is in memory takes a hundred)."""

_AT_ONCE = 5
_PAGE_MAX = ROWS_MAX - 1
_MINUTE, _DAY = TIMEFRAMES["1Min"], TIMEFRAMES["1Day"]


async def latest_quotes(call: PublicCall) -> Reply:
    """GET latest/quotes: the best bid and offer of each symbol that has one."""
    found = {symbol: call.api.market_data.find_quote(symbol) for symbol in await _symbols(call)}
    return reply_numbers({"quotes": {symbol: _quote(quote) for symbol, quote in found.items() if quote is not None}})


async def latest_trades(call: PublicCall) -> Reply:
    """GET latest/trades: the last trade of each symbol."""
    found = await _each(await _symbols(call, read=True), lambda symbol: _last_trade(call.api.market_data, symbol))
    return reply_numbers({"trades": {symbol: trade for symbol, trade in found.items() if trade is not None}})


async def latest_bars(call: PublicCall) -> Reply:
    """GET latest/bars: the newest minute of each symbol."""
    data = call.api.market_data
    found = await _each(await _symbols(call, read=True), lambda symbol: _newest(data, symbol, _MINUTE, 1))
    return reply_numbers({"bars": {symbol: bars[0] for symbol, bars in found.items() if bars}})


async def latest_order_books(call: PublicCall) -> Reply:
    """GET latest/orderbooks: both sides of each symbol, best price first, at most ten seconds old."""

    async def read(symbol: str) -> dict[str, Any]:
        book = await call.api.market_data.history.order_book(symbol)
        return {"t": book.at, "b": _levels(book.bids), "a": _levels(book.asks)}

    return reply_numbers({"orderbooks": await _each(await _symbols(call, read=True), read)})


async def snapshots(call: PublicCall) -> Reply:
    """GET snapshots: quote, last trade, newest minute, today and yesterday of each symbol."""
    data = call.api.market_data

    async def read(symbol: str) -> dict[str, Any]:
        quote = data.find_quote(symbol)
        minutes, days = await _newest(data, symbol, _MINUTE, 1), await _newest(data, symbol, _DAY, 2)
        parts = {
            "latestQuote": _quote(quote) if quote else None,
            "latestTrade": await _last_trade(data, symbol),
            "minuteBar": minutes[0] if minutes else None,
            "dailyBar": days[0] if days else None,
            "prevDailyBar": days[1] if len(days) > 1 else None,
        }
        return {name: part for name, part in parts.items() if part is not None}

    return reply_numbers({"snapshots": await _each(await _symbols(call, read=True), read)})


async def list_bars(call: PublicCall) -> Reply:
    """GET bars: candles symbol by symbol, up to `limit` in all; `next_page_token` leads on where there are more.

    Without `start` they begin with today (UTC). A page holds 999 at most: more are asked for by the token.
    """
    query, symbols = call.query, sorted(await _symbols(call, read=True))
    timeframe = _timeframe(query)
    newest_first = query.choice("sort", "asc", "desc") == "desc"
    start = query.moment("start") or now().replace(hour=0, minute=0, second=0, microsecond=0)
    end = query.moment("end")
    left = min(query.count("limit", usual=_PAGE_MAX, most=10_000), _PAGE_MAX)
    place = _read_token(query.text("page_token"))
    if place is not None:
        symbols = [symbol for symbol in symbols if symbol >= place[0]]
    bars: dict[str, list[dict[str, Any]]] = {}
    token = None
    for symbol in symbols:
        begin, until = start, end
        if place is not None and symbol == place[0]:
            begin, until = (begin, place[1]) if newest_first else (place[1], until)
        # One more than is shown tells whether there are more.
        found = await call.api.market_data.history.candles(
            symbol, timeframe, start=begin, end=until, limit=left + 1, newest_first=newest_first
        )
        if found[:left]:
            bars[symbol] = [_bar(candle) for candle in found[:left]]
        if len(found) > left:
            token = _write_token(symbol, found[left].start)
            break
        left -= len(found)
    return reply_numbers({"bars": bars, "next_page_token": token})


async def _symbols(call: PublicCall, *, read: bool = False) -> list[str]:
    """The symbols asked for, each once; raises a refusal for one that there is not, and for none at all."""
    names = call.query.words("symbols")
    if not names:
        raise BotRefusal(400, MALFORMED, "symbols: is required, such as BTC/USD,ETH/USD")
    if read and len(names) > SYMBOLS_READ_MAX:
        raise bad_parameter(f"symbols: at most {SYMBOLS_READ_MAX} at once")
    found: dict[str, None] = {}
    for name in names:
        try:
            found[(await call.api.market_data.market(name)).symbol] = None
        except UnknownMarket:
            raise BotRefusal(400, MALFORMED, f"invalid symbol: {name[:40]}") from None
    return list(found)


async def _each(symbols: Sequence[str], read: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """Read something for every symbol, a few at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(symbol: str) -> T:
        async with gate:
            return await read(symbol)

    return dict(zip(symbols, await asyncio.gather(*(one(symbol) for symbol in symbols)), strict=True))


async def _newest(data: MarketData, symbol: str, timeframe: Timeframe, count: int) -> list[dict[str, Any]]:
    found = await data.history.candles(symbol, timeframe, start=None, end=None, limit=count, newest_first=True)
    return [_bar(candle) for candle in found]


async def _last_trade(data: MarketData, symbol: str) -> dict[str, Any] | None:
    found = await data.history.trades(symbol, end=None, limit=1)
    return _trade(found[0]) if found else None


def _timeframe(query: Query) -> Timeframe:
    return parse_timeframe(query.text("timeframe") or "")


def _write_token(symbol: str, start: datetime) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((symbol, start))).decode().rstrip("=")


def _read_token(token: str | None) -> tuple[str, datetime] | None:
    """The place where the next page begins."""
    if token is None:
        return None
    try:
        place = msgspec.json.decode(
            base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=tuple[str, datetime]
        )
    except (ValueError, msgspec.MsgspecError):
        raise bad_parameter("page_token: must be the next_page_token of the page before") from None
    if place[1].tzinfo is None:
        raise bad_parameter("page_token: must be the next_page_token of the page before")
    return place


def _quote(quote: Quote) -> dict[str, Any]:
    return {"t": quote.at, "bp": quote.bid, "bs": quote.bid_size, "ap": quote.ask, "as": quote.ask_size}


def _trade(trade: Trade) -> dict[str, Any]:
    number = int(trade.id) if trade.id.isascii() and trade.id.isdigit() else 0
    taker = {"buy": "B", "sell": "S", None: "-"}[trade.taker]
    return {"t": trade.at, "p": trade.price, "s": trade.quantity, "i": number, "tks": taker}


def _bar(candle: Candle) -> dict[str, Any]:
    return {
        "t": candle.start,
        "o": candle.open,
        "h": candle.high,
        "l": candle.low,
        "c": candle.close,
        "v": candle.volume,
        "n": candle.trades,
        "vw": candle.vwap,
    }


def _levels(levels: Sequence[Level]) -> list[dict[str, Any]]:
    return [{"p": level.price, "s": level.quantity} for level in levels]


DATA_ROUTES = (
    PublicRoute("GET", f"{BASE}/latest/quotes", latest_quotes),
    PublicRoute("GET", f"{BASE}/latest/trades", latest_trades),
    PublicRoute("GET", f"{BASE}/latest/bars", latest_bars),
    PublicRoute("GET", f"{BASE}/latest/orderbooks", latest_order_books),
    PublicRoute("GET", f"{BASE}/snapshots", snapshots),
    PublicRoute("GET", f"{BASE}/bars", list_bars),
)
