"""Small questions to a server on this machine: are you well? Asked without any client library."""

import asyncio
import contextlib

from bitcurrent.launcher.addresses import HERE

PROBE_SECONDS = 2.0
STATUS_LINE_BYTES_MAX = 4096


async def http_ok(port: int, path: str) -> bool:
    """Tell whether GET `path` answers 200 within PROBE_SECONDS."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await _status(port, path) == b"200"
    except (OSError, TimeoutError, ValueError):
        return False


async def _status(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(HERE, port, limit=STATUS_LINE_BYTES_MAX)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HERE}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        line = await reader.readline()
        return line.split(b" ")[1] if line.startswith(b"HTTP/") else b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
