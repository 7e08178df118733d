"""The feed: from the venue's stream to every process, through what goes wrong on the way."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from redis.asyncio import Redis

from bitcurrent.integrations.alpaca.data import AlpacaData
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.launcher import addresses, spawn
from bitcurrent.launcher.scratch import scratch_redis, stop
from bitcurrent.market_data.board import PRICES_CHANNEL, QUOTES_KEY, read_message
from bitcurrent.market_data.feed import PriceFeed
from bitcurrent.market_data.model import Quote
from bitcurrent.market_data.service import MarketData
from tests.market_data.conftest import FEED_PACE, dead_source, eventually, running, times_asked
from tests.support.sandbox import Sandbox


def feed_of(source: AlpacaData, redis: Redis, market_data: MarketData, **pace: float) -> PriceFeed:
    return PriceFeed(source=source, redis=redis, market_data=market_data, **{**FEED_PACE, **pace})


def price_is(market_data: MarketData, symbol: str, price: str) -> bool:
    quote = market_data.find_quote(symbol)
    return quote is not None and quote.last == Decimal(price)


async def test_a_price_of_the_stream_reaches_another_process_within_a_second(
    market_data: MarketData, database: Database, redis: Redis, source: AlpacaData, venue: Sandbox
) -> None:
    async with dead_source() as nobody, MarketData(database=database, redis=redis, source=nobody) as reader:
        heard: list[Quote] = []
        reader.on_prices(heard.extend)
        # The regular reading is far away: only the stream can bring it.
        async with running(feed_of(source, redis, market_data, poll_seconds=60)) as feed:
            await eventually(lambda: feed.connections == 1, what="a subscription")
            await eventually(lambda: len(reader._board.quotes) == len(reader.markets), what="all prices")
            venue.control("price", symbol="BTC/USD", price="70000")
            await eventually(lambda: price_is(reader, "BTC/USD", "70000"), seconds=2, what="the new price")
            quote = await reader.quote("BTC/USD")
            assert quote.bid < Decimal(70000) < quote.ask
            assert any(one.symbol == "BTC/USD" and one.last == Decimal(70000) for one in heard)
            await eventually(lambda: reader.day("BTC/USD") is not None, what="a day's summary")


async def test_ticks_are_conflated_to_ten_a_second(
    market_data: MarketData, redis: Redis, source: AlpacaData, venue: Sandbox
) -> None:
    venue.control("settings", tick_ms=10)
    async with redis.pubsub() as channel, running(feed_of(source, redis, market_data)) as feed:
        await eventually(lambda: feed.connections == 1, what="a subscription")
        await channel.subscribe(PRICES_CHANNEL)
        loop = asyncio.get_running_loop()
        until, messages = loop.time() + 2, 0
        pinning = asyncio.create_task(asyncio.to_thread(_jumps, venue))
        while loop.time() < until:
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=0.05)
            if message is not None:
                messages += 1
                symbols = [quote.symbol for quote in read_message(message["data"]).quotes]
                assert len(symbols) == len(set(symbols))
        await pinning
        assert 2 <= messages <= 21


def _jumps(venue: Sandbox) -> None:
    for number in range(60):
        venue.control("price", symbol="BTC/USD", price=str(60_000 + number))


async def test_the_feed_resubscribes_and_catches_up_after_the_venue_closes_the_socket(
    market_data: MarketData, redis: Redis, source: AlpacaData, venue: Sandbox
) -> None:
    async with running(feed_of(source, redis, market_data, poll_seconds=60)) as feed:
        await eventually(lambda: feed.connections == 1, what="a subscription")
        venue.control("settings", data_silent=True)
        venue.control("price", symbol="ETH/USD", price="4000")
        assert venue.control("streams/close", stream="data")["closed"] >= 1
        # The stream is silent: only the reading after the new subscription can bring it.
        await eventually(lambda: price_is(market_data, "ETH/USD", "4000"), seconds=4, what="the missed price")
        assert feed.connections >= 2


async def test_a_socket_that_is_open_and_silent_is_left_for_a_new_one(
    market_data: MarketData, redis: Redis, source: AlpacaData, venue: Sandbox
) -> None:
    async with running(feed_of(source, redis, market_data, poll_seconds=60)) as feed:
        await eventually(lambda: feed.connections == 1, what="a subscription")
        venue.control("settings", data_silent=True)
        venue.control("price", symbol="SOL/USD", price="200")
        await eventually(lambda: feed.connections >= 2, seconds=5, what="a new subscription")
        await eventually(lambda: price_is(market_data, "SOL/USD", "200"), seconds=2, what="the missed price")
        venue.control("settings", data_silent=False)
        venue.control("price", symbol="SOL/USD", price="210")
        await eventually(lambda: price_is(market_data, "SOL/USD", "210"), seconds=6, what="the stream again")


async def test_quiet_markets_stay_fresh_by_the_regular_reading(
    market_data: MarketData, redis: Redis, source: AlpacaData, venue: Sandbox
) -> None:
    venue.control("settings", data_silent=True)
    async with running(feed_of(source, redis, market_data)):
        await asyncio.sleep(2.5)
        ages = [(await market_data.quote(market.symbol)).age_seconds for market in market_data.markets]
        assert max(ages) < 1.5


async def test_a_refused_stream_is_tried_again_with_growing_pauses_while_reading_goes_on(
    market_data: MarketData, redis: Redis, venue: Sandbox
) -> None:
    venue.control("settings", max_data_connections=0)
    async with (
        AlpacaData(
            trading_url=venue.trading_url,
            data_url=venue.data_url,
            data_stream_url=venue.data_stream_url,
            key_id=venue.key_id,
            secret_key=venue.secret_key,
        ) as source,
        running(feed_of(source, redis, market_data)) as feed,
    ):
        await eventually(lambda: market_data.find_quote("BTC/USD") is not None, what="a price by reading")
        await asyncio.sleep(1)
        assert feed.connections == 0
        venue.control("settings", max_data_connections=20)
        await eventually(lambda: feed.connections == 1, seconds=8, what="a subscription")


async def test_the_feed_starts_without_the_venue_and_goes_on_when_it_comes(
    database: Database, redis: Redis, source: AlpacaData, venue: Sandbox
) -> None:
    venue.control("faults", kind="error_before", count=0, status=503, path="/v")
    async with (
        MarketData(database=database, redis=redis, source=source) as market_data,
        running(feed_of(source, redis, market_data)),
    ):
        await asyncio.sleep(0.5)
        assert market_data.markets == ()
        venue.control("reset")
        await eventually(lambda: market_data.find_quote("BTC/USD") is not None, seconds=6, what="a price")


async def test_prices_go_on_without_redis_and_are_published_again_when_it_is_back(
    database: Database, source: AlpacaData, venue: Sandbox, tmp_path: Path
) -> None:
    with scratch_redis() as server:
        redis = connect_redis(server.url)
        async with (
            MarketData(database=database, redis=redis, source=source) as market_data,
            running(feed_of(source, redis, market_data)),
        ):
            await eventually(lambda: market_data.find_quote("BTC/USD") is not None, what="a price")
            with suppress(OSError):  # it goes without a word
                server.ask("SHUTDOWN NOSAVE")
            venue.control("price", symbol="BTC/USD", price="71000")
            # No feed reaches this process now; after some seconds of silence it asks the venue itself.
            await eventually(lambda: price_is(market_data, "BTC/USD", "71000"), seconds=10, what="the price")
            assert await market_data.fresh_quote("BTC/USD") is not None
            with (tmp_path / "redis.log").open("ab") as log:
                again = spawn.start(server.command(), log=log, account=server.account)
            try:
                assert await asyncio.to_thread(addresses.wait_until, server.is_ready, seconds=5)

                async def is_published() -> bool:
                    return bool(await redis.hlen(QUOTES_KEY) == len(market_data.markets))

                await eventually(is_published, seconds=6, what="all prices in Redis")
                venue.control("price", symbol="BTC/USD", price="72000")
                await eventually(lambda: price_is(market_data, "BTC/USD", "72000"), seconds=3, what="the feed")
            finally:
                stop(again)
        await redis.aclose()


async def test_with_redis_and_feed_alive_a_reader_never_asks_the_venue(
    market_data: MarketData, database: Database, redis: Redis, source: AlpacaData, venue: Sandbox
) -> None:
    async with running(feed_of(source, redis, market_data, poll_seconds=60)) as feed:
        await eventually(lambda: feed.connections == 1, what="a subscription")
        await asyncio.sleep(0.5)
        watch = venue.control("faults", kind="delay_before", count=0, ms=0, path="/v1beta3/crypto/us/snapshots")["id"]
        async with MarketData(database=database, redis=redis, source=source) as reader:
            await asyncio.sleep(3)
            assert (await reader.quote("BTC/USD")).age_seconds < 5
            assert times_asked(venue, watch) == 0
