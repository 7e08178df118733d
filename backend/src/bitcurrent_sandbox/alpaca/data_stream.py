"""The market data stream: trades, quotes, bars and order books as they happen, in JSON or MessagePack."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca import assets, data_wire
from bitcurrent_sandbox.alpaca.candles import MICROS
from bitcurrent_sandbox.alpaca.keys import Keys
from bitcurrent_sandbox.alpaca.market import Book, CoinMarket, Market
from bitcurrent_sandbox.alpaca.settings import VenueSettings
from bitcurrent_sandbox.http import Socket, encode

CHANNELS: Final = ("trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars")
_QUEUE_MAX: Final = 500
_CATCH_UP: Final = 10 * MICROS
_ERRORS: Final = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    500: "internal error",
}
_pack = msgspec.msgpack.Encoder(decimal_format="number")
_Messages = list[dict[str, Any]]


class Client:
    """One connection: its encoding, its subscriptions, what it has still to be sent."""

    def __init__(self, *, packed: bool) -> None:
        self.packed = packed
        self.subscribed: dict[str, set[str]] = {channel: set() for channel in CHANNELS}
        self.books: dict[str, Book] = {}
        self.authorized = False
        self.queue: asyncio.Queue[_Messages | None] = asyncio.Queue(maxsize=_QUEUE_MAX)

    def push(self, messages: _Messages | None) -> None:
        """Queue messages (None: close); a slow client is told so and dropped."""
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait([_error(407)])
            messages = None
        self.queue.put_nowait(messages)

    def frame(self, messages: _Messages) -> str | bytes:
        """The messages as this client reads them."""
        if not self.packed:
            return encode(messages).decode()
        return _pack.encode(messages)

    def read(self, frame: str | bytes) -> dict[str, Any] | None:
        """A message of the client, or None when it makes no sense."""
        try:
            packed = self.packed and isinstance(frame, bytes)
            message = msgspec.msgpack.decode(frame) if packed else msgspec.json.decode(frame)  # type: ignore[arg-type]  # packed means bytes
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return message if isinstance(message, dict) else None

    def hears(self, channel: str, symbol: str) -> bool:
        """Whether it asked for this."""
        wanted = self.subscribed[channel]
        return symbol in wanted or "*" in wanted


class DataStream:
    """All connections, and the pulse that feeds them."""

    def __init__(self, *, market: Market, keys: Keys, settings: VenueSettings) -> None:
        self._market = market
        self._keys = keys
        self._settings = settings
        self._clients: set[Client] = set()
        self._seen = clock.now()
        self._half_minute = 0

    @property
    def connections(self) -> int:
        """How many clients have shown their keys."""
        return len(self._clients)

    def close_all(self) -> int:
        """Close every connection; returns how many."""
        for client in self._clients:
            client.push(None)
        return len(self._clients)

    async def serve(self, socket: Socket) -> None:
        """One WebSocket connection, from handshake to end."""
        packed = socket.headers.get("content-type", "").startswith("application/msgpack")
        client, sender = Client(packed=packed), None
        try:
            await socket.accept()
            client.push([{"T": "success", "msg": "connected"}])
            sender = asyncio.create_task(self._pump(socket, client))
            await self._converse(socket, client)
            await asyncio.wait({sender}, timeout=1.0)
        finally:
            self._clients.discard(client)
            if sender is not None:
                sender.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sender

    def pulse(self) -> None:
        """Send what has happened since the last pulse; costs nothing while nobody listens."""
        now = clock.now()
        since, self._seen = max(self._seen, now - _CATCH_UP), now
        if not self._clients or self._settings.data_silent:
            return
        half_minute = now // (30 * MICROS)
        turned, self._half_minute = half_minute != self._half_minute, half_minute
        for market in self._market:
            symbol = market.coin.symbol
            hearers = [c for c in self._clients if any(c.hears(channel, symbol) for channel in CHANNELS)]
            if hearers:
                self._tell(market, hearers, since, now, half_minute if turned else None)

    def _tell(
        self, market: CoinMarket, hearers: Iterable[Client], since: int, now: int, half_minute: int | None
    ) -> None:
        trades = list(market.series.trades_between(since + 1, now + 1))
        news: dict[str, _Messages] = {
            "trades": [_tagged("t", market, data_wire.trade(market, trade)) for trade in trades],
            "quotes": [_tagged("q", market, data_wire.quote(market.quote_at(trade))) for trade in trades],
        }
        if half_minute is not None:
            news |= _bars(market, now, minute_over=half_minute % 2 == 0)
        for client in hearers:
            messages = [m for channel, new in news.items() if client.hears(channel, market.coin.symbol) for m in new]
            if client.hears("orderbooks", market.coin.symbol):
                messages += self._book_changes(market, client, now)
            if messages:
                client.push(messages)

    def _book_changes(self, market: CoinMarket, client: Client, now: int) -> _Messages:
        book, before = market.book(now), client.books.get(market.coin.symbol)
        client.books[market.coin.symbol] = book
        if before is None:
            return [_tagged("o", market, {**data_wire.book(book), "r": True})]
        if before.version == book.version:
            return []
        changes = {"b": _changed(before.bids, book.bids), "a": _changed(before.asks, book.asks)}
        return [_tagged("o", market, {"t": clock.moment(book.at), **changes})]

    async def _pump(self, socket: Socket, client: Client) -> None:
        while True:
            messages = await client.queue.get()
            if messages is None:
                await socket.close(1001)
                return
            await socket.send(client.frame(messages))

    async def _converse(self, socket: Socket, client: Client) -> None:
        try:
            async with asyncio.timeout(self._settings.auth_timeout_seconds):
                while not client.authorized:
                    frame = await socket.receive()
                    if frame is None:
                        return
                    if not self._authorize(client, client.read(frame)):
                        return
        except TimeoutError:
            client.push([_error(404)])
            client.push(None)
            return
        while (frame := await socket.receive()) is not None:
            self._obey(client, client.read(frame))

    def _authorize(self, client: Client, message: dict[str, Any] | None) -> bool:
        """Whether the connection may go on; marks the client once its keys are right."""
        if message is None or message.get("action") != "auth":
            client.push([_error(400 if message is None else 401)])
            return True
        if not self._keys.valid(str(message.get("key", "")), str(message.get("secret", ""))):
            client.push([_error(402)])
            client.push(None)
            return False
        if len(self._clients) >= self._settings.max_data_connections:
            client.push([_error(406)])
            client.push(None)
            return False
        client.authorized = True
        self._clients.add(client)
        client.push([{"T": "success", "msg": "authenticated"}])
        return True

    def _obey(self, client: Client, message: dict[str, Any] | None) -> None:
        action = message.get("action") if message else None
        if message is None or action not in ("auth", "subscribe", "unsubscribe"):
            client.push([_error(400)])
            return
        if action == "auth":
            client.push([_error(403)])
            return
        for channel in CHANNELS:
            names = message.get(channel) or []
            if not isinstance(names, list) or any(n != "*" and assets.find(str(n)) is None for n in names):
                client.push([_error(400)])
                return
        for channel in CHANNELS:
            names = {_symbol(str(name)) for name in message.get(channel) or []}
            if action == "subscribe":
                client.subscribed[channel] |= names
            else:
                client.subscribed[channel] -= names
            if channel == "orderbooks":
                for name in names:
                    client.books.pop(name, None)
        client.push([{"T": "subscription", **{c: sorted(s) for c, s in client.subscribed.items()}}])


def _symbol(name: str) -> str:
    coin = assets.find(name)
    return coin.symbol if coin else name


def _tagged(kind: str, market: CoinMarket, message: dict[str, Any]) -> dict[str, Any]:
    return {"T": kind, "S": market.coin.symbol, **message}


def _bars(market: CoinMarket, now: int, *, minute_over: bool) -> dict[str, _Messages]:
    """The minute just over and the day so far; half a minute later the same minute again, as updated."""
    minute = data_wire.latest_bar(market, now)
    if minute is None:
        return {}
    if not minute_over:
        return {"updatedBars": [_tagged("u", market, minute)]}
    day = data_wire.daily_bar(market, now)
    daily = [_tagged("d", market, day)] if day else []
    return {"bars": [_tagged("b", market, minute)], "dailyBars": daily}


def _changed(before: Iterable[Any], after: Iterable[Any]) -> list[dict[str, Any]]:
    """Levels that are new or differ, and those that are gone with size 0."""
    old = {level.price: level.size for level in before}
    new = {level.price: level.size for level in after}
    changed = [{"p": price, "s": size} for price, size in new.items() if old.get(price) != size]
    return changed + [{"p": price, "s": 0} for price in old if price not in new]


def _error(code: int) -> dict[str, Any]:
    return {"T": "error", "code": code, "msg": _ERRORS[code]}
