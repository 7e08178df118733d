"""A small HTTP toolkit on plain ASGI.

The sandbox must be able to misbehave on the wire (hang up without an answer, cut one short) and to take
symbols with raw slashes in paths, so it stays below any framework's routing and error handling.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_MAX: Final = 1024 * 1024
UPLOADS: Final = ("/idcheck/", 16 * BODY_MAX)
"""Where files are sent to, and how large they may be."""
_READ_SECONDS: Final = 30.0
_json = msgspec.json.Encoder(decimal_format="number")
_read_json = msgspec.json.Decoder(float_hook=Decimal)


class BadBody(ValueError):
    """The body is not a JSON object, or too large."""


@dataclass(slots=True)
class Request:
    """One request, wholly read."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object with exact numbers; an empty body is an empty object."""
        if not self.body.strip():
            return {}
        try:
            value = _read_json.decode(self.body)
        except (msgspec.DecodeError, ArithmeticError) as error:
            raise BadBody(f"request body format is invalid: {error}") from error
        if not isinstance(value, dict):
            raise BadBody("request body must be a JSON object")
        return value


@dataclass(slots=True)
class Reply:
    """One answer; `events` streams server-sent events instead of `body`."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    events: AsyncGenerator[bytes, None] | None = None


class Hangup(Exception):
    """Close the connection without an answer, or in the middle of `cut`."""

    def __init__(self, cut: Reply | None = None) -> None:
        super().__init__("hang up")
        self.cut = cut


def encode(value: Any) -> bytes:
    """JSON with decimals as numbers and datetimes as RFC 3339."""
    return _json.encode(value)


def json_reply(value: Any, status: int = 200) -> Reply:
    """An answer of JSON."""
    return Reply(status=status, body=encode(value))


async def read_request(scope: Scope, receive: Receive) -> Request:
    """Read the whole request; raises BadBody past the size limit, TimeoutError when it trickles."""
    body = bytearray()
    largest = UPLOADS[1] if scope["path"].startswith(UPLOADS[0]) else BODY_MAX
    async with asyncio.timeout(_READ_SECONDS):
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Hangup
            body += message.get("body", b"")
            if len(body) > largest:
                raise BadBody("request body is too large")
            more = message.get("more_body", False)
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers=headers_of(scope),
        body=bytes(body),
    )


def foreign_origin(request: Request) -> bool:
    """Whether a page of another site has sent this through somebody's browser."""
    origin = request.headers.get("origin")
    return bool(origin) and urlsplit(origin).netloc != request.headers.get("host")


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def send_reply(reply: Reply, receive: Receive, send: Send) -> None:
    """Put an answer on the wire; a stream of events ends when the client has gone."""
    headers = {"content-type": reply.content_type, **reply.headers}
    if reply.events is None and reply.status != 204:
        headers["content-length"] = str(len(reply.body))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if reply.events is not None:
        await _send_events(reply.events, receive, send)
    await send({"type": "http.response.body", "body": reply.body})


async def _send_events(events: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    async def relay() -> None:
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})

    async def watch() -> None:
        # The server drops what is sent to a client that has gone: only its own message tells.
        while (await receive())["type"] != "http.disconnect":
            continue

    relaying, watching = asyncio.create_task(relay()), asyncio.create_task(watch())
    try:
        await asyncio.wait({relaying, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (relaying, watching):
            task.cancel()
        await asyncio.gather(relaying, watching, return_exceptions=True)
        await events.aclose()


async def send_half(reply: Reply, send: Send) -> None:
    """Announce the whole answer and send only half of it."""
    length = str(len(reply.body)).encode("latin-1")
    headers = [(b"content-type", reply.content_type.encode("latin-1")), (b"content-length", length)]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})


Handler = Callable[[Request, dict[str, str]], Reply | Awaitable[Reply]]


class Router:
    """Routes by method and pattern; the first that matches answers."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """`pattern` is a regular expression for the whole path; its named groups go to the handler."""
        self._routes.append((method, re.compile(pattern), handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """The handler and its path parameters, or None."""
        for wanted, pattern, handler in self._routes:
            if wanted == method and (match := pattern.fullmatch(path)):
                return handler, match.groupdict()
        return None


class Socket:
    """One WebSocket; `send` raises ConnectionError once the peer is gone."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers = headers_of(scope)
        self._receive = receive
        self._send = send

    async def accept(self) -> None:
        """Answer the handshake."""
        await self._receive()
        await self._send({"type": "websocket.accept"})

    async def deny(self, status: int, body: bytes) -> None:
        """Refuse the handshake with a plain HTTP answer."""
        await self._receive()
        headers = [(b"content-type", b"application/json")]
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def receive(self) -> str | bytes | None:
        """The next frame, text or binary as it came; None when the peer has gone."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        text: str | None = message.get("text")
        return text if text is not None else bytes(message.get("bytes") or b"")

    async def send(self, frame: str | bytes) -> None:
        """Send one frame of the kind given."""
        kind = "text" if isinstance(frame, str) else "bytes"
        await self._send({"type": "websocket.send", kind: frame})

    async def close(self, code: int) -> None:
        """Close from our side."""
        await self._send({"type": "websocket.close", "code": code})
