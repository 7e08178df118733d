"""WebSocket frames as bytes (RFC 6455), built once and written to every client alike."""

import struct
from typing import Final

_FINAL_TEXT = 0x81
_FINAL_CLOSE = 0x88
_FINAL_PONG = 0x8A
REASON_BYTES_MAX = 123

PING: Final = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """A whole text message in one frame, as servers send it: unmasked."""
    return _header(_FINAL_TEXT, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping, with its payload (125 bytes at most)."""
    return _header(_FINAL_PONG, len(payload)) + payload


def close_frame(code: int, reason: str) -> bytes:
    """A close with its code; the reason is cut to what a control frame can hold."""
    text = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore").encode()
    return _header(_FINAL_CLOSE, len(text) + 2) + struct.pack("!H", code) + text


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return struct.pack("!BB", first, length)
    if length < 1 << 16:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
