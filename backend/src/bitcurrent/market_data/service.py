"""Market data as the other rooms call it: rules and prices at once from memory, history through short caches."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Self, TypeVar

import asyncpg
import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bitcurrent.kernel.cache import SingleFlight
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.tasks import stop
from bitcurrent.market_data import repository
from bitcurrent.market_data.board import (
    DAYS_KEY,
    MARKETS_CHANNEL,
    PRICES_CHANNEL,
    QUOTES_KEY,
    PriceBoard,
    PriceMessage,
    read_hashes,
    read_message,
)
from bitcurrent.market_data.history import History, read_days
from bitcurrent.market_data.model import (
    DaySummary,
    Market,
    MarketDataUnavailable,
    MarketIndex,
    Quote,
    QuoteUnavailable,
    ReferencePrice,
    Side,
    VenueMarket,
    reference_price,
)
from bitcurrent.market_data.ports import MarketDataSource
from bitcurrent.market_data.troubles import Troubles

log = structlog.get_logger(__name__)
T = TypeVar("T")

QUOTE_AGE_SECONDS_MAX: Final = 15.0
"""A quote older than this is stale unless the caller has a limit of its own. Three times the prices' cache time."""

MARKETS_EVERY_SECONDS: Final = 4.0
SILENT_SECONDS_MAX: Final = 6.0
"""The feed confirms every price each 5 s: when nothing was heard for longer, we ask the venue ourselves."""

FALL_BACK_EVERY_SECONDS: Final = 5.0
FRESH_WAIT_SECONDS: Final = 2.0
DAYS_AGE_SECONDS_MAX: Final = 180.0

PriceListener = Callable[[Sequence[Quote]], None]
REDIS_ERRORS = (RedisError, OSError, TimeoutError)
DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class MarketData:
    """Open it as an async context manager. `market`, `quote` and `reference_price` are look-ups in memory, and so is
    `fresh_quote` as long as prices flow.

    Markets are read again from PostgreSQL every few seconds and when told to by Redis; prices come by Redis from the
    feed, and straight from the venue while Redis or the feed is silent.
    """

    def __init__(self, *, database: Database, redis: Redis, source: MarketDataSource) -> None:
        self._database = database
        self._redis = redis
        self._source = source
        self._index = MarketIndex()
        self._listed: tuple[Market, ...] = ()
        self._why_closed: Callable[[Market], str | None] | None = None
        self._listing = 0
        self._refused_until = 0.0
        self._board = PriceBoard()
        self._refreshes: SingleFlight[None] = SingleFlight()
        self._reload = asyncio.Event()
        self._listeners: list[PriceListener] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._asking: asyncio.Task[Any] | None = None
        self._troubles = Troubles()
        self.history = History(source)

    async def __aenter__(self) -> Self:
        try:
            await self.reload_markets()
        except DATABASE_ERRORS as error:
            self._troubles.begin("markets_not_read", error)
        try:
            await self._take_from_redis()
        except REDIS_ERRORS as error:
            self._troubles.begin("prices_without_redis", error)
        loops = (self._keep_markets, self._listen, self._fall_back)
        self._tasks = [asyncio.create_task(loop(), name=f"market_data.{loop.__name__}") for loop in loops]
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop(*self._tasks, *([self._asking] if self._asking else []))
        self._tasks = []

    @property
    def markets(self) -> tuple[Market, ...]:
        """Every market, by symbol."""
        return self._index.all

    @property
    def silent_seconds(self) -> float:
        """Seconds since the venue last confirmed any price."""
        return self._board.silent_seconds

    @property
    def version(self) -> tuple[int, int]:
        """Changes whenever a rule or a figure does; for caches of what is made from them."""
        return self._listing, self._board.version

    async def market(self, name: str) -> Market:
        """The market called BTC/USD, BTC-USD, BTCUSD or by the venue's asset id; raises `UnknownMarket`."""
        return self._find(name)

    async def quote(self, name: str) -> Quote:
        """The newest quote of a market, however old (look at `age_seconds`); `QuoteUnavailable` when none ever came."""
        symbol = self._find(name).symbol
        found = self._board.quotes.get(symbol)
        if found is None:
            raise QuoteUnavailable(f"No price of {symbol} has been heard yet.", field="symbol")
        return found

    async def fresh_quote(self, name: str, *, age_seconds_max: float = QUOTE_AGE_SECONDS_MAX) -> Quote | None:
        """A quote that can be relied on, or None.

        When ours is too old the venue is asked, for two seconds at most and not again at once after it failed.
        """
        symbol = self._find(name).symbol
        found = self._board.quotes.get(symbol)
        if found is not None and found.age_seconds <= age_seconds_max:
            return found
        loop = asyncio.get_running_loop()
        if loop.time() < self._refused_until:
            return None
        try:
            async with asyncio.timeout(FRESH_WAIT_SECONDS):
                await self.refresh_prices()
        except (MarketDataUnavailable, TimeoutError) as error:
            self._refused_until = loop.time() + FRESH_WAIT_SECONDS
            log.warning("no_fresh_quote", symbol=symbol, cause=type(error).__name__)
            return None
        found = self._board.quotes.get(symbol)
        return found if found is not None and found.age_seconds <= age_seconds_max else None

    def find_quote(self, symbol: str) -> Quote | None:
        """The newest quote of a symbol (BTC/USD), however old, or None."""
        return self._board.quotes.get(symbol)

    async def reference_price(
        self, name: str, *, side: Side | None = None, age_seconds_max: float = QUOTE_AGE_SECONDS_MAX
    ) -> ReferencePrice:
        """What one unit costs now: the ask for a buyer, the bid for a seller, else the middle; and whether it is fresh.

        Raises `UnknownMarket`, and `QuoteUnavailable` when there is no such price.
        """
        return reference_price(await self.quote(name), side=side, age_seconds_max=age_seconds_max)

    def day(self, symbol: str) -> DaySummary | None:
        """The last 24 hours of a market, as of the last minute or two; None before the first summary."""
        return self._board.days.get(symbol)

    def on_prices(self, listener: PriceListener) -> None:
        """Call `listener` with the quotes of every tick that arrives. It must be quick and may not raise."""
        self._listeners.append(listener)

    async def refresh_prices(self) -> None:
        """Ask the venue for every price now; those who ask at the same time share it. Raises `SourceUnavailable`."""
        await self._refreshes.read("prices", self._ask_venue)

    async def sync_markets(self) -> Sequence[VenueMarket]:
        """Take over what the venue lists now, with its rules. For the worker, at start and regularly.

        Returns the listing. An empty one is not believed: `MarketDataUnavailable`, and nothing is changed.
        """
        listed = await self._source.list_markets()
        if not listed:
            raise MarketDataUnavailable("The venue listed no market at all; nothing was changed.")
        await self._database.in_transaction(lambda connection: repository.save_listing(connection, listed))
        await self.reload_markets()
        await self.announce_markets()
        return listed

    async def halt(self, connection: Connection, name: str, *, reason: str) -> None:
        """Stop a market whatever the venue says; call `announce_markets` once that is committed."""
        await repository.set_halt(connection, self._find(name).symbol, reason)

    async def resume(self, connection: Connection, name: str) -> None:
        """Let a halted market go on; call `announce_markets` once that is committed."""
        await repository.set_halt(connection, self._find(name).symbol, None)

    async def announce_markets(self) -> None:
        """Tell every process to read the markets again now. Without Redis they do so within seconds by themselves."""
        self._reload.set()
        try:
            await self._redis.publish(MARKETS_CHANNEL, b"changed")
        except REDIS_ERRORS as error:
            log.warning("markets_not_announced", cause=type(error).__name__)

    async def reload_markets(self) -> None:
        """Read the markets from PostgreSQL."""
        async with self._database.read() as connection:
            found = await repository.load_markets(connection)
        self._listed = tuple(found)
        self.review_markets()

    def close_by(self, why: Callable[[Market], str | None]) -> None:
        """Show markets as halted, with these words, while `why` has some; call `review_markets` when it changes."""
        self._why_closed = why
        self.review_markets()

    def review_markets(self) -> None:
        """Ask again which markets are closed."""
        shown = self._listed
        if self._why_closed is not None:
            why = self._why_closed
            shown = tuple(replace(each, halted_reason=each.halted_reason or why(each)) for each in shown)
        if shown != self._index.all:
            self._index = MarketIndex(shown)
            self._listing += 1

    def _find(self, name: str) -> Market:
        if not self._index.all:
            raise MarketDataUnavailable("The markets are not known yet: they are taken over when the worker starts.")
        return self._index.find(name)

    async def _keep_markets(self) -> None:
        while True:
            try:
                async with asyncio.timeout(MARKETS_EVERY_SECONDS):
                    await self._reload.wait()
            except TimeoutError:
                pass  # nobody told us: time to look by ourselves
            self._reload.clear()
            try:
                await self.reload_markets()
            except DATABASE_ERRORS as error:
                self._troubles.begin("markets_not_read", error)
            else:
                self._troubles.end("markets_not_read")

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow_redis()
            except REDIS_ERRORS as error:
                self._troubles.begin("prices_without_redis", error)
            await asyncio.sleep(random.uniform(0.25, 1.0))  # noqa: S311  jitter

    async def _follow_redis(self) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(PRICES_CHANNEL, MARKETS_CHANNEL)
            # Only now that we listen: what changes in between would otherwise be missed.
            await self._take_from_redis()
            self._reload.set()
            self._troubles.end("prices_without_redis")
            while True:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=5.0)
                if message is None:
                    continue
                if message["channel"] == MARKETS_CHANNEL.encode():
                    self._reload.set()
                else:
                    self._take(message["data"], read_message)

    async def _take_from_redis(self) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            _ = pipe.hvals(QUOTES_KEY), pipe.hvals(DAYS_KEY)  # queued, not awaited
            quotes, days = await pipe.execute()
        self._take((quotes, days), lambda found: read_hashes(*found))

    def _take(self, body: T, read: Callable[[T], PriceMessage]) -> None:
        try:
            message = read(body)
        except (msgspec.MsgspecError, ArithmeticError) as error:
            log.warning("price_message_unreadable", reason=str(error)[:200])
            return
        self._tell(self._board.put_message(message))

    def _tell(self, quotes: Sequence[Quote]) -> None:
        if quotes:
            for listener in self._listeners:
                listener(quotes)

    async def _fall_back(self) -> None:
        while True:
            pause = 1.0
            if self._index.symbols and self._board.silent_seconds > SILENT_SECONDS_MAX:
                pause = FALL_BACK_EVERY_SECONDS
                try:
                    await self.refresh_prices()
                    await self._refresh_days()
                except MarketDataUnavailable as error:
                    self._troubles.begin("prices_without_venue", error)
                else:
                    self._troubles.end("prices_without_venue")
            await asyncio.sleep(pause)

    async def _ask_venue(self) -> None:
        self._asking = asyncio.current_task()
        quotes = await self._source.quotes(self._tradable_symbols())
        self._tell([self._board.put_quote(quote) for quote in quotes.values()])

    async def _refresh_days(self) -> None:
        oldest = min((day.at for day in self._board.days.values()), default=None)
        if oldest is None or (now() - oldest).total_seconds() > DAYS_AGE_SECONDS_MAX:
            for day in await read_days(self._source, self._tradable_symbols()):
                self._board.put_day(day)

    def _tradable_symbols(self) -> list[str]:
        # One symbol that the venue has dropped would make it refuse the whole request.
        return [market.symbol for market in self._index.all if market.tradable]
