"""Market data from Alpaca's REST API: assets from the trading base, prices from /v1beta3/crypto/us.

Facts are from Alpaca's published Market Data and Trading API descriptions. Prices are JSON numbers there and are read
as decimals from their literal.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Final, Self, TypeVar

import httpx
import msgspec
import structlog

from bitcurrent.integrations.alpaca.data_stream import HANDSHAKE_SECONDS, stream_ticks
from bitcurrent.integrations.alpaca.data_wire import (
    AssetWire,
    BarWire,
    BookWire,
    QuoteWire,
    TradeWire,
    Unreadable,
    book_from,
    candle_from,
    market_from,
    price,
    trade_from,
)
from bitcurrent.kernel.clock import now
from bitcurrent.market_data.model import Candle, OrderBook, Quote, Tick, Timeframe, Trade, VenueMarket
from bitcurrent.market_data.ports import SourceBusy, SourceUnavailable, StreamChannel
from bitcurrent.settings import Settings

log = structlog.get_logger(__name__)
T = TypeVar("T")

CRYPTO: Final = "/v1beta3/crypto/us"
ANSWER_BYTES_MAX: Final = 16_000_000
ASSETS_MAX: Final = 5_000
BEGINNING: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""Before any history that the venue keeps."""
PAGES_MAX: Final = 20
PAGE_ROWS_MAX: Final = 10_000
TRIES_MAX: Final = 2
WAITING_MAX: Final = 64
"""Reads of history that may wait for a free connection; more are refused at once."""
TIMEOUT: Final = httpx.Timeout(5.0, connect=2.0, pool=2.0)


class _Snapshot(msgspec.Struct, rename="camel"):
    latest_quote: QuoteWire | None = None
    latest_trade: TradeWire | None = None


class _Snapshots(msgspec.Struct):
    # Read one by one: a market that cannot be read must not take the others with it.
    snapshots: dict[str, msgspec.Raw]


class _Bars(msgspec.Struct):
    bars: dict[str, list[BarWire] | None]
    next_page_token: str | None = None


class _Trades(msgspec.Struct):
    trades: dict[str, list[TradeWire] | None]
    next_page_token: str | None = None


class _Books(msgspec.Struct):
    orderbooks: dict[str, BookWire]


class AlpacaData:
    """Alpaca as a `MarketDataSource`. Open it as an async context manager; it keeps a few connections.

    Reads of history that customers cause are bounded to `history_reads_per_minute`, so that they cannot use up the
    budget which the prices themselves need.
    """

    def __init__(
        self,
        *,
        trading_url: str,
        data_url: str,
        data_stream_url: str,
        key_id: str,
        secret_key: str,
        history_reads_per_minute: int = 150,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        self._handshake_seconds = handshake_seconds
        self._trading_url = trading_url.rstrip("/")
        self._data_url = data_url.rstrip("/")
        self._stream_url = data_stream_url
        self._key_id = key_id
        self._secret_key = secret_key
        self._history = _Budget(history_reads_per_minute)
        self._slots = asyncio.Semaphore(8)
        self._waiting = 0
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
            headers={"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret_key, "Accept": "application/json"},
        )

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """The source that the settings name. Nothing is sent yet."""
        return cls(
            trading_url=settings.alpaca_trading_url,
            data_url=settings.alpaca_data_url,
            data_stream_url=settings.alpaca_data_stream_url,
            key_id=settings.alpaca_key_id,
            secret_key=settings.alpaca_secret_key,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def list_markets(self) -> Sequence[VenueMarket]:
        """Every crypto asset of the venue; one whose rules cannot be read is left out and logged."""
        url = f"{self._trading_url}/v2/assets"
        rows = await self._get(url, {"asset_class": "crypto"}, list[msgspec.Raw])
        markets: list[VenueMarket] = []
        for row in rows[:ASSETS_MAX]:
            try:
                markets.append(market_from(msgspec.json.decode(row, type=AssetWire)))
            except (Unreadable, msgspec.MsgspecError) as error:
                log.warning("market_left_out", reason=str(error))
        return markets

    async def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Latest quote and trade of each symbol, from one call to /snapshots."""
        if not symbols:
            return {}
        asked_at = now()
        answer = await self._get(f"{self._data_url}{CRYPTO}/snapshots", {"symbols": ",".join(symbols)}, _Snapshots)
        found: dict[str, Quote] = {}
        for symbol, raw in answer.snapshots.items():
            try:
                # The moment we asked, not the one we heard: a slow answer must not look young.
                quote = _quote_from(symbol, msgspec.json.decode(raw, type=_Snapshot | None), seen_at=asked_at)
            except (Unreadable, msgspec.MsgspecError) as error:
                log.warning("quote_left_out", symbol=symbol[:40], reason=str(error)[:200])
                continue
            if quote is not None:
                found[symbol] = quote
        return found

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
        """Candles of one symbol, from pages of /bars."""
        query = {
            "symbols": symbol,
            "timeframe": timeframe.name,
            # Left out, the venue would begin with the current day.
            "start": _moment(start or BEGINNING),
            "sort": "desc" if newest_first else "asc",
        }
        if end is not None:
            query["end"] = _moment(end)
        async with self._history_slot():
            by_symbol = await self._bars(query, rows_max=limit)
        return by_symbol.get(symbol, [])[:limit]

    async def candles_of_all(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, Sequence[Candle]]:
        """Candles of many symbols at once; not counted against the budget of history reads."""
        if not symbols:
            return {}
        query = {
            "symbols": ",".join(symbols),
            "timeframe": timeframe.name,
            "start": _moment(start),
            "end": _moment(end),
        }
        return await self._bars(query, rows_max=PAGES_MAX * PAGE_ROWS_MAX)

    async def order_book(self, symbol: str) -> OrderBook:
        """The newest whole book."""
        async with self._history_slot():
            answer = await self._get(f"{self._data_url}{CRYPTO}/latest/orderbooks", {"symbols": symbol}, _Books)
        book = answer.orderbooks.get(symbol)
        if book is None:
            raise SourceUnavailable(f"The venue has no order book for {symbol}.")
        with _believing(symbol):
            return book_from(symbol, book)

    async def trades(self, symbol: str, *, end: datetime | None, limit: int) -> Sequence[Trade]:
        """Trades of one symbol, newest first."""
        query = {"symbols": symbol, "start": _moment(BEGINNING), "sort": "desc"}
        if end is not None:
            query["end"] = _moment(end)
        found: list[Trade] = []
        async with self._history_slot():
            for _ in range(PAGES_MAX):
                query["limit"] = str(limit - len(found))
                answer = await self._get(f"{self._data_url}{CRYPTO}/trades", query, _Trades)
                with _believing(symbol):
                    found += [trade_from(symbol, row) for row in answer.trades.get(symbol) or ()]
                if len(found) >= limit or not answer.next_page_token:
                    break
                query["page_token"] = answer.next_page_token
        return found[:limit]

    def stream(self, symbols: Sequence[str], channels: frozenset[StreamChannel]) -> AsyncGenerator[Sequence[Tick]]:
        """One connection to the data stream."""
        return stream_ticks(
            self._stream_url,
            key_id=self._key_id,
            secret_key=self._secret_key,
            symbols=symbols,
            channels=channels,
            handshake_seconds=self._handshake_seconds,
        )

    async def _bars(self, query: dict[str, str], *, rows_max: int) -> dict[str, list[Candle]]:
        """Pages of /bars together. A page may be short of its limit although more follow: only the token tells."""
        found: dict[str, list[Candle]] = {}
        rows = 0
        for _ in range(PAGES_MAX):
            query["limit"] = str(min(PAGE_ROWS_MAX, rows_max - rows))
            answer = await self._get(f"{self._data_url}{CRYPTO}/bars", query, _Bars)
            for symbol, bars in answer.bars.items():
                with _believing(symbol):
                    found.setdefault(symbol, []).extend(candle_from(bar) for bar in bars or ())
                rows += len(bars or ())
            if rows >= rows_max or not answer.next_page_token:
                return found
            query["page_token"] = answer.next_page_token
        raise SourceUnavailable("The venue keeps sending further pages of candles.")

    @asynccontextmanager
    async def _history_slot(self) -> AsyncGenerator[None]:
        """A place among the few reads that may run at once, within the minute's budget."""
        self._history.take()
        if self._waiting >= WAITING_MAX:
            raise SourceBusy("Too many market data requests wait already.", details={"retry_after_seconds": "1"})
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    async def _get(self, url: str, query: Mapping[str, str], shape: type[T]) -> T:
        """GET and read; asks a second time after a broken connection or a 5xx, since reading changes nothing."""
        problem = ""
        for attempt in range(1, TRIES_MAX + 1):
            try:
                status, body, headers = await self._fetch(url, query)
            except httpx.HTTPError as error:
                problem = f"The venue's market data does not answer ({type(error).__name__})"
            else:
                if status == httpx.codes.OK:
                    return _read(body, shape)
                problem = f"The venue's market data answered {status}"
                if status == httpx.codes.TOO_MANY_REQUESTS:
                    self._history.rest(seconds=_retry_after(headers))
                if status < httpx.codes.INTERNAL_SERVER_ERROR:
                    break
            if attempt < TRIES_MAX:
                await asyncio.sleep(random.uniform(0.05, 0.25))  # noqa: S311  jitter
        raise SourceUnavailable(f"{problem}.")

    async def _fetch(self, url: str, query: Mapping[str, str]) -> tuple[int, bytes, httpx.Headers]:
        async with self._client.stream("GET", url, params=query) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise SourceUnavailable("The venue's market data answered with far too much.")
            return response.status_code, bytes(body), response.headers


class _Budget:
    """At most so many calls in any minute; after the venue's own 429, none for as long as it says."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._taken: deque[float] = deque(maxlen=per_minute)
        self._rests_until = 0.0

    def take(self) -> None:
        """Use one call, or raise `SourceBusy` with the seconds until there is one again."""
        clock = asyncio.get_running_loop().time()
        wait = self._rests_until - clock
        if len(self._taken) == self._per_minute:
            wait = max(wait, self._taken[0] + 60 - clock)
        if wait > 0:
            raise SourceBusy(
                "Market data is asked for more often than the venue allows. Try again shortly.",
                details={"retry_after_seconds": str(int(wait) + 1)},
            )
        self._taken.append(clock)

    def rest(self, *, seconds: int) -> None:
        """Allow nothing for a while."""
        self._rests_until = asyncio.get_running_loop().time() + seconds


@contextmanager
def _believing(symbol: str) -> Generator[None]:
    """Inside, an unreadable number becomes `SourceUnavailable` naming the symbol."""
    try:
        yield
    except Unreadable as error:
        raise SourceUnavailable(f"The venue's data for {symbol} cannot be used: {error}.") from error


def _quote_from(symbol: str, snapshot: _Snapshot | None, *, seen_at: datetime) -> Quote | None:
    """The quote in a snapshot; None where the venue has none."""
    if snapshot is None or snapshot.latest_quote is None:
        return None
    quote, trade = snapshot.latest_quote, snapshot.latest_trade
    return Quote(
        symbol=symbol,
        bid=price(quote.bp),
        ask=price(quote.ap),
        bid_size=price(quote.bs),
        ask_size=price(quote.as_),
        last=price(trade.p) if trade else None,
        at=quote.t,
        last_at=trade.t if trade else None,
        seen_at=seen_at,
    )


def _read(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        raise SourceUnavailable(f"The venue's market data cannot be read: {error}.") from error


def _retry_after(headers: httpx.Headers) -> int:
    """Seconds to wait after a 429: from Retry-After, else from the reset time, else 5; never more than a minute."""
    for name, origin in (("retry-after", 0.0), ("x-ratelimit-reset", now().timestamp())):
        text = headers.get(name, "")
        if text.isascii() and text.isdigit():
            return max(1, min(60, int(text) - int(origin)))
    return 5


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
