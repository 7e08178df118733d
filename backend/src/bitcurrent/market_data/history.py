"""What the venue remembers: candles, trades and order books, each kept here for its time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.errors import Invalid
from bitcurrent.market_data.model import (
    TIMEFRAMES,
    Candle,
    DaySummary,
    OrderBook,
    Timeframe,
    Trade,
    summarise_day,
)
from bitcurrent.market_data.ports import MarketDataSource
from bitcurrent.market_data.shelf import Shelf

OPEN_CANDLE_SECONDS: Final = 5.0
CLOSED_CANDLE_SECONDS: Final = 3600.0
TRADES_SECONDS: Final = 5.0
BOOK_SECONDS: Final = 10.0

LATE_TRADES: Final = timedelta(seconds=60)
"""A closed candle may still be corrected for about this long."""

_ROWS_KEPT_MAX: Final = 20_000


class InvalidSpan(Invalid):
    """The span of time makes no sense."""

    code = "invalid_span"
    title = "Invalid span of time"


class History:
    """Reads through to the source; equal reads at the same time are one."""

    def __init__(self, source: MarketDataSource) -> None:
        self._source = source
        self._candles: Shelf[Sequence[Candle]] = Shelf(weight_max=_ROWS_KEPT_MAX)
        self._trades: Shelf[Sequence[Trade]] = Shelf(weight_max=_ROWS_KEPT_MAX // 4)
        self._books: Shelf[_Book] = Shelf(weight_max=_ROWS_KEPT_MAX // 4)

    async def candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start: datetime | None,
        end: datetime | None,
        limit: int,
        newest_first: bool,
    ) -> Sequence[Candle]:
        """Up to `limit` candles that begin in [start, end], in the order asked for.

        Raises `InvalidSpan`, `SourceUnavailable`, `SourceBusy`.
        """
        moment = now()
        if start is not None and end is not None and start > end:
            raise InvalidSpan("`start` is after `end`.", field="start")
        if start is not None and start > moment:
            return ()
        if end is not None and end >= moment:
            end = None

        def keep_seconds(found: Sequence[Candle]) -> float:
            settled = now() - timeframe.length - LATE_TRADES
            is_full = not newest_first and len(found) == limit and found[-1].start < settled
            is_past = end is not None and end < settled
            return CLOSED_CANDLE_SECONDS if is_full or is_past else OPEN_CANDLE_SECONDS

        return await self._candles.read(
            (symbol, timeframe.name, start, end, limit, newest_first),
            lambda: self._source.candles(
                symbol, timeframe, start=start, end=end, limit=limit, newest_first=newest_first
            ),
            keep_seconds=keep_seconds,
        )

    async def trades(self, symbol: str, *, end: datetime | None, limit: int) -> Sequence[Trade]:
        """Up to `limit` trades up to and including `end`, newest first."""
        return await self._trades.read(
            (symbol, end, limit),
            lambda: self._source.trades(symbol, end=end, limit=limit),
            keep_seconds=lambda _: TRADES_SECONDS,
        )

    async def order_book(self, symbol: str) -> OrderBook:
        """The order book as it was at most ten seconds ago."""

        async def load() -> _Book:
            return _Book(await self._source.order_book(symbol))

        kept = await self._books.read(symbol, load, keep_seconds=lambda _: BOOK_SECONDS)
        return kept.book


async def read_days(source: MarketDataSource, symbols: Sequence[str]) -> list[DaySummary]:
    """The last 24 hours of each symbol, put together from quarters of an hour."""
    at = now()
    candles = await source.candles_of_all(symbols, TIMEFRAMES["15Min"], start=at - timedelta(hours=24), end=at)
    summaries = (summarise_day(symbol, found, at=at) for symbol, found in candles.items())
    return [summary for summary in summaries if summary is not None]


class _Book:
    """An order book that has a size, for the shelf."""

    def __init__(self, book: OrderBook) -> None:
        self.book = book

    def __len__(self) -> int:
        return len(self.book.bids) + len(self.book.asks)
