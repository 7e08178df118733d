"""Prices: a snapshot, then each tick; the newest of each symbol to who is slow; and what Redis' absence means."""

import asyncio
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.clock import now
from bitcurrent.launcher.addresses import HERE, free_port
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls, scratch_redis
from bitcurrent.launcher.spawn import start
from bitcurrent.live.model import CloseCode
from bitcurrent.market_data.board import PRICES_CHANNEL, QUOTES_KEY, encode_message, hashes_of, message_of
from bitcurrent.market_data.model import Quote
from tests.live.conftest import SYMBOLS, House, list_markets, running_house
from tests.support.brokerage import settings_for
from tests.support.live_client import LiveClient


def quote(symbol: str, bid: str, *, later: float = 0) -> Quote:
    """A quote as the venue would tell it, `later` seconds from now."""
    at = now() + timedelta(seconds=later)
    return Quote(
        symbol=symbol,
        bid=Decimal(bid),
        ask=Decimal(bid) + 1,
        bid_size=Decimal(1),
        ask_size=Decimal(2),
        last=Decimal(bid),
        at=at,
        last_at=at,
        seen_at=at,
    )


class Feed:
    """Writes prices as the feed does."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect_redis(redis_url)

    async def tell(self, *quotes: Quote) -> None:
        message = message_of(quotes)
        fields, _ = hashes_of(message)
        # The types of redis speak of its blocking twin.
        pipe: Any
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(QUOTES_KEY, mapping=fields)
            pipe.publish(PRICES_CHANNEL, encode_message(message))
            await pipe.execute()

    async def close(self) -> None:
        await self._redis.aclose()


@pytest.fixture
async def priced(database_urls: DatabaseUrls, redis_url: str) -> AsyncIterator[tuple[House, Feed]]:
    """A live server that knows three markets, and their feed."""
    feed = Feed(redis_url)
    await list_markets(database_urls)
    async with running_house(settings_for(database_urls, redis_url, live_port=free_port())) as house:
        yield house, feed
    await feed.close()


async def next_price(client: LiveClient) -> dict[str, Any]:
    """The next price."""
    return await client.until("price")


async def test_a_snapshot_then_each_tick(priced: tuple[House, Feed]) -> None:
    house, feed = priced
    await feed.tell(quote("BTC/USD", "50000"), quote("ETH/USD", "3000"))
    await asyncio.sleep(0.2)
    client = await house.client()
    assert (await client.subscribe("prices:BTC-USD", "prices:solusd"))["channels"] == [
        "prices:BTC-USD",
        "prices:SOL-USD",
    ]
    snapshot = await client.next()
    assert [(price["symbol"], price["bid"]) for price in snapshot["prices"]] == [("BTC/USD", "50000")]
    await feed.tell(quote("ETH/USD", "3001"), quote("BTC/USD", "50000.5"), quote("SOL/USD", "100"))
    came = [await client.next(), await client.next()]
    assert [(price["symbol"], price["bid"], price["ask"], price["last"]) for price in came] == [
        ("BTC/USD", "50000.5", "50001.5", "50000.5"),
        ("SOL/USD", "100", "101", "100"),
    ]
    assert came[0]["at"].endswith("Z")


async def test_all_prices_come_once_also_with_single_symbols_beside(priced: tuple[House, Feed]) -> None:
    house, feed = priced
    client = await house.client()
    await client.subscribe("prices:BTC-USD", "prices:*")
    await feed.tell(*(quote(symbol, "7") for symbol in SYMBOLS))
    assert [(await next_price(client))["symbol"] for _ in SYMBOLS] == list(SYMBOLS)
    await client.send(op="unsubscribe", channels=["prices:*"])
    assert (await client.until("subscribed"))["channels"] == ["prices:BTC-USD"]
    await feed.tell(*(quote(symbol, "8") for symbol in SYMBOLS))
    await feed.tell(quote("BTC/USD", "9"))
    assert [((await next_price(client))["symbol"], "8"), (await next_price(client))["bid"]] == [("BTC/USD", "8"), "9"]


async def test_one_unknown_market_refuses_the_whole_wish(priced: tuple[House, Feed]) -> None:
    house, _ = priced
    client = await house.client()
    await client.send(op="subscribe", channels=["prices:BTC-USD", "prices:XYZ-USD"])
    assert (await client.until("error"))["code"] == "unknown_market"
    assert (await client.subscribe("prices:ETH-USD"))["channels"] == ["prices:ETH-USD"]


def narrow_socket(house: House) -> socket.socket:
    """A connection that takes little at a time, so that its server is soon left with the rest."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((HERE, house.settings.live_port))
    narrow.setblocking(False)
    return narrow


async def fall_behind(house: House, feed: Feed, client: LiveClient) -> int:
    """Stop reading and publish until the server holds more for this client than it should; the last bid."""
    client.socket.transport.pause_reading()
    bid = 0
    connection = next(iter(house.live._desk.roster.clients))._connection
    quotes = [quote(symbol, "0") for symbol in SYMBOLS]
    while not connection.is_slow:
        bid += 1
        await feed.tell(*(replace(each, bid=Decimal(bid)) for each in quotes))
        assert bid < 100_000
    return bid


async def test_a_slow_client_gets_the_newest_of_each_symbol_when_it_reads_again(priced: tuple[House, Feed]) -> None:
    house, feed = priced
    client = await house.client(sock=narrow_socket(house))
    await client.subscribe("prices:*")
    bid = await fall_behind(house, feed, client)
    connection = next(iter(house.live._desk.roster.clients))._connection
    for step in range(1, 501):
        await feed.tell(*(quote(symbol, str(bid + step)) for symbol in SYMBOLS))
    await asyncio.sleep(0.3)
    assert len(connection._newest) == len(SYMBOLS)
    client.socket.transport.resume_reading()
    bids: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
    while any(not seen or seen[-1] != bid + 500 for seen in bids.values()):
        price = await next_price(client)
        bids[price["symbol"]].append(int(price["bid"]))
    for seen in bids.values():
        assert seen == sorted(set(seen)), "never backwards, never twice"
        assert len(seen) < bid + 500 - 400, "what was old was left out"
    await feed.tell(quote("BTC/USD", str(bid + 501)))
    assert (await next_price(client))["bid"] == str(bid + 501)


async def test_a_slow_client_with_a_private_stream_catches_up_without_a_gap(priced: tuple[House, Feed]) -> None:
    house, feed = priced
    ann = await house.customer()
    client = await house.client(sock=narrow_socket(house))
    await client.log_in(ann.credential)
    await client.subscribe("orders", "prices:*")
    await client.until("snapshot")
    await fall_behind(house, feed, client)
    for _ in range(300):
        await ann.place()
    client.socket.transport.resume_reading()
    assert [(await client.until("order"))["sequence"] for _ in range(300)] == list(range(2, 302))


async def test_a_client_that_never_reads_is_closed(priced: tuple[House, Feed], monkeypatch: pytest.MonkeyPatch) -> None:
    house, feed = priced
    client = await house.client()
    await client.subscribe("prices:*")
    await fall_behind(house, feed, client)
    # The bound itself is twenty seconds.
    connection = next(iter(house.live._desk.roster.clients))._connection
    connection._slow_since = asyncio.get_running_loop().time() - 21
    await until(lambda: house.live.sockets == 0)
    client.socket.transport.resume_reading()
    with pytest.raises(ConnectionClosed) as raised:
        await client.until("nothing that is ever sent")
    # What waited before the close may have kept it from coming through at all.
    assert raised.value.rcvd is None or raised.value.rcvd.code == CloseCode.TOO_SLOW


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that may be killed."""
    with scratch_redis() as server:
        yield server


async def test_with_redis_gone_orders_still_come_and_prices_come_again_with_it(
    database_urls: DatabaseUrls, own_redis: RedisServer
) -> None:
    await list_markets(database_urls)
    feed = Feed(own_redis.url)
    async with running_house(settings_for(database_urls, own_redis.url, live_port=free_port())) as house:
        ann = await house.customer()
        client = await ann.client("orders", "prices:*")
        await feed.tell(quote("BTC/USD", "1"))
        assert (await next_price(client))["bid"] == "1"
        shut_down(own_redis)
        await until(lambda: not house.live.reader.hears_redis)
        await ann.place()
        assert (await client.until("order", seconds=2))["sequence"] == 2
        fresh = await ann.client("orders")
        assert (await fresh.until("snapshot"))["sequence"] == 2
        process = start(own_redis.command(), log=subprocess.DEVNULL, account=own_redis.account)
        try:
            await until(lambda: own_redis.is_ready() and house.live.reader.hears_redis)
            await feed.tell(quote("BTC/USD", "2"))
            assert (await next_price(client))["bid"] == "2"
            await ann.place()
            assert (await client.until("order"))["sequence"] == 3
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=5)
    await feed.close()


async def until(question: Callable[[], bool], *, seconds: float = 15) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not question():  # noqa: ASYNC110  there is no event to wait for: the question is another process's state
            await asyncio.sleep(0.02)


def shut_down(server: RedisServer) -> None:
    """End a Redis at once; it cannot answer any more."""
    with pytest.raises((OSError, IndexError)):
        answer_of(server)


def answer_of(server: RedisServer) -> bytes:
    """What Redis says to its own end, if anything."""
    answer = server.ask("SHUTDOWN NOSAVE")
    if not answer:
        raise ConnectionResetError
    return answer
