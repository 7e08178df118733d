"""The API as the process it really is: granian, a worker, signals, and a PostgreSQL that goes and comes back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import msgspec
import psutil
import pytest

from bitcurrent.launcher.addresses import free_port, wait_until
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import ScratchPostgres
from bitcurrent.migrate import upgrade
from bitcurrent.settings import Settings
from tests.support.brokerage import settings_for


class Server:
    """`bitcurrent serve` on a port of its own."""

    def __init__(self, settings: Settings) -> None:
        self.url, self.settings = settings.base_url, settings
        fields = msgspec.structs.asdict(settings)
        values = {f"BITCURRENT_{name.upper()}": str(value) for name, value in fields.items() if value is not None}
        self.process = subprocess.Popen([sys.executable, "-m", "bitcurrent.cli", "serve"], env={**os.environ, **values})

    def is_ready(self) -> bool:
        return self.health() == 200

    def health(self) -> int | None:
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code
        except httpx.TransportError:
            return None

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=10)


@pytest.fixture
def server(durable_postgres: ScratchPostgres, redis_server: RedisServer) -> Iterator[Server]:
    upgrade(durable_postgres.owner)
    port = free_port()
    settings = settings_for(
        durable_postgres.urls(),
        redis_server.url,
        port=port,
        base_url=f"http://127.0.0.1:{port}",
        metrics_port=free_port(),
    )
    running = Server(settings)
    try:
        assert wait_until(running.is_ready, seconds=30, pause=0.1)
        yield running
    finally:
        running.kill()


@pytest.mark.durable
def test_the_process_serves_survives_its_database_and_stops_within_three_seconds(
    server: Server, durable_postgres: ScratchPostgres
) -> None:
    for body in (b"x" * 10_000_000, iter([b"x" * 10_000] * 1_000)):
        answer = httpx.post(f"{server.url}/api/login", content=body, timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    metrics = httpx.get(f"http://127.0.0.1:{server.settings.metrics_port}/metrics", timeout=5).text
    assert 'bitcurrent_http_request_seconds_count{method="GET",route="/health/ready",status="200"}' in metrics

    durable_postgres.kill()
    assert server.health() == 503
    login = {"email": "ann@example.test", "password": "some password"}
    refused = httpx.post(f"{server.url}/api/login", json=login, timeout=15)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert httpx.get(f"{server.url}/health/live", timeout=5).status_code == 200
    durable_postgres.start_again()
    assert wait_until(server.is_ready, seconds=10, pause=0.1)

    started = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=10) == 0
    assert time.monotonic() - started < 3


@pytest.mark.durable
def test_a_worker_does_not_outlive_its_killed_parent(server: Server) -> None:
    workers = psutil.Process(server.process.pid).children(recursive=True)
    assert workers
    server.process.kill()
    assert wait_until(lambda: all(_is_gone(worker) for worker in workers), seconds=5)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
