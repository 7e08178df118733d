"""`bitcurrent live` as the process that it is: starts, is well, uses little, says goodbye, survives its database."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
from websockets.exceptions import InvalidStatus

from bitcurrent.launcher import spawn
from bitcurrent.launcher.addresses import HERE, free_port, wait_until
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres
from bitcurrent.live.model import CloseCode
from bitcurrent.migrate import upgrade
from bitcurrent.settings import Settings
from tests.live.test_private import closed_with
from tests.support.brokerage import ORIGIN, settings_for
from tests.support.live_client import live_client

MEGABYTES_MAX = 120


@contextmanager
def live_process(settings: Settings, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the live server on these settings until the block ends."""
    values = {
        f"BITCURRENT_{name.upper()}": str(value) for name, value in msgspec.structs.asdict(settings).items() if value
    }
    with (folder / "live.log").open("ab") as log:
        process = spawn.start(
            [sys.executable, "-m", "bitcurrent.cli", "live"], log=log, environment={**os.environ, **values}
        )
    try:
        assert wait_until(lambda: process.poll() is not None or ready(settings) == 200, seconds=20)
        assert process.poll() is None, (folder / "live.log").read_text()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=5)


def ready(settings: Settings) -> int:
    """The status of /health/ready; 0 when nobody answers."""
    try:
        return httpx.get(f"http://{HERE}:{settings.live_port}/health/ready", timeout=2).status_code
    except httpx.TransportError:
        return 0


async def test_sigterm_sends_everybody_away_within_two_seconds(
    database_urls: DatabaseUrls, redis_url: str, tmp_path: Path
) -> None:
    settings = settings_for(database_urls, redis_url, live_port=free_port())
    with live_process(settings, tmp_path) as process:
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        assert memory < MEGABYTES_MAX
        async with live_client(f"ws://{HERE}:{settings.live_port}/ws") as client:
            deaf = await asyncio.open_connection(HERE, settings.live_port)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            code, reason = await closed_with(client)
            assert code == CloseCode.GOING_AWAY
            assert "resume" in reason
            assert await asyncio.to_thread(process.wait, 5) == 0
            assert time.monotonic() - began < 2
            deaf[1].close()
    log = (tmp_path / "live.log").read_text()
    assert "Traceback" not in log, log


async def test_the_process_lets_in_neither_foreign_pages_nor_tokens_in_addresses(
    database_urls: DatabaseUrls, redis_url: str, tmp_path: Path
) -> None:
    settings = settings_for(database_urls, redis_url, live_port=free_port())
    with live_process(settings, tmp_path):
        url = f"ws://{HERE}:{settings.live_port}/ws"
        for address, origin, status, code in (
            (url, "https://evil.example", 403, "foreign_origin"),
            (f"{url}?token=canary-token", ORIGIN, 400, "parameters_refused"),
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with live_client(address, origin=origin):
                    raise AssertionError("it was let in")
            response = refused.value.response
            assert (response.status_code, msgspec.json.decode(response.body)["code"]) == (status, code)
        async with live_client(url, origin=ORIGIN):
            pass
    assert "canary-token" not in (tmp_path / "live.log").read_text()


async def test_postgresql_may_die_and_come_back(
    durable_postgres: ScratchPostgres, redis_url: str, tmp_path: Path
) -> None:
    urls = durable_postgres.urls()
    await asyncio.to_thread(upgrade, urls.owner)
    settings = settings_for(urls, redis_url, live_port=free_port())
    with live_process(settings, tmp_path) as process:
        await asyncio.to_thread(durable_postgres.kill)
        assert await asyncio.to_thread(wait_until, lambda: ready(settings) == 503, seconds=10)
        await asyncio.to_thread(durable_postgres.start_again)
        assert await asyncio.to_thread(wait_until, lambda: ready(settings) == 200, seconds=10)
        assert process.poll() is None
