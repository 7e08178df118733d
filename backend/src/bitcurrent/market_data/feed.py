"""The feed: one process (the worker's leader) listens to the venue and tells all others.

Three sources of truth meet on one board: the stream as it happens, a reading of every price by REST each few seconds
(which confirms quiet markets, heals what the stream missed and goes on while the stream is down), and the last day's
candles each minute. What changed is written to Redis and published at most ten times a second.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

import structlog
from redis.asyncio import Redis

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.errors import Refusal
from bitcurrent.market_data.board import (
    DAYS_KEY,
    KEPT_SECONDS,
    PRICES_CHANNEL,
    QUOTES_KEY,
    PriceBoard,
    encode_message,
    hashes_of,
    message_of,
)
from bitcurrent.market_data.history import read_days
from bitcurrent.market_data.model import MarketDataUnavailable, Quote, QuoteChange, Tick, Trade
from bitcurrent.market_data.ports import MarketDataSource, StreamChannel
from bitcurrent.market_data.service import DATABASE_ERRORS, REDIS_ERRORS, MarketData
from bitcurrent.market_data.troubles import Troubles

log = structlog.get_logger(__name__)

CHANNELS: Final[frozenset[StreamChannel]] = frozenset({"quotes", "trades"})
PAUSE_SECONDS_FIRST: Final = 0.5
PAUSE_SECONDS_MAX: Final = 30.0
HEALTHY_SECONDS: Final = 30.0
"""A connection that lasted this long was a good one: the next pause is short again."""


class PriceFeed:
    """Run it where the leader is; two at once do no harm, they tell the same."""

    def __init__(
        self,
        *,
        source: MarketDataSource,
        redis: Redis,
        market_data: MarketData,
        tick_seconds: float = 0.1,
        poll_seconds: float = 5.0,
        silence_seconds_max: float = 30.0,
        days_seconds: float = 60.0,
        sync_seconds: float = 300.0,
    ) -> None:
        self._source = source
        self._redis = redis
        self._market_data = market_data
        self._tick_seconds = tick_seconds
        self._poll_seconds = poll_seconds
        self._silence_seconds_max = silence_seconds_max
        self._days_seconds = days_seconds
        self._sync_seconds = sync_seconds
        self._board = PriceBoard()
        self._symbols: tuple[str, ...] = ()
        self._symbols_changed = asyncio.Event()
        self._catch_up = asyncio.Event()
        self._changed = asyncio.Event()
        self._quotes_due: set[str] = set()
        self._days_due: set[str] = set()
        self._troubles = Troubles()
        self.connections = 0
        """How many stream subscriptions have stood so far."""

    async def run(self) -> None:
        """Feed until cancelled. Outages of venue, Redis or database are waited out; a fault of our own is raised."""
        synced = await self._sync()  # first of all: the others need the symbols
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(self._sync_seconds, self._sync, done=synced), name="feed.sync")
            tasks.create_task(self._every(self._days_seconds, self._read_days), name="feed.days")
            tasks.create_task(self._poll(), name="feed.poll")
            tasks.create_task(self._follow_stream(), name="feed.stream")
            tasks.create_task(self._publish(), name="feed.publish")

    async def _every(self, seconds: float, work: Callable[[], Awaitable[bool]], *, done: bool | None = None) -> None:
        """Do it regularly, after a failure sooner; `done` says how it went when it was done just now."""
        while True:
            if done is None:
                done = await work()
            await asyncio.sleep(seconds if done else min(seconds, self._poll_seconds))
            done = None

    async def _sync(self) -> bool:
        """Take over the venue's listing; go on with the markets already known when that fails."""
        worked = False
        try:
            symbols = tuple(market.symbol for market in await self._market_data.sync_markets())
        except (Refusal, *DATABASE_ERRORS) as error:
            self._troubles.begin("markets_not_synced", error)
            symbols = self._symbols or tuple(m.symbol for m in self._market_data.markets if m.tradable)
        else:
            self._troubles.end("markets_not_synced")
            worked = True
        if symbols != self._symbols:
            self._symbols = symbols
            self._symbols_changed.set()
            self._catch_up.set()
        return worked

    async def _read_days(self) -> bool:
        try:
            days = await read_days(self._source, self._symbols)
        except MarketDataUnavailable as error:
            self._troubles.begin("days_not_read", error)
            return False
        self._troubles.end("days_not_read")
        for day in days:
            self._board.put_day(day)
            self._days_due.add(day.symbol)
        self._changed.set()
        return bool(days)

    async def _poll(self) -> None:
        while True:
            self._catch_up.clear()
            try:
                quotes = await self._source.quotes(self._symbols)
            except MarketDataUnavailable as error:
                self._troubles.begin("prices_not_read", error)
            else:
                self._troubles.end("prices_not_read")
                for quote in quotes.values():
                    self._put(quote)
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._catch_up.wait()
            except TimeoutError:
                continue  # nobody was in a hurry: it is time for the regular reading

    async def _follow_stream(self) -> None:
        pause = PAUSE_SECONDS_FIRST
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._symbols_changed.clear()
            try:
                if self._symbols:
                    await self._follow_connection(self._symbols)
            except TimeoutError:
                log.warning("price_stream_silent", seconds=self._silence_seconds_max)
            except MarketDataUnavailable as error:
                log.warning("price_stream_broke", reason=error.message)
            pause = PAUSE_SECONDS_FIRST if loop.time() - started > HEALTHY_SECONDS else pause
            try:
                async with asyncio.timeout(random.uniform(pause / 2, pause)):  # noqa: S311  jitter
                    await self._symbols_changed.wait()
            except TimeoutError:
                pass  # the same markets again
            pause = min(pause * 2, PAUSE_SECONDS_MAX)

    async def _follow_connection(self, symbols: Sequence[str]) -> None:
        """One subscription until it breaks, falls silent (`TimeoutError`) or other markets are wanted."""
        async with aclosing(self._source.stream(symbols, CHANNELS)) as bunches:
            while not self._symbols_changed.is_set():
                async with asyncio.timeout(self._silence_seconds_max):
                    bunch = await anext(bunches)
                if not bunch:
                    self.connections += 1
                    log.info("price_stream_subscribed", markets=len(symbols))
                    self._catch_up.set()  # what happened while nobody listened
                for tick in bunch:
                    self._take(tick)

    def _take(self, tick: Tick) -> None:
        held = self._board.quotes.get(tick.symbol)
        moment = now()
        match tick:
            case QuoteChange(symbol=symbol, at=at):
                self._put(
                    Quote(
                        symbol=symbol,
                        bid=tick.bid,
                        ask=tick.ask,
                        bid_size=tick.bid_size,
                        ask_size=tick.ask_size,
                        last=held.last if held else None,
                        at=at,
                        last_at=held.last_at if held else None,
                        # The venue's time, not that of arrival: a stream that lags must not look young.
                        seen_at=min(at, moment),
                    )
                )
            case Trade() if held is not None:
                self._put(_with_trade(held, tick))
            case _:
                return

    def _put(self, quote: Quote) -> None:
        self._board.put_quote(quote)
        self._quotes_due.add(quote.symbol)
        self._changed.set()

    async def _publish(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            quotes, days = self._quotes_due, self._days_due
            self._quotes_due, self._days_due = set(), set()
            pause = self._tick_seconds
            try:
                await self._write(quotes, days)
            except REDIS_ERRORS as error:
                self._troubles.begin("prices_not_published", error)
                # Due again, with everything else: a Redis that comes back may have forgotten all.
                self._quotes_due |= set(self._board.quotes)
                self._days_due |= set(self._board.days)
                self._changed.set()
                pause = max(pause, PAUSE_SECONDS_FIRST)
            else:
                self._troubles.end("prices_not_published")
            await asyncio.sleep(pause)

    async def _write(self, quotes: set[str], days: set[str]) -> None:
        message = message_of(
            [self._board.quotes[symbol] for symbol in sorted(quotes)],
            [self._board.days[symbol] for symbol in sorted(days)],
        )
        quote_fields, day_fields = hashes_of(message)
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, fields in ((QUOTES_KEY, quote_fields), (DAYS_KEY, day_fields)):
                if fields:
                    items = [part for pair in fields.items() for part in pair]
                    _ = pipe.hset(key, items=items), pipe.expire(key, KEPT_SECONDS)  # queued, not awaited
            _ = pipe.publish(PRICES_CHANNEL, encode_message(message))
            await pipe.execute()


def _with_trade(held: Quote, trade: Trade) -> Quote:
    """The quote with this last trade; a trade says nothing about how old bid and ask are."""
    return Quote(
        symbol=held.symbol,
        bid=held.bid,
        ask=held.ask,
        bid_size=held.bid_size,
        ask_size=held.ask_size,
        last=trade.price,
        at=held.at,
        last_at=trade.at,
        seen_at=held.seen_at,
    )
