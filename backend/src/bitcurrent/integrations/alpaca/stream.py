"""The venue's trade_updates stream: one socket that mends itself and says when something may have been missed."""

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from bitcurrent.integrations.alpaca import wire
from bitcurrent.integrations.alpaca.client import decode
from bitcurrent.trading.ports import VenueUpdate

log = structlog.get_logger(__name__)

OPEN_SECONDS: Final = 5.0
QUIET_SECONDS: Final = 10.0
"""After so long without a message the socket is asked whether it lives; no answer in `PONG_SECONDS`: it is dead."""
PONG_SECONDS: Final = 4.0
PAUSE_FIRST_SECONDS: Final = 0.25
PAUSE_MAX_SECONDS: Final = 15.0
SETTLED_SECONDS: Final = 10.0
MESSAGE_MAX_BYTES: Final = 1_000_000
QUEUE_MAX: Final = 1_024

_LOST = (OSError, TimeoutError, WebSocketException, InvalidHandshake, InvalidURI)


class StreamRefused(Exception):
    """The venue did not let us listen: wrong keys, or too many connections."""


class TradeUpdates:
    """Iterate for `VenueUpdate`s for ever; None after every (re)connect and after anything that could not be read.

    None tells the reader to look at the venue's books: what happened while nobody listened is only there.
    A socket that is connected and answers pings but carries nothing looks like a quiet market from here; whoever
    compares with the venue's books notices, and starts a new iteration.
    """

    def __init__(self, *, url: str, key_id: str, secret_key: str, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._url = url
        self._key_id = key_id
        self._secret_key = secret_key
        self._quiet_seconds = quiet_seconds

    async def __aiter__(self) -> AsyncGenerator[VenueUpdate | None, None]:
        """Connect, listen, and begin again whenever that ends."""
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                async with connect(
                    self._url,
                    open_timeout=OPEN_SECONDS,
                    close_timeout=1.0,
                    ping_interval=None,  # asked for below, when it is quiet
                    max_size=MESSAGE_MAX_BYTES,
                    max_queue=QUEUE_MAX,
                    compression=None,
                    proxy=None,
                ) as socket:
                    await self._introduce(socket)
                    log.info("venue_stream_connected")
                    yield None
                    while True:
                        yield _read(await self._hear(socket))
            except _LOST as error:
                log.warning("venue_stream_lost", error=type(error).__name__)
            except StreamRefused as refusal:
                log.error("venue_stream_refused", words=str(refusal))
            failures = 0 if clock() - began > SETTLED_SECONDS else failures + 1
            await asyncio.sleep(pause_after(failures))

    async def _introduce(self, socket: ClientConnection) -> None:
        """Authenticate and listen; the venue answers each on a stream of its own."""
        await socket.send(
            _encode(
                {"action": "authenticate", "data": {"key_id": self._key_id, "secret_key": self._secret_key}},
            )
        )
        answer = await self._answer(socket, "authorization")
        if answer.get("status") != "authorized":
            raise StreamRefused(str(answer.get("status", "no status")))
        await socket.send(_encode({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        answer = await self._answer(socket, "listening")
        if "trade_updates" not in answer.get("streams", ()):
            raise StreamRefused(str(answer.get("error", "trade_updates is not offered")))

    async def _answer(self, socket: ClientConnection, stream: str) -> dict[str, Any]:
        async with asyncio.timeout(OPEN_SECONDS):
            message = _object(await socket.recv())
        data = message.get("data")
        if message.get("stream") != stream or not isinstance(data, dict):
            raise StreamRefused(f"expected an answer on {stream}")
        return data

    async def _hear(self, socket: ClientConnection) -> str | bytes:
        """The next frame; raises TimeoutError when the socket is found dead."""
        while True:
            try:
                async with asyncio.timeout(self._quiet_seconds):
                    return await socket.recv()
            except TimeoutError:
                async with asyncio.timeout(PONG_SECONDS):
                    await (await socket.ping())


def pause_after(failures: int) -> float:
    """Seconds to wait before connecting again: doubling with each failure in a row, and never in step with others."""
    longest = min(PAUSE_MAX_SECONDS, PAUSE_FIRST_SECONDS * 2 ** min(failures, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311  jitter, not a secret


def _encode(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()


def _object(frame: str | bytes) -> dict[str, Any]:
    """The JSON object in a text or binary frame; `StreamRefused` for anything else while we introduce ourselves."""
    try:
        message = decode(frame)
    except ValueError as error:
        raise StreamRefused("an answer that is not JSON") from error
    if not isinstance(message, dict):
        raise StreamRefused("an answer that is no object")
    return message


def _read(frame: str | bytes) -> VenueUpdate | None:
    """The update in a frame. What cannot be read may have been a fill, so it counts as something missed: None."""
    try:
        message = decode(frame)
        if message["stream"] != "trade_updates":
            log.warning("venue_stream_other", stream=str(message["stream"])[:60])
            return None
        return wire.read_update(message["data"])
    except (ValueError, KeyError, TypeError, wire.Unreadable) as error:
        log.warning("venue_message_unreadable", error=f"{type(error).__name__}: {error}"[:200])
        return None
