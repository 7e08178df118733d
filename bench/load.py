"""An HTTP load from a process of its own: keep-alive connections that each send the next request after an answer.

Reads its orders from standard input as JSON and writes what it measured to standard output as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import uvloop


class Connection(asyncio.Protocol):
    """One connection: sends a prepared request, waits for the whole answer, sends again until the end."""

    def __init__(
        self, requests: list[bytes], ends_at: float, done: "asyncio.Future[None]", *, once: bool = False
    ) -> None:
        self.once = once
        self.requests = requests
        self.ends_at = ends_at
        self.done = done
        self.answers = 0
        self.refused = 0
        self.latencies: list[float] = []
        self.sample = b""
        self._buffer = b""
        self._sent_at = 0.0
        self._next = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are of a class of their own.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self.requests[self._next % len(self.requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        """Count an answer when its body is there."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        start = head.lower().index(b"content-length:") + len(b"content-length:")
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._buffer = b""
        self.answers += 1
        self.latencies.append(time.perf_counter() - self._sent_at)
        if not head.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")):
            self.refused += 1
            self.sample = self.sample or head.split(b"\r\n", 1)[0] + body[:300]
        if self._next >= len(self.requests) if self.once else time.perf_counter() >= self.ends_at:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that the server cut counts as an error of the measurement."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("cut by the server"))


def _same(connection: Connection) -> Callable[[], Connection]:
    return lambda: connection


async def load(orders: dict[str, Any]) -> dict[str, Any]:
    """Run one measurement: {port, seconds, connections: [[request, ...], ...]}; with `once` each request once."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    ends_at = started + orders["seconds"]
    connections: list[Connection] = []
    for requests in orders["connections"]:
        done = loop.create_future()
        connection = Connection([text.encode() for text in requests], ends_at, done, once=orders.get("once", False))
        await loop.create_connection(_same(connection), "127.0.0.1", orders["port"])
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    seconds = time.perf_counter() - started
    latencies = sorted(latency for connection in connections for latency in connection.latencies)
    answers = sum(connection.answers for connection in connections)
    return {
        "rate": answers / seconds,
        "answers": answers,
        "refused": sum(connection.refused for connection in connections),
        "sample": next(
            (connection.sample.decode() for connection in connections if connection.sample),
            "",
        ),
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(load(json.load(sys.stdin)))))
