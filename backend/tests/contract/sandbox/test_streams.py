"""Both streams, with the vendor's own clients and with bare WebSockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest
import websockets
from alpaca.data.live import CryptoDataStream
from alpaca.trading.stream import TradingStream

from tests.contract.sandbox.conftest import Venue
from tests.support.alpaca_shapes import assert_shape

PATIENCE_SECONDS = 8


async def receive(socket: websockets.ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_SECONDS))


@contextlib.asynccontextmanager
async def trading_socket(venue: Venue) -> AsyncIterator[websockets.ClientConnection]:
    """A connection that listens to trade updates."""
    sandbox = venue.sandbox
    async with websockets.connect(sandbox.stream_url) as socket:
        keys = {"key_id": sandbox.key_id, "secret_key": sandbox.secret_key}
        await socket.send(json.dumps({"action": "authenticate", "data": keys}))
        answer = await receive(socket)
        assert answer == {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
        await socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}).encode())
        assert await receive(socket) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        yield socket


def unpack(frame: Any) -> Any:
    return msgspec.msgpack.decode(frame)


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something that another task of this loop brings about."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110  the SDK's client offers no event to wait for
            await asyncio.sleep(0.02)


async def events(socket: websockets.ClientConnection, count: int) -> list[str]:
    """The names of the next events."""
    names = []
    for _ in range(count):
        message = await receive(socket)
        assert_shape("trading", "TradingStreamMessage", message)
        names.append(message["data"]["event"])
    return names


@contextlib.asynccontextmanager
async def data_socket(venue: Venue, *, packed: bool = False) -> AsyncIterator[websockets.ClientConnection]:
    headers = {"Content-Type": "application/msgpack"} if packed else {}
    async with websockets.connect(venue.sandbox.data_stream_url, additional_headers=headers, max_queue=None) as socket:
        if not packed:
            assert await receive(socket) == [{"T": "success", "msg": "connected"}]
        yield socket


async def log_in(venue: Venue, socket: websockets.ClientConnection) -> None:
    keys = {"action": "auth", "key": venue.sandbox.key_id, "secret": venue.sandbox.secret_key}
    await socket.send(json.dumps(keys))
    assert await receive(socket) == [{"T": "success", "msg": "authenticated"}]


async def test_the_sdks_trading_stream_hears_an_order_through_to_its_fill(venue: Venue) -> None:
    sandbox = venue.sandbox
    stream: Any = TradingStream(sandbox.key_id, sandbox.secret_key, url_override=sandbox.stream_url)
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def hear(update: Any) -> None:
        await heard.put(update)

    stream.subscribe_trade_updates(hear)
    running = asyncio.create_task(stream._run_forever())
    try:
        await _until(lambda: stream._running)
        order = await asyncio.to_thread(venue.submit, qty="0.1")
        updates = [await asyncio.wait_for(heard.get(), PATIENCE_SECONDS) for _ in range(3)]
    finally:
        running.cancel()
        await stream.close()
    assert [update.event for update in updates] == ["pending_new", "new", "fill"]
    fill = updates[-1]
    assert (str(fill.order.id), fill.price, fill.qty, fill.position_qty) == (order["id"], 50000.01, 0.1, 0.09975)
    truth = venue.truth(order["client_order_id"])["fills"]
    assert [one["execution_id"] for one in truth] == [str(fill.execution_id)]


async def test_the_sdks_data_stream_hears_every_channel_in_messagepack(venue: Venue) -> None:
    sandbox = venue.sandbox
    stream: Any = CryptoDataStream(sandbox.key_id, sandbox.secret_key, url_override=sandbox.data_stream_url)
    stream._max_frame_size = 16  # the subscription arrives in fragments
    heard: dict[str, Any] = {}

    async def hear(message: Any) -> None:
        # The first pulse may still tell of the moment before the price was pinned: keep the latest.
        if type(message).__name__ != "Orderbook" or message.reset:
            heard[type(message).__name__] = message

    stream.subscribe_trades(hear, "*")
    stream.subscribe_quotes(hear, "BTC/USD")
    stream.subscribe_orderbooks(hear, "BTC/USD")
    running = asyncio.create_task(stream._run_forever())
    try:
        await _until(lambda: len(heard) == 3 and heard["Quote"].bid_price == 49999.99)
    finally:
        running.cancel()
        await stream.close()
    assert heard["Quote"].timestamp.tzinfo is not None
    assert heard["Orderbook"].reset


async def test_every_order_event_has_the_vendors_shape(venue: Venue) -> None:
    async with trading_socket(venue) as socket:
        order = await asyncio.to_thread(venue.submit, type="limit", limit_price="40000", qty="0.5")
        assert await events(socket, 2) == ["pending_new", "new"]
        venue.control("fill", order_id=order["id"], qty="0.2", price="39999")
        assert await events(socket, 1) == ["partial_fill"]
        new = venue.http.patch(f"/v2/orders/{order['id']}", json={"qty": "0.4"}).json()
        assert await events(socket, 3) == ["replaced", "pending_new", "new"]
        venue.control("expire", order_id=new["id"])
        assert await events(socket, 1) == ["expired"]
        resting = await asyncio.to_thread(venue.submit, type="limit", limit_price="40000", qty="0.5")
        venue.http.delete(f"/v2/orders/{resting['id']}")
        assert (await events(socket, 3))[-1] == "canceled"


async def test_wrong_keys_end_the_trading_connection(venue: Venue) -> None:
    async with websockets.connect(venue.sandbox.stream_url) as socket:
        await socket.send(json.dumps({"action": "authenticate", "data": {"key_id": "x", "secret_key": "y"}}))
        assert (await receive(socket))["data"]["status"] == "unauthorized"
        with pytest.raises(websockets.ConnectionClosed):
            await receive(socket)


async def test_a_connection_that_says_nothing_is_ended(venue: Venue) -> None:
    venue.control("settings", auth_timeout_seconds=1)
    async with data_socket(venue) as socket:
        assert await receive(socket) == [{"T": "error", "code": 404, "msg": "auth timeout"}]
    async with websockets.connect(venue.sandbox.stream_url) as socket:
        with pytest.raises(websockets.ConnectionClosed):
            await receive(socket)


async def test_connections_are_limited(venue: Venue) -> None:
    venue.control("settings", max_trading_connections=1, max_data_connections=1)
    async with trading_socket(venue):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await websockets.connect(venue.sandbox.stream_url)
        assert refusal.value.response.status_code == 429
    async with data_socket(venue) as first:
        await log_in(venue, first)
        async with data_socket(venue) as second:
            await second.send(
                json.dumps({"action": "auth", "key": venue.sandbox.key_id, "secret": venue.sandbox.secret_key})
            )
            assert await receive(second) == [{"T": "error", "code": 406, "msg": "connection limit exceeded"}]


async def test_the_data_stream_answers_mistakes_with_its_codes(venue: Venue) -> None:
    async with data_socket(venue) as socket:
        await socket.send("{")
        assert (await receive(socket))[0]["code"] == 400
        await socket.send(json.dumps({"action": "subscribe", "trades": ["BTC/USD"]}))
        assert (await receive(socket))[0]["code"] == 401
        await log_in(venue, socket)
        await socket.send(json.dumps({"action": "auth", "key": "k", "secret": "s"}))
        assert (await receive(socket))[0]["code"] == 403
        await socket.send(json.dumps({"action": "dance"}))
        assert (await receive(socket))[0]["code"] == 400
    async with data_socket(venue) as socket:
        await socket.send(json.dumps({"action": "auth", "key": "k", "secret": "s"}))
        assert await receive(socket) == [{"T": "error", "code": 402, "msg": "auth failed"}]


async def test_json_clients_get_text_frames_and_order_books_as_changes(venue: Venue) -> None:
    async with data_socket(venue) as socket:
        await log_in(venue, socket)
        await socket.send(json.dumps({"action": "subscribe", "orderbooks": ["BTC/USD"], "quotes": ["BTCUSD"]}))
        answer = await receive(socket)
        assert_shape("market_data", "StreamFrame", answer)
        assert answer[0]["quotes"] == ["BTC/USD"]
        book = await _next(socket, "o")
        assert book["r"] is True
        assert book["b"][0]["p"] == 49999.99
        venue.control("price", symbol="BTC/USD", price="50001")
        change = await _next(socket, "o")
        assert "r" not in change
        assert {"p": 49999.99, "s": 0} in change["b"]
        assert (await _next(socket, "q"))["bp"] in (49999.99, 50000.99)
        await socket.send(json.dumps({"action": "unsubscribe", "orderbooks": ["BTC/USD"], "quotes": ["BTC/USD"]}))
        while (answer := await receive(socket))[0]["T"] != "subscription":
            continue
        assert answer[0]["orderbooks"] == answer[0]["quotes"] == []


async def _next(socket: websockets.ClientConnection, kind: str) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            frame = await receive(socket)
            assert_shape("market_data", "StreamFrame", frame)
            for message in frame:
                if message["T"] == kind:
                    return message


async def test_messagepack_times_are_timestamps(venue: Venue) -> None:
    async with data_socket(venue, packed=True) as socket:
        assert unpack(await socket.recv())[0]["msg"] == "connected"
        keys = {"action": "auth", "key": venue.sandbox.key_id, "secret": venue.sandbox.secret_key}
        await socket.send(msgspec.msgpack.encode(keys))
        assert unpack(await socket.recv())[0]["msg"] == "authenticated"
        await socket.send(msgspec.msgpack.encode({"action": "subscribe", "trades": ["*"]}))
        assert unpack(await socket.recv())[0]["trades"] == ["*"]
        trade = unpack(await asyncio.wait_for(socket.recv(), PATIENCE_SECONDS))[0]
        assert isinstance(trade["t"], datetime)


async def test_trade_updates_also_come_as_server_sent_events(venue: Venue) -> None:
    keys = {"APCA-API-KEY-ID": venue.sandbox.key_id, "APCA-API-SECRET-KEY": venue.sandbox.secret_key}
    url = f"{venue.sandbox.trading_url}/v2/events/trades"
    async with httpx.AsyncClient(headers=keys, timeout=10) as client, client.stream("GET", url) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == ": welcome"
        await asyncio.to_thread(venue.submit, qty="0.01")
        names: list[str] = []
        async for line in lines:
            if line.startswith("data: "):
                names.append(json.loads(line.removeprefix("data: "))["event"])
            if len(names) == 3:
                break
        assert names == ["pending_new", "new", "fill"]
    # A client that has gone is forgotten at once, not at the next event.
    await _until(lambda: venue.state()["connections"]["trading_listeners"] == 0)
