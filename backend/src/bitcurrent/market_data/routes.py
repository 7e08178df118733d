"""/api/markets: open to everyone, no login needed."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from bitcurrent.kernel.errors import Invalid
from bitcurrent.market_data.listing import MarketList
from bitcurrent.market_data.model import TIMEFRAMES, Trade, parse_timeframe
from bitcurrent.market_data.schemas import (
    BookAnswer,
    CandleAnswer,
    MarketAnswer,
    TradeAnswer,
    book_answer,
    candle_answer,
    market_answer,
    trade_answer,
)
from bitcurrent.market_data.service import MarketData
from bitcurrent.web.answers import CACHEABLE, JSON_ONLY
from bitcurrent.web.pages import (
    LIMIT_DEFAULT,
    CursorText,
    Fields,
    InvalidCursor,
    Limit,
    choose_fields,
    page_of,
    read_cursor,
    write_cursor,
)
from bitcurrent.web.schemas import Page

SymbolPath = Annotated[str, PathParameter(description="BTC-USD; BTCUSD and the venue's asset id do too.")]
TimeframeText = Annotated[str, QueryParameter(max_length=20, description=", ".join(TIMEFRAMES))]
Moment = Annotated[str | None, QueryParameter(max_length=40, description="RFC 3339, such as 2026-01-31T12:00:00Z.")]
Depth = Annotated[int, QueryParameter(ge=1, le=100, description="Levels on each side: 20 by default, 100 at most.")]

TAGS = ["markets"]
TIES_MAX = 50
"""Trades of one and the same microsecond that a page boundary copes with."""

_YEARS = range(2000, 2101)
_CACHING = {"Cache-Control": "public, no-cache"}


class InvalidTime(Invalid):
    """A time that cannot be read."""

    code = "invalid_time"
    title = "Invalid time"


@get(
    "/api/markets",
    operation_id="listMarkets",
    summary="All markets with their prices",
    tags=TAGS,
    opt={"exclude_from_compression": True, JSON_ONLY: True},  # written and compressed here, once for everyone
    responses={304: ResponseSpec(None, description="No figure has changed.", generate_examples=False)},
)
async def list_markets(
    request: Request[Any, Any, Any], market_list: NamedDependency[MarketList], fields: Fields = None
) -> Response[Page[MarketAnswer] | dict[str, Any]]:
    """Every market at once, by symbol. Send the ETag back as If-None-Match: 304 says that no figure has changed."""
    content: Any
    compressed = not fields and "gzip" in request.headers.get("accept-encoding", "")
    content, tag = market_list.encoded(compressed=compressed)
    headers = {**_CACHING, "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        content = None
        return Response(content, status_code=304, headers=headers)
    if fields:
        content = choose_fields(market_list.page(), fields, MarketAnswer)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type="application/json", headers=headers)


@get("/api/markets/{symbol:str}", operation_id="readMarket", summary="One market", tags=TAGS, opt={CACHEABLE: True})
async def read_market(
    symbol: SymbolPath, market_data: NamedDependency[MarketData], fields: Fields = None
) -> MarketAnswer | dict[str, Any]:
    """Its rules, its price now and its last 24 hours."""
    market = await market_data.market(symbol)
    answer = market_answer(market, market_data.find_quote(market.symbol), market_data.day(market.symbol))
    return choose_fields(answer, fields, MarketAnswer)


@get(
    "/api/markets/{symbol:str}/candles",
    operation_id="listCandles",
    summary="Candles, oldest first",
    tags=TAGS,
    opt={CACHEABLE: True},
)
async def list_candles(
    symbol: SymbolPath,
    market_data: NamedDependency[MarketData],
    timeframe: TimeframeText = "1Hour",
    start: Moment = None,
    end: Moment = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
) -> Page[CandleAnswer]:
    """Candles that begin in [start, end], oldest first; the last one may still be open.

    With `start`, pages lead on from there to newer ones. Without it the first page holds the newest candles and `next`
    leads to older ones.
    """
    market = await market_data.market(symbol)
    length = parse_timeframe(timeframe)
    begin, until = _moment(start, "start"), _moment(end, "end")
    forward = begin is not None
    place = read_cursor(cursor, tuple[bool, datetime])
    if place is not None:
        forward, at = place[0], _usable(place[1])
        begin, until = (at, until) if forward else (begin, at)
    found = await market_data.history.candles(
        market.symbol, length, start=begin, end=until, limit=limit + 1, newest_first=not forward
    )
    shown = list(found[:limit])
    return Page(
        items=[candle_answer(candle) for candle in (shown if forward else reversed(shown))],
        # The first one that is not shown: the next page begins with it, on either way.
        next=write_cursor((forward, found[limit].start)) if len(found) > limit else None,
    )


@get(
    "/api/markets/{symbol:str}/book",
    operation_id="readBook",
    summary="The order book",
    tags=TAGS,
    opt={CACHEABLE: True},
)
async def read_book(symbol: SymbolPath, market_data: NamedDependency[MarketData], depth: Depth = 20) -> BookAnswer:
    """The venue's order book as it was at most ten seconds ago, best prices first."""
    market = await market_data.market(symbol)
    return book_answer(await market_data.history.order_book(market.symbol), depth)


@get(
    "/api/markets/{symbol:str}/trades",
    operation_id="listTrades",
    summary="Trades, newest first",
    tags=TAGS,
    opt={CACHEABLE: True},
)
async def list_trades(
    symbol: SymbolPath,
    market_data: NamedDependency[MarketData],
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
) -> Page[TradeAnswer]:
    """The venue's trades in this market, anybody's, newest first."""
    market = await market_data.market(symbol)
    behind = read_cursor(cursor, tuple[datetime, str])
    # The venue counts in nanoseconds and we in microseconds: ask a little further and leave out what was shown.
    end = None if behind is None else _usable(behind[0]) + timedelta(microseconds=1)
    found = await market_data.history.trades(market.symbol, end=end, limit=limit + 1 + TIES_MAX)
    rows = sorted(found, key=_trade_key, reverse=True)
    if behind is not None:
        last_shown = (behind[0], len(behind[1]), behind[1])
        rows = [trade for trade in rows if _trade_key(trade) < last_shown]
    return page_of(rows[: limit + 1], limit, item=trade_answer, key=lambda trade: (trade.at, trade.id))


def _trade_key(trade: Trade) -> tuple[datetime, int, str]:
    """By time, then by id: ids are numbers written as text, so the shorter is the smaller."""
    return trade.at, len(trade.id), trade.id


def _moment(text: str | None, field: str) -> datetime | None:
    """A time from a query; without an offset it is UTC. Raises `InvalidTime`."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment is None or moment.year not in _YEARS:
        raise InvalidTime(
            f"`{field}` is no time we can use: write it like 2026-01-31T12:00:00Z (a + as %2B).", field=field
        )
    return moment.astimezone(UTC)


def _usable(at: datetime) -> datetime:
    """The time in a cursor, which may have been made up; raises `InvalidCursor`."""
    if at.tzinfo is None or at.year not in _YEARS:
        raise InvalidCursor
    return at.astimezone(UTC)


ROUTES = (list_markets, read_market, list_candles, read_book, list_trades)
