"""The trading stream: what happens to orders, over WebSocket and as server-sent events."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca.keys import Keys
from bitcurrent_sandbox.alpaca.market import Market
from bitcurrent_sandbox.alpaca.matching import Happening
from bitcurrent_sandbox.alpaca.model import order_wire
from bitcurrent_sandbox.alpaca.settings import VenueSettings
from bitcurrent_sandbox.faults import Faults
from bitcurrent_sandbox.http import Socket, encode
from bitcurrent_sandbox.money import text

QUEUE_MAX: Final = 2_000
_REORDER_SECONDS: Final = 2.0
_SLOW: Final = 1008
_SSE_PAUSE_SECONDS: Final = 15.0


class Subscriber:
    """One listener and what it has still to be sent; `closed` once it should go."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=QUEUE_MAX)
        self.code = 1000

    def push(self, frame: bytes | None) -> None:
        """Queue a frame (None: close); a listener that does not keep up is dropped."""
        if self.queue.full():
            self.code = _SLOW
            while not self.queue.empty():
                self.queue.get_nowait()
            frame = None
        self.queue.put_nowait(frame)


class TradingStream:
    """Tells every listener of every happening, unless a fault says otherwise."""

    def __init__(self, *, market: Market, keys: Keys, settings: VenueSettings, faults: Faults) -> None:
        self._market = market
        self._keys = keys
        self._settings = settings
        self._faults = faults
        self._listeners: set[Subscriber] = set()
        self._held: list[dict[str, Any]] = []
        self.connections = 0
        self.sent = 0

    def publish(self, happening: Happening) -> None:
        """Send one happening, bent by the faults in force."""
        event, data = happening.event, self._wire(happening)
        if self._settings.trading_silent or self._faults.take_event("drop_event", event):
            return
        if delay := self._faults.take_event("delay_event", event):
            asyncio.get_running_loop().call_later(delay.ms / 1000, self._send, data)
            return
        if self._faults.take_event("reorder_event", event):
            self._held.append(data)
            asyncio.get_running_loop().call_later(_REORDER_SECONDS, self._send_held)
            return
        self._send(data)
        if self._faults.take_event("duplicate_event", event):
            self._send(data)
        self._send_held()

    @property
    def listeners(self) -> int:
        """How many hear of trade updates now, over either transport."""
        return len(self._listeners)

    def close_all(self, code: int = 1001) -> int:
        """Close every connection; returns how many."""
        for listener in self._listeners:
            listener.code = code
            listener.push(None)
        return len(self._listeners)

    async def serve(self, socket: Socket) -> None:
        """One WebSocket connection, from handshake to end."""
        if self.connections >= self._settings.max_trading_connections:
            await socket.deny(429, encode({"code": 42910000, "message": "connection limit exceeded"}))
            return
        self.connections += 1
        listener, sender = Subscriber(), None
        try:
            await socket.accept()
            sender = asyncio.create_task(self._pump(socket, listener))
            await self._converse(socket, listener)
        finally:
            self.connections -= 1
            self._listeners.discard(listener)
            if sender is not None:
                sender.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sender

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The same happenings as server-sent events, with a comment now and then to keep the line open."""
        listener = Subscriber()
        self._listeners.add(listener)
        try:
            yield b": welcome\n\n"
            while True:
                try:
                    frame = await asyncio.wait_for(listener.queue.get(), _SSE_PAUSE_SECONDS)
                except TimeoutError:
                    yield b": heartbeat\n\n"
                    continue
                if frame is None:
                    return
                data = msgspec.json.decode(frame)["data"]
                yield b"data: " + encode({**data, "at": data["timestamp"]}) + b"\n\n"
        finally:
            self._listeners.discard(listener)

    async def _pump(self, socket: Socket, listener: Subscriber) -> None:
        while True:
            frame = await listener.queue.get()
            if frame is None:
                await socket.close(listener.code)
                return
            await socket.send(frame if self._settings.trading_binary else frame.decode())

    async def _converse(self, socket: Socket, listener: Subscriber) -> None:
        try:
            async with asyncio.timeout(self._settings.auth_timeout_seconds):
                if not await self._authorize(socket, listener):
                    return
        except TimeoutError:
            await socket.close(_SLOW)
            return
        while (frame := await socket.receive()) is not None:
            message = _read(frame)
            if message.get("action") == "listen":
                wanted = (message.get("data") or {}).get("streams") or []
                heard = [name for name in wanted if name == "trade_updates"]
                if heard:
                    self._listeners.add(listener)
                else:
                    self._listeners.discard(listener)
                listener.push(encode({"stream": "listening", "data": {"streams": heard}}))

    async def _authorize(self, socket: Socket, listener: Subscriber) -> bool:
        """Read until the client has shown its keys; a wrong pair ends the connection."""
        while (frame := await socket.receive()) is not None:
            message = _read(frame)
            action = message.get("action")
            data = message if action == "auth" else message.get("data") or {}
            if action not in ("authenticate", "auth"):
                listener.push(_authorization("unauthorized", "listen"))
                continue
            key = data.get("key_id") or data.get("key") or ""
            secret = data.get("secret_key") or data.get("secret") or ""
            if self._keys.valid(str(key), str(secret)):
                listener.push(_authorization("authorized", "authenticate"))
                return True
            await socket.send(_authorization("unauthorized", "authenticate"))
            await socket.close(_SLOW)
            return False
        return False

    def _send(self, data: dict[str, Any]) -> None:
        frame = encode({"stream": "trade_updates", "data": data})
        self.sent += 1
        for listener in list(self._listeners):
            listener.push(frame)

    def _send_held(self) -> None:
        held, self._held = self._held, []
        for data in held:
            self._send(data)

    def _wire(self, happening: Happening) -> dict[str, Any]:
        order, fill = happening.order, happening.fill
        data: dict[str, Any] = {
            "event": happening.event,
            "timestamp": clock.iso(fill.at if fill else happening.at),
            "order": order_wire(order, self._market[order.symbol].coin),
        }
        if fill is not None:
            data |= {
                "execution_id": fill.execution_id,
                "price": text(fill.price),
                "qty": text(fill.qty),
                "position_qty": text(happening.position_qty),
            }
        return data


def _authorization(status: str, action: str) -> bytes:
    return encode({"stream": "authorization", "data": {"status": status, "action": action}})


def _read(frame: str | bytes) -> dict[str, Any]:
    """A message of the client; anything else counts as an empty one."""
    try:
        message = msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return {}
    if not isinstance(message, dict):
        return {}
    if not isinstance(message.get("data"), dict):
        message["data"] = {}
    return message
