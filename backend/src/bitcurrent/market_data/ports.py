"""What market data needs from outside, in its own words: a source that lists, quotes, remembers and streams."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from bitcurrent.kernel.errors import TooMany
from bitcurrent.market_data.model import (
    Candle,
    MarketDataUnavailable,
    OrderBook,
    Quote,
    Tick,
    Timeframe,
    Trade,
    VenueMarket,
)

StreamChannel = Literal["quotes", "trades", "candles", "books"]

ROWS_MAX = 1_000
"""The most candles or trades that are asked for at once."""


class SourceUnavailable(MarketDataUnavailable):
    """The source did not answer, or not with anything that can be believed."""


class SourceBusy(TooMany):
    """Our own budget of requests to the source is used up for now."""

    code = "market_data_busy"
    title = "Too many market data requests"


class MarketDataSource(Protocol):
    """Where prices come from. Symbols are the source's own (BTC/USD); every call has a timeout.

    Raises `SourceUnavailable` when there is no believable answer, `SourceBusy` when the budget is used up.
    """

    async def list_markets(self) -> Sequence[VenueMarket]:
        """Every market that the venue lists now, tradable or not, with its rules."""
        ...

    async def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """The quote and last trade of each symbol that has one, confirmed as of now."""
        ...

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
        """Up to `limit` candles that begin in [start, end], from the one end or the other; in that order.

        Fewer than `limit` means that there are no more. Without `start`, history begins where the source's does.
        """
        ...

    async def candles_of_all(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, Sequence[Candle]]:
        """All candles that begin in [start, end] of each symbol, oldest first; meant for short spans."""
        ...

    async def order_book(self, symbol: str) -> OrderBook:
        """The whole order book now."""
        ...

    async def trades(self, symbol: str, *, end: datetime | None, limit: int) -> Sequence[Trade]:
        """Up to `limit` trades up to and including `end` (now when left out), newest first."""
        ...

    def stream(self, symbols: Sequence[str], channels: frozenset[StreamChannel]) -> AsyncGenerator[Sequence[Tick]]:
        """News as it happens, in the order and the bunches it came in; subscribed once the first item is asked for.

        The first bunch is empty: it says that the subscription stands. One connection: when it breaks this raises
        `SourceUnavailable`, and the caller starts a new one. Close the generator to hang up.
        """
        ...
