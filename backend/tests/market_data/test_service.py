"""Markets and prices as other rooms ask for them, against the sandbox venue."""

import asyncio
import time
from decimal import Decimal

import pytest
from redis.asyncio import Redis

from bitcurrent.integrations.alpaca.data import AlpacaData
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.market_data.model import MarketDataUnavailable, UnknownMarket
from bitcurrent.market_data.service import MarketData
from tests.market_data.conftest import dead_source, eventually, source_of, times_asked
from tests.support.sandbox import Sandbox


async def test_sync_takes_over_markets_and_assets_with_their_rules(market_data: MarketData, database: Database) -> None:
    bitcoin = await market_data.market("BTC/USD")
    assert (bitcoin.base, bitcoin.quote, bitcoin.name) == ("BTC", "USD", "Bitcoin")
    assert bitcoin.min_order_size == Decimal("0.00001")
    assert bitcoin.min_trade_increment == Decimal("0.000000001")
    assert bitcoin.price_increment == Decimal("0.01")
    assert bitcoin.is_open
    assert len(market_data.markets) >= 20
    async with database.read() as connection:
        rows = await connection.fetch("SELECT code, kind FROM assets WHERE code IN ('USD', 'BTC', 'USDC')")
        assert {row["code"]: row["kind"] for row in rows} == {"USD": "fiat", "BTC": "crypto", "USDC": "crypto"}
        assert await connection.fetchval("SELECT shown_places FROM assets WHERE code = 'USD'") == 2


async def test_every_spelling_names_the_same_market(market_data: MarketData) -> None:
    asset_id = str((await market_data.market("BTC/USD")).venue_asset_id)
    for name in ("BTC/USD", "BTC-USD", "BTCUSD", "btc-usd", asset_id, asset_id.upper()):
        assert (await market_data.market(name)).symbol == "BTC/USD"
    with pytest.raises(UnknownMarket):
        await market_data.market("NOPE-USD")


async def test_syncing_again_keeps_our_halts_and_never_deletes(
    market_data: MarketData, database: Database, venue: Sandbox
) -> None:
    async with database.transaction() as connection:
        await market_data.halt(connection, "ETH-USD", reason="Under review.")
        await connection.execute(
            """
            INSERT INTO assets VALUES ('GONE', 'Gone', 'crypto', 9);
            INSERT INTO markets (symbol, venue_asset_id, name, base, quote, min_order_size, min_trade_increment,
                price_increment, tradable) VALUES ('GONE/USD', gen_random_uuid(), 'Gone', 'GONE', 'USD', 1, 1, 1, true)
            """
        )
    venue.control("halt", symbol="SOL/USD")
    await market_data.sync_markets()
    assert (await market_data.market("ETH/USD")).halted_reason == "Under review."
    assert not (await market_data.market("SOL/USD")).tradable
    assert not (await market_data.market("GONE/USD")).tradable
    venue.control("unhalt", symbol="SOL/USD")
    await market_data.sync_markets()
    assert (await market_data.market("SOL/USD")).is_open


async def test_a_halt_is_seen_by_another_process_within_five_seconds_and_at_once_when_announced(
    market_data: MarketData, database: Database, redis_url: str, source: AlpacaData
) -> None:
    other_redis = connect_redis(redis_url)
    async with MarketData(database=database, redis=other_redis, source=source) as other:
        assert (await other.market("BTC/USD")).is_open
        async with database.transaction() as connection:
            await market_data.halt(connection, "BTC/USD", reason="Circuit breaker.")

        async def is_halted() -> bool:
            return not (await other.market("BTC/USD")).is_open

        await eventually(is_halted, seconds=5, what="the halt")
        async with database.transaction() as connection:
            await market_data.resume(connection, "BTC/USD")
        await market_data.announce_markets()
        started = time.monotonic()

        async def is_open() -> bool:
            return (await other.market("BTC/USD")).is_open

        await eventually(is_open, seconds=5, what="the resumption")
        assert time.monotonic() - started < 1
    await other_redis.aclose()


async def test_an_empty_listing_is_not_believed(market_data: MarketData, monkeypatch: pytest.MonkeyPatch) -> None:
    before = market_data.markets

    async with dead_source() as nobody:
        other = MarketData(database=market_data._database, redis=market_data._redis, source=nobody)
        with pytest.raises(MarketDataUnavailable):
            await other.sync_markets()
    await market_data.reload_markets()
    assert [market.symbol for market in market_data.markets if market.tradable] == [m.symbol for m in before]


async def test_before_the_first_sync_everything_says_not_yet(
    database: Database, redis: Redis, source: AlpacaData
) -> None:
    async with MarketData(database=database, redis=redis, source=source) as fresh:
        with pytest.raises(MarketDataUnavailable, match="not known yet"):
            await fresh.market("BTC/USD")


async def test_prices_are_read_from_the_venue_while_nobody_feeds(market_data: MarketData) -> None:
    await eventually(lambda: market_data.find_quote("BTC/USD") is not None, what="a price")
    quote = await market_data.quote("BTCUSD")
    assert (quote.bid, quote.ask, quote.last) == (Decimal("64999.99"), Decimal("65000.01"), Decimal(65000))
    assert quote.age_seconds < 5
    reference = await market_data.reference_price("BTC-USD", side="buy")
    assert (reference.price, reference.is_fresh) == (quote.ask, True)
    await eventually(lambda: market_data.day("BTC/USD") is not None, what="a day's summary")
    day = market_data.day("BTC/USD")
    assert day is not None
    assert day.low <= day.open <= day.high
    assert day.volume > 0


async def test_warm_look_ups_touch_no_network(market_data: MarketData, venue: Sandbox) -> None:
    await market_data.refresh_prices()
    watch = venue.control("faults", kind="delay_before", count=0, ms=0, path="/v1beta3")["id"]
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(5_000):
        await market_data.market("BTC-USD")
        assert await market_data.fresh_quote("BTC/USD") is not None
    seconds = (loop.time() - started) / 5_000
    assert times_asked(venue, watch) == 0
    assert seconds < 0.000_2


async def test_a_stale_quote_is_shown_as_stale_and_is_not_fresh(
    database: Database, redis: Redis, market_data: MarketData
) -> None:
    await market_data.refresh_prices()
    async with dead_source() as nobody:
        cut_off = MarketData(database=database, redis=redis, source=nobody)
        await cut_off.reload_markets()
        cut_off._board.put_quote(await market_data.quote("BTC/USD"))
        await asyncio.sleep(0.2)
        assert await cut_off.fresh_quote("BTC/USD", age_seconds_max=0.1) is None
        shown = await cut_off.reference_price("BTC/USD", side="sell", age_seconds_max=0.1)
        assert not shown.is_fresh
        assert shown.price == Decimal("64999.99")
        assert (await cut_off.quote("BTC/USD")).age_seconds >= 0.2


async def test_a_stale_quote_is_renewed_by_asking_once_for_all_who_want_it(
    database: Database, redis: Redis, venue: Sandbox
) -> None:
    async with source_of(venue) as source:
        service = MarketData(database=database, redis=redis, source=source)
        await service.sync_markets()
        watch = venue.control("faults", kind="delay_before", count=0, ms=100, path="/v1beta3/crypto/us/snapshots")["id"]
        found = await asyncio.gather(*(service.fresh_quote("BTC/USD") for _ in range(40)))
        assert all(quote is not None for quote in found)
        assert times_asked(venue, watch) == 1


async def test_without_the_venue_a_fresh_quote_is_refused_quickly(
    database: Database, redis: Redis, venue: Sandbox
) -> None:
    async with source_of(venue) as source:
        service = MarketData(database=database, redis=redis, source=source)
        await service.sync_markets()
        venue.control("faults", kind="delay_before", count=0, ms=30_000, path="/v1beta3")
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await service.fresh_quote("BTC/USD") is None
        first = loop.time() - started
        assert await service.fresh_quote("BTC/USD") is None
        assert first < 2.5
        assert loop.time() - started - first < 0.1
