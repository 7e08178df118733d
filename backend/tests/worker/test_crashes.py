"""A worker that dies by SIGKILL at a labelled point, and the next one that ends what it began."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bitcurrent.launcher import addresses
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.settings import Settings
from bitcurrent.trading.model import OrderState
from tests.support.desk import Floor, price_known, trading_floor
from tests.support.sandbox import Sandbox


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """A process's environment that carries these settings."""
    fields = msgspec.to_builtins(settings)
    values = {f"BITCURRENT_{name.upper()}": str(value) for name, value in fields.items() if value not in (None, "")}
    return {**os.environ, **values, **more}


@contextlib.asynccontextmanager
async def worker_process(floor: Floor, log: Path, **more: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A worker as the process it really is."""
    settings = msgspec.structs.replace(floor.brokerage.settings, worker_port=addresses.free_port())
    process = start_worker(environment(settings, **more), log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(5)


def start_worker(environ: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker with this environment; what it says goes to the log."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "bitcurrent.cli", "worker"], env=environ, stdout=output, stderr=output
        )


async def unless_dead(process: subprocess.Popen[bytes], work: Awaitable[Any]) -> bool:
    """Wait for something or for the process's death; whether the process lives."""
    task = asyncio.ensure_future(work)
    death = asyncio.ensure_future(asyncio.to_thread(process.wait))
    await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
    death.cancel()
    if not task.done():
        task.cancel()
    results = await asyncio.gather(task, return_exceptions=True)
    if process.poll() is None and isinstance(results[0], Exception):
        raise results[0]
    return process.poll() is None


@pytest.mark.parametrize(
    "label",
    [
        "after_claim",
        "after_submit_before_record",
        "inside_update_transaction",
        "before_update_commit:3",
        "before_cancel",
        "after_cancel_before_record",
    ],
)
async def test_whoever_comes_next_ends_what_was_begun(
    database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox, tmp_path: Path, label: str
) -> None:
    async with trading_floor(
        database_urls, redis_url, sandbox, worker=False, venue_missing_seconds=2, venue_heal_seconds=2
    ) as floor:
        ann = await floor.customer(USD="10000")
        async with worker_process(floor, tmp_path / "worker.log", BITCURRENT_CRASH_AT=label) as process:
            await price_known(floor.brokerage)
            resting = await floor.order(ann, quantity="0.01", limit="40000")
            if await unless_dead(process, floor.until(resting, OrderState.SUBMITTED)):
                await floor.brokerage.trading.cancel_order(ann, resting)
            if await unless_dead(process, floor.until(resting, OrderState.CANCELED)):
                await floor.order(ann, notional="100")
            assert await asyncio.to_thread(process.wait, 10) == -signal.SIGKILL, (tmp_path / "worker.log").read_text()
        bought = await floor.order(ann, notional="100")
        floor.start_worker()
        await floor.until(bought, OrderState.FILLED, seconds=20)
        ended = (OrderState.SUBMITTED, OrderState.CANCELED, OrderState.REJECTED)
        if (await floor.until(resting, *ended, seconds=20)).state is OrderState.SUBMITTED:
            await floor.brokerage.trading.cancel_order(ann, resting)
        await floor.until(resting, OrderState.CANCELED, OrderState.REJECTED, seconds=20)
        await floor.until_true(lambda: floor.count("SELECT count(*) = 0 FROM orders WHERE finished_at IS NULL"))
        await floor.laws()


async def test_sigterm_ends_a_worker_in_order(
    database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with (
        trading_floor(database_urls, redis_url, sandbox, worker=False) as floor,
        worker_process(floor, tmp_path / "worker.log") as process,
    ):
        await price_known(floor.brokerage)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 3) == 0, (tmp_path / "worker.log").read_text()


def test_crash_points_are_dead_in_production() -> None:
    program = "from bitcurrent.kernel.crashpoints import crash_point; crash_point('here'); print('alive')"
    for env, survives in (("production", True), ("demo", False)):
        result = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "BITCURRENT_ENV": env, "BITCURRENT_CRASH_AT": "here"},
            capture_output=True,
        )
        assert (result.returncode == 0) is survives
