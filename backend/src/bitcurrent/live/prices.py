"""Prices to everybody who wants them: each tick becomes bytes once, and the same bytes go to all."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NoReturn, Protocol

import msgspec

from bitcurrent.live.frames import text_frame
from bitcurrent.live.schemas import Price, PricesSnapshot, encode
from bitcurrent.market_data.board import quote_message
from bitcurrent.market_data.model import Candle, OrderBook, Quote, Tick, Timeframe, Trade, VenueMarket
from bitcurrent.market_data.ports import SourceUnavailable, StreamChannel
from bitcurrent.market_data.service import MarketData


class PriceTaker(Protocol):
    """What the prices need of a connection."""

    def send(self, frame: bytes) -> None:
        """Write a frame."""
        ...

    def send_prices(self, priced: Iterable[tuple[str, bytes]], joined: bytes) -> None:
        """Write price frames, all at once or the newest of each later."""
        ...


class Prices:
    """Who takes which prices. Symbols are the market's own: BTC/USD."""

    def __init__(self, market_data: MarketData) -> None:
        self._market_data = market_data
        self._of_all: set[PriceTaker] = set()
        self._of_symbol: dict[str, set[PriceTaker]] = {}
        market_data.on_prices(self._on_prices)

    async def symbol(self, name: str) -> str:
        """The symbol of a market in any spelling; raises `UnknownMarket`."""
        return (await self._market_data.market(name)).symbol

    def take_all(self, taker: PriceTaker) -> None:
        """Every price goes to this taker from now on."""
        self._of_all.add(taker)
        self._send_snapshot(taker, [market.symbol for market in self._market_data.markets])

    def take(self, taker: PriceTaker, symbols: Sequence[str]) -> None:
        """Prices of these symbols go to this taker from now on."""
        for symbol in symbols:
            self._of_symbol.setdefault(symbol, set()).add(taker)
        self._send_snapshot(taker, symbols)

    def drop_all(self, taker: PriceTaker) -> None:
        """The taker wants every price no longer (single symbols go on)."""
        self._of_all.discard(taker)

    def drop(self, taker: PriceTaker, symbols: Iterable[str]) -> None:
        """The taker wants these symbols no longer."""
        for symbol in symbols:
            takers = self._of_symbol.get(symbol)
            if takers is not None:
                takers.discard(taker)
                if not takers:
                    del self._of_symbol[symbol]

    def _send_snapshot(self, taker: PriceTaker, symbols: Sequence[str]) -> None:
        quotes = [self._market_data.find_quote(symbol) for symbol in symbols]
        snapshot = PricesSnapshot(prices=[_price(quote) for quote in quotes if quote is not None])
        taker.send(text_frame(encode(snapshot)))

    def _on_prices(self, quotes: Sequence[Quote]) -> None:
        if not self._of_all and not self._of_symbol:
            return
        priced = [(quote.symbol, text_frame(encode(_price(quote)))) for quote in quotes]
        if self._of_all:
            joined = b"".join(frame for _, frame in priced)
            for taker in tuple(self._of_all):
                taker.send_prices(priced, joined)
        for each in priced:
            for taker in tuple(self._of_symbol.get(each[0], ())):
                if taker not in self._of_all:
                    taker.send_prices((each,), each[1])


def _price(quote: Quote) -> Price:
    return Price(**msgspec.structs.asdict(quote_message(quote)))


class NoSource:
    """The market data source of a process that asks no venue: here prices come from the feed or not at all.

    A stream that stands still shows its age; a second process that asks the venue would use up the worker's budget.
    """

    async def list_markets(self) -> Sequence[VenueMarket]:
        """Not from here."""
        _refuse()

    async def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Not from here."""
        _refuse()

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
        """Not from here."""
        _refuse()

    async def candles_of_all(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, Sequence[Candle]]:
        """Not from here."""
        _refuse()

    async def order_book(self, symbol: str) -> OrderBook:
        """Not from here."""
        _refuse()

    async def trades(self, symbol: str, *, end: datetime | None, limit: int) -> Sequence[Trade]:
        """Not from here."""
        _refuse()

    def stream(self, symbols: Sequence[str], channels: frozenset[StreamChannel]) -> AsyncGenerator[Sequence[Tick]]:
        """Not from here."""
        _refuse()


def _refuse() -> NoReturn:
    raise SourceUnavailable("The live server does not ask the venue; it waits for the feed.")
