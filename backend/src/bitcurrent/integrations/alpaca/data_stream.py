"""Alpaca's crypto data stream: connect, authenticate, subscribe, and turn frames into ticks.

The server speaks first (`connected`), then takes `auth`, then `subscribe`. Frames are JSON arrays of messages that
are told apart by `T`; a type that we do not know is passed over, since new ones appear.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bitcurrent.integrations.alpaca.data_wire import (
    BarWire,
    LevelWire,
    Moment,
    TradeWire,
    Unreadable,
    candle_from,
    levels_from,
    price,
    trade_from,
)
from bitcurrent.market_data.model import BookChange, CandleChange, QuoteChange, Tick
from bitcurrent.market_data.ports import SourceUnavailable, StreamChannel

log = structlog.get_logger(__name__)

HANDSHAKE_SECONDS: Final = 10.0
FRAME_BYTES_MAX: Final = 4_000_000
FRAMES_WAITING_MAX: Final = 256
CHANNELS: Final[Mapping[StreamChannel, tuple[str, ...]]] = {
    "quotes": ("quotes",),
    "trades": ("trades",),
    # A bar is corrected by `updatedBars` when a late trade comes in.
    "candles": ("bars", "updatedBars"),
    "books": ("orderbooks",),
}


class _Message(msgspec.Struct, rename={"kind": "T", "symbol": "S", "as_": "as"}):
    """Any message of the stream; which fields are there depends on `kind`. No field has two meanings among them."""

    kind: str
    symbol: str = ""
    t: Moment | None = None
    bp: Decimal | None = None
    bs: Decimal | None = None
    ap: Decimal | None = None
    as_: Decimal | None = None
    p: Decimal | None = None
    s: Decimal | None = None
    i: int | str = ""
    tks: str = ""
    o: Decimal | None = None
    h: Decimal | None = None
    l: Decimal | None = None  # noqa: E741  the vendor's name
    c: Decimal | None = None
    v: Decimal | None = None
    n: int = 0
    vw: Decimal = Decimal(0)
    b: list[LevelWire] | None = None
    a: list[LevelWire] | None = None
    r: bool = False
    msg: str = ""
    code: int = 0


_frames = msgspec.json.Decoder(list[_Message])
_loose_frames = msgspec.json.Decoder(list[msgspec.Raw])
_one_message = msgspec.json.Decoder(_Message)


async def stream_ticks(
    url: str,
    *,
    key_id: str,
    secret_key: str,
    symbols: Sequence[str],
    channels: frozenset[StreamChannel],
    handshake_seconds: float = HANDSHAKE_SECONDS,
) -> AsyncGenerator[Sequence[Tick]]:
    """Ticks of one connection, in bunches as they came; the first bunch is empty and says "subscribed".

    Raises `SourceUnavailable` when the connection cannot be made, is refused, or ends.
    """
    try:
        async with connect(
            url,
            open_timeout=handshake_seconds,
            close_timeout=1,
            ping_interval=10,
            ping_timeout=10,
            max_size=FRAME_BYTES_MAX,
            max_queue=FRAMES_WAITING_MAX,
        ) as socket:
            async with asyncio.timeout(handshake_seconds):
                await _subscribe(socket, key_id, secret_key, symbols, channels)
            yield ()
            # No timeout here: the caller, who knows how quiet the market may be, watches for silence.
            async for frame in socket:
                ticks = _ticks(_messages(frame))
                if ticks:
                    yield ticks
    except (WebSocketException, OSError, TimeoutError) as error:
        raise SourceUnavailable(f"The venue's data stream broke: {type(error).__name__}.") from error
    raise SourceUnavailable("The venue closed its data stream.")


async def _subscribe(
    socket: ClientConnection,
    key_id: str,
    secret_key: str,
    symbols: Sequence[str],
    channels: frozenset[StreamChannel],
) -> None:
    await _expect(socket, "success", "connected")
    await _send(socket, {"action": "auth", "key": key_id, "secret": secret_key})
    await _expect(socket, "success", "authenticated")
    wanted = {name: list(symbols) for channel in sorted(channels) for name in CHANNELS[channel]}
    await _send(socket, {"action": "subscribe", **wanted})
    await _expect(socket, "subscription", "")


async def _send(socket: ClientConnection, message: Mapping[str, Any]) -> None:
    await socket.send(msgspec.json.encode(message).decode())


async def _expect(socket: ClientConnection, kind: str, text: str) -> None:
    """The next message must be this one; data that slips in before it is dropped, the catch-up brings it."""
    for _ in range(FRAMES_WAITING_MAX):
        for message in _messages(await socket.recv()):
            if message.kind == kind and message.msg == text:
                return
    raise SourceUnavailable(f"The venue's data stream never said {text or kind!r}.")


def _messages(frame: str | bytes) -> list[_Message]:
    """The messages of one frame; raises on `error`, passes over what cannot be read."""
    try:
        messages = _frames.decode(frame)
    except msgspec.ValidationError:
        messages = _readable(frame)
    except msgspec.DecodeError as error:
        raise SourceUnavailable("The venue's data stream sent something that is no JSON.") from error
    for message in messages:
        if message.kind == "error":
            raise SourceUnavailable(f"The venue's data stream refused: {message.code} {message.msg[:100]}.")
    return messages


def _readable(frame: str | bytes) -> list[_Message]:
    messages: list[_Message] = []
    try:
        for raw in _loose_frames.decode(frame):
            try:
                messages.append(_one_message.decode(raw))
            except msgspec.ValidationError as error:
                log.warning("stream_message_passed_over", reason=str(error))
    except msgspec.ValidationError as error:
        raise SourceUnavailable("The venue's data stream sent something that is no list.") from error
    return messages


def _ticks(messages: Sequence[_Message]) -> list[Tick]:
    ticks: list[Tick] = []
    for message in messages:
        read = _READERS.get(message.kind)
        if read is None or message.t is None:
            continue
        try:
            ticks.append(read(message, message.t.astimezone(UTC)))
        except (Unreadable, TypeError) as error:
            log.warning("stream_message_passed_over", kind=message.kind, symbol=message.symbol[:40], reason=str(error))
    return ticks


def _present(value: Decimal | None) -> Decimal:
    if value is None:
        raise Unreadable("a figure is missing")
    return price(value)


def _quote(message: _Message, at: datetime) -> QuoteChange:
    return QuoteChange(
        symbol=message.symbol,
        bid=_present(message.bp),
        ask=_present(message.ap),
        bid_size=_present(message.bs),
        ask_size=_present(message.as_),
        at=at,
    )


def _trade(message: _Message, at: datetime) -> Tick:
    wire = TradeWire(t=at, p=_present(message.p), s=_present(message.s), i=message.i, tks=message.tks)
    return trade_from(message.symbol, wire)


def _candle(message: _Message, at: datetime) -> CandleChange:
    wire = BarWire(
        t=at,
        o=_present(message.o),
        h=_present(message.h),
        l=_present(message.l),
        c=_present(message.c),
        v=_present(message.v),
        n=message.n,
        vw=message.vw,
    )
    return CandleChange(symbol=message.symbol, candle=candle_from(wire))


def _book(message: _Message, at: datetime) -> BookChange:
    return BookChange(
        symbol=message.symbol,
        bids=levels_from(message.b or []),
        asks=levels_from(message.a or []),
        at=at,
        is_whole=message.r,
    )


_READERS: Final[Mapping[str, Callable[[_Message, datetime], Tick]]] = {
    "q": _quote,
    "t": _trade,
    "b": _candle,
    "u": _candle,
    "o": _book,
}
