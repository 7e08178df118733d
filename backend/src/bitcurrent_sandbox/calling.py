"""Calling the brokerage back: one POST, for the vendors that tell of what happened later."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import h11

_ANSWER_MAX: Final = 64 * 1024
WORDS_MAX: Final = 200


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """POST once on a connection of its own; the status (0 without one) and the beginning of what was answered.

    Redirects are not followed: Stripe and Twilio do not either. Raises OSError, h11.RemoteProtocolError, ValueError.
    """
    parts = urlsplit(url)
    secure = ssl.create_default_context() if parts.scheme == "https" else None
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(host, port, ssl=secure)
    try:
        client = h11.Connection(h11.CLIENT)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {**headers, "host": parts.netloc, "content-length": str(len(body)), "connection": "close"}
        request = h11.Request(method="POST", target=target, headers=list(sent.items()))
        for part in (request, h11.Data(data=body), h11.EndOfMessage()):
            writer.write(client.send(part) or b"")
        await writer.drain()
        status, answer = 0, bytearray()
        while len(answer) < _ANSWER_MAX:
            event = client.next_event()
            if event is h11.NEED_DATA:
                client.receive_data(await reader.read(16 * 1024))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                answer += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
        return status, answer.decode("utf-8", "replace")[:WORDS_MAX]
    finally:
        writer.close()
