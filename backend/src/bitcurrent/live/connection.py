"""One socket's mechanics: whole text messages in, prebuilt frames out, and every bound on both."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bitcurrent.kernel.errors import Refusal
from bitcurrent.live import frames
from bitcurrent.live.model import (
    FRAME_BYTES_MAX,
    MESSAGES_PER_SECOND,
    SILENT_SECONDS_MAX,
    SILENT_SECONDS_PING,
    SLOW_SECONDS_MAX,
    UNSENT_BYTES_MAX,
    UNSENT_BYTES_RESUME,
    CloseCode,
    TooManyMessages,
)
from bitcurrent.live.schemas import encode, error_message

PARTING_SECONDS = 1.0
"""How long a closed socket may take to answer the close before it is cut."""

log = structlog.get_logger(__name__)


class TooSlow(Exception):
    """The client did not take what it was sent in time; its socket is being closed."""


class Handler(Protocol):
    """Whoever makes sense of what a connection carries."""

    def opened(self) -> None:
        """The connection stands."""
        ...

    def heard(self, message: bytes) -> None:
        """A whole text message came (valid UTF-8)."""
        ...

    def gone(self) -> None:
        """The connection is no more."""
        ...


class Connection(WSListener):
    """A socket of one client.

    `is_slow` while more than 256 KiB wait to be sent: then prices keep only the newest of each symbol, and whoever
    sends anything else waits for `drained`.
    """

    __slots__ = (
        "_allowance",
        "_counted_at",
        "_drain",
        "_heard_at",
        "_loop",
        "_newest",
        "_parts",
        "_slow_since",
        "_transport",
        "handler",
        "is_closing",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._transport: WSTransport | None = None
        self._parts: bytearray | None = None
        self._newest: dict[str, bytes] = {}
        self._slow_since: float | None = None
        self._drain: asyncio.Future[None] | None = None
        self._heard_at = self._counted_at = loop.time()
        self._allowance: float = MESSAGES_PER_SECOND
        self.handler: Handler | None = None
        self.is_closing = False

    # ---- out

    @property
    def is_slow(self) -> bool:
        """Whether too much waits to be sent."""
        return self._slow_since is not None

    @property
    def peer(self) -> str | None:
        """The other end's address; None when it is gone or has none."""
        if self._transport is None:
            return None
        name = self._transport.underlying_transport.get_extra_info("peername")
        return str(name[0]) if name else None

    def send(self, frame: bytes) -> None:
        """Write a frame, or frames run together; nothing once the socket is closing."""
        if not self.is_closing and self._transport is not None:
            self._transport.underlying_transport.write(frame)

    def send_prices(self, priced: Iterable[tuple[str, bytes]], joined: bytes) -> None:
        """Write price frames (`joined`: all in one piece); a slow client gets the newest of each symbol later."""
        if self._slow_since is None:
            self.send(joined)
        else:
            self._newest.update(priced)

    def send_refusal(self, refusal: Refusal, message_id: str | None = None) -> None:
        """Tell the client why something was not done."""
        self.send(frames.text_frame(encode(error_message(refusal, message_id))))

    async def drained(self) -> None:
        """Wait until the client is not slow; raises TooSlow, and closes, when that takes too long."""
        if self._slow_since is None:
            return
        if self._drain is None:
            self._drain = self._loop.create_future()
        try:
            async with asyncio.timeout(SLOW_SECONDS_MAX):
                await asyncio.shield(self._drain)
        except TimeoutError:
            self.close(CloseCode.TOO_SLOW, "too slow: reconnect and resume")
            raise TooSlow from None
        if self.is_closing:
            raise TooSlow

    def close(self, code: CloseCode, reason: str) -> None:
        """Close with a code and a reason; the socket is cut when the other side does not answer within a second."""
        if self.is_closing or self._transport is None:
            return
        self.send(frames.close_frame(code, reason))
        self.is_closing = True
        self._loop.call_later(PARTING_SECONDS, self._transport.disconnect, False)

    def cut(self) -> None:
        """Drop the socket now, whatever waits to be sent."""
        if self._transport is not None:
            self._transport.disconnect(False)

    def look_after(self) -> None:
        """Ping who has been silent, close who stays slow, cut who is dead. Called every few seconds."""
        now = self._loop.time()
        if self._slow_since is not None and now - self._slow_since > SLOW_SECONDS_MAX:
            self.close(CloseCode.TOO_SLOW, "too slow: reconnect and resume")
        elif now - self._heard_at > SILENT_SECONDS_MAX:
            self.cut()
        elif now - self._heard_at > SILENT_SECONDS_PING and not self.is_slow:
            self.send(frames.PING)

    # ---- in, called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade is done."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX, low=UNSENT_BYTES_RESUME)
        if self.handler is not None:
            self.handler.opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came; whatever goes wrong here ends this socket and no other."""
        if frame.msg_type == WSMsgType.CLOSE:
            self.close(CloseCode.NORMAL, "")
            transport.disconnect()
            return
        if self.is_closing:
            return
        try:
            self._take(frame)
        except Exception:
            log.exception("live_frame_failed")
            self.close(CloseCode.INTERNAL_ERROR, "internal error")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is closed on both sides."""
        self.is_closing = True
        self._newest.clear()
        self.resume_writing()
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.gone()

    def pause_writing(self) -> None:
        """More waits to be sent than should."""
        self._slow_since = self._loop.time()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._slow_since = None
        if self._newest:
            newest, self._newest = self._newest, {}
            self.send(b"".join(newest.values()))
        if self._drain is not None and not self._drain.done():
            self._drain.set_result(None)
        self._drain = None

    def _take(self, frame: WSFrame) -> None:
        self._heard_at = self._loop.time()
        kind = frame.msg_type
        if not self._may_talk():
            self.send_refusal(TooManyMessages())
            self.close(CloseCode.TOO_MANY, TooManyMessages.code)
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(CloseCode.PROTOCOL_ERROR, "no extension was agreed on")
        elif kind == WSMsgType.PING:
            self.send(frames.pong_frame(frame.get_payload_as_bytes()))
        elif kind == WSMsgType.BINARY:
            self.close(CloseCode.UNSUPPORTED_DATA, "send JSON as text")
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._assemble(kind == WSMsgType.TEXT, frame.fin, frame.get_payload_as_bytes())

    def _assemble(self, is_first: bool, is_last: bool, payload: bytes) -> None:
        """Put fragments together; a whole message goes to the handler."""
        if is_first != (self._parts is None):
            self.close(CloseCode.PROTOCOL_ERROR, "fragments out of order")
            return
        if is_first and is_last:
            self._deliver(payload)
            return
        parts = self._parts = bytearray() if self._parts is None else self._parts
        parts += payload
        if len(parts) > FRAME_BYTES_MAX:
            self.close(CloseCode.MESSAGE_TOO_BIG, f"at most {FRAME_BYTES_MAX} bytes a message")
        elif is_last:
            self._parts = None
            self._deliver(bytes(parts))

    def _deliver(self, message: bytes) -> None:
        try:
            message.decode()
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_TEXT, "text must be UTF-8")
            return
        if self.handler is not None:
            self.handler.heard(message)

    def _may_talk(self) -> bool:
        """Count one more message: twenty a second, and twenty at once."""
        now = self._heard_at
        refilled = self._allowance + (now - self._counted_at) * MESSAGES_PER_SECOND
        self._allowance = min(refilled, MESSAGES_PER_SECOND) - 1
        self._counted_at = now
        return self._allowance >= 0
