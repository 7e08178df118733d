"""The market data API under /v1beta3/crypto: history by pages, and the latest of everything."""

import base64
import binascii
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca import assets, data_wire, errors, query, timeframes
from bitcurrent_sandbox.alpaca.candles import DAY, MICROS
from bitcurrent_sandbox.alpaca.market import CoinMarket, Market
from bitcurrent_sandbox.alpaca.prices import FIRST_DAY
from bitcurrent_sandbox.alpaca.timeframes import Timeframe
from bitcurrent_sandbox.http import Reply, Request, Router, json_reply

_SYMBOLS_MAX: Final = 100
_PAGE_MAX: Final = 10_000
_START: Final = FIRST_DAY * DAY
_LOC: Final = "/v1beta3/crypto/(?:us|us-1|us-2|eu-1|bs-1)"

Point = tuple[int, dict[str, Any]]
"""A position that a page can go on from, and what stands there."""


class DataApi:
    """Handlers of the market data API; each answers or raises VenueError."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def route(self, router: Router) -> None:
        """Add every route."""
        for pattern, handler in (
            ("/bars", self._bars),
            ("/trades", self._trades),
            ("/quotes", self._quotes),
            ("/latest/bars", self._latest("bars", data_wire.latest_bar)),
            ("/latest/trades", self._latest("trades", lambda m, now: data_wire.trade(m, m.trade(now)))),
            ("/latest/quotes", self._latest("quotes", lambda m, now: data_wire.quote(m.quote(now)))),
            ("/latest/orderbooks", self._latest("orderbooks", lambda m, now: data_wire.book(m.book(now)))),
            ("/snapshots", self._latest("snapshots", data_wire.snapshot)),
        ):
            router.add("GET", _LOC + pattern, handler)

    def _latest(
        self, name: str, one: Callable[[CoinMarket, int], dict[str, Any] | None]
    ) -> Callable[[Request, dict[str, str]], Reply]:
        def answer(request: Request, _path: dict[str, str]) -> Reply:
            now = clock.now()
            return json_reply({name: {m.coin.symbol: one(m, now) for m in self._asked(request)}})

        return answer

    def _bars(self, request: Request, _path: dict[str, str]) -> Reply:
        frame = timeframes.read(request.query.get("timeframe") or "")

        def points(market: CoinMarket, begin: int, end: int, newest_first: bool) -> Iterator[Point]:
            return _bar_points(market, frame, begin, end, newest_first)

        return self._pages(request, "bars", points)

    def _trades(self, request: Request, _path: dict[str, str]) -> Reply:
        def points(market: CoinMarket, begin: int, end: int, newest_first: bool) -> Iterator[Point]:
            for trade in market.series.trades_between(begin, end, newest_first=newest_first):
                yield trade.at, data_wire.trade(market, trade)

        return self._pages(request, "trades", points)

    def _quotes(self, request: Request, _path: dict[str, str]) -> Reply:
        def points(market: CoinMarket, begin: int, end: int, newest_first: bool) -> Iterator[Point]:
            for trade in market.series.trades_between(begin, end, newest_first=newest_first):
                yield trade.at, data_wire.quote(market.quote_at(trade))

        return self._pages(request, "quotes", points)

    def _pages(
        self, request: Request, name: str, points: Callable[[CoinMarket, int, int, bool], Iterator[Point]]
    ) -> Reply:
        """One page over all symbols in alphabetical order; the limit counts points, not symbols."""
        asked, now = request.query, clock.now()
        begin, end = _span(asked, now)
        limit = query.count(asked, "limit", usual=1000, most=_PAGE_MAX)
        newest_first = query.choice(asked, "sort", ("asc", "desc")) == "desc"
        resume = _read_token(asked.get("page_token"))
        found: dict[str, list[dict[str, Any]]] = {}
        left, token = limit, None
        for market in sorted(self._asked(request), key=lambda one: one.coin.symbol):
            symbol, first, last = market.coin.symbol, begin, end
            if resume is not None and symbol < resume[0]:
                continue
            if resume is not None and symbol == resume[0]:
                first, last = (first, resume[1]) if newest_first else (resume[1] + 1, last)
            page = list(islice(points(market, first, last, newest_first), left + 1))
            if len(page) > left:
                page = page[:left]
                place = page[-1][0] if page else (last if newest_first else first - 1)
                token = _write_token(symbol, place)
            if page:
                found[symbol] = [point for _, point in page]
            left -= len(page)
            if token is not None:
                break
        return json_reply({name: found, "next_page_token": token})

    def _asked(self, request: Request) -> list[CoinMarket]:
        names = list(dict.fromkeys(query.words(request.query, "symbols")))
        if not names or len(names) > _SYMBOLS_MAX:
            raise errors.malformed("symbols is required" if not names else "too many symbols")
        found = []
        for name in names:
            coin = assets.find(name)
            if coin is None:
                raise errors.malformed(f"invalid symbol: {name[:40]}")
            found.append(self._market[coin.symbol])
        return found


def _span(asked: dict[str, str], now: int) -> tuple[int, int]:
    """From `start` (today's midnight when absent) up to and with `end` (now), in microseconds."""
    start = query.moment(asked, "start")
    end = query.moment(asked, "end")
    begin = start if start is not None else now // (DAY * MICROS) * DAY * MICROS
    return max(begin, _START * MICROS), min(now, end if end is not None else now) + 1


def _bar_points(market: CoinMarket, frame: Timeframe, begin: int, end: int, newest_first: bool) -> Iterator[Point]:
    """Bars whose start lies in [begin, end), each with its start in microseconds."""
    now = clock.now()
    first = frame.start(begin // MICROS)
    if first * MICROS < begin:
        first = frame.end(first)
    if newest_first:
        at = frame.start((end - 1) // MICROS)
        while at >= first:
            yield from _bar_point(market, frame, at, now)
            at = frame.start(at - 1)
        return
    at = first
    while at * MICROS < end:
        yield from _bar_point(market, frame, at, now)
        at = frame.end(at)


def _bar_point(market: CoinMarket, frame: Timeframe, at: int, now: int) -> Iterator[Point]:
    candle = market.series.between(at, frame.end(at), now)
    if candle:
        yield at * MICROS, data_wire.bar(market, candle, at)


def _write_token(symbol: str, place: int) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|{place}".encode()).decode()


def _read_token(token: str | None) -> tuple[str, int] | None:
    if not token:
        return None
    try:
        symbol, _, place = base64.urlsafe_b64decode(token.encode()).decode().partition("|")
        return symbol, int(place)
    except (binascii.Error, ValueError) as error:
        raise errors.malformed("invalid page_token") from error
