"""A small window into a process without an API: health and metrics, on loopback only."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

HOST = "127.0.0.1"
REQUEST_SECONDS = 2.0
REQUEST_MAX_BYTES = 8_192


@asynccontextmanager
async def window(
    port: int, state: Callable[[], Awaitable[dict[str, Any]]], registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Serve /health/live, /health/ready and /metrics for the length of a block.

    `state` says how things are; ready is 503 when its `ready` is false. /health is /health/live by a shorter name.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _response(head, state, registry))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # whoever asked has gone, or never said what he wanted
        finally:
            writer.close()

    server = await asyncio.start_server(answer, HOST, port, limit=REQUEST_MAX_BYTES)
    try:
        yield
    finally:
        server.close()


async def _response(head: bytes, state: Callable[[], Awaitable[dict[str, Any]]], registry: CollectorRegistry) -> bytes:
    words = head.split(b"\r\n", 1)[0].split(b" ")
    path = words[1].partition(b"?")[0] if len(words) == 3 and words[0] in (b"GET", b"HEAD") else b""
    match path:
        case b"/health" | b"/health/live":
            return _message("200 OK", "application/json", b'{"status":"alive"}')
        case b"/health/ready":
            now = await state()
            status = "200 OK" if now.get("ready") else "503 Service Unavailable"
            return _message(status, "application/json", msgspec.json.encode(now))
        case b"/metrics":
            return _message("200 OK", "text/plain; version=0.0.4; charset=utf-8", generate_latest(registry))
        case _:
            return _message("404 Not Found", "application/json", b'{"status":"not found"}')


def _message(status: str, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


class WorkerMetrics(Collector):
    """What the worker counts, read at the moment of asking."""

    def __init__(
        self, gauges: Callable[[], dict[str, tuple[str, float]]], counts: Callable[[], dict[str, int]]
    ) -> None:
        self._gauges = gauges
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Every gauge by its name and meaning, and one counter of happenings by kind."""
        for name, (meaning, value) in self._gauges().items():
            yield GaugeMetricFamily(f"bitcurrent_worker_{name}", meaning, value=value)
        happenings = CounterMetricFamily(
            "bitcurrent_worker_happenings", "What the trading desk did, by kind.", labels=("kind",)
        )
        for kind, count in sorted(self._counts().items()):
            happenings.add_metric((kind,), count)
        yield happenings
