"""A worker and an API as processes beside a test's own trading floor, which may die at a labelled point."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import httpx
import msgspec

from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher import addresses, spawn
from bitcurrent.launcher.brokerage import own_command
from bitcurrent.settings import Settings
from tests.support import books
from tests.support.customers import create_key, key_headers, register
from tests.support.desk import Floor

READY_SECONDS = 30
DEATH_SECONDS = 30


@dataclass(slots=True)
class Process:
    """One process and where its words go."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    port: int

    @property
    def dead(self) -> bool:
        return self.popen.poll() is not None

    def end(self) -> None:
        """Kill it and all it started."""
        if not self.dead:
            spawn.signal_group(self.popen.pid, signal.SIGKILL)
        self.popen.wait(timeout=10)

    async def until_dead(self, during: str) -> None:
        """It must die of the crash that was ordered, and of nothing else."""
        deadline = time.monotonic() + DEATH_SECONDS
        while not self.dead:
            assert time.monotonic() < deadline, f"{self.name} never came to {during}: {self.words()}"
            await asyncio.sleep(0.02)
        assert self.popen.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}, self.words()

    def words(self) -> str:
        """What it said last."""
        return self.log.read_text(errors="replace")[-2_000:]


def start(name: str, settings: Settings, folder: Path, *, crash_at: str = "") -> Process:
    """Start `worker` or `serve` on these settings, on a port of its own; it dies at `crash_at`."""
    port = addresses.free_port()
    settings = msgspec.structs.replace(settings, **({"worker_port": port} if name == "worker" else {"port": port}))
    fields = msgspec.to_builtins(settings)
    environment = {f"BITCURRENT_{key.upper()}": str(value) for key, value in fields.items() if value not in (None, "")}
    log = folder / f"{name}-{new_id()}.log"
    with log.open("ab") as output:
        popen = spawn.start(
            own_command(name), log=output, environment={**os.environ, **environment, "BITCURRENT_CRASH_AT": crash_at}
        )
    return Process(name, popen, log, port)


async def until_ready(process: Process) -> None:
    """It answers."""
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(base_url=f"http://{addresses.HERE}:{process.port}", timeout=2) as http:
        while not process.dead:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get("/health/ready")).status_code == 200:
                    return
            assert time.monotonic() < deadline, process.words()
            await asyncio.sleep(0.05)
    raise AssertionError(f"{process.name} died: {process.words()}")


async def customer_with_key(floor: Floor, api: Process, **money: str) -> tuple[UserId, dict[str, str]]:
    """A customer with money, and the headers that their program sends."""
    async with httpx.AsyncClient(base_url=f"http://{addresses.HERE}:{api.port}", timeout=10) as http:
        person = await register(http, database_url=floor.brokerage.settings.database_url)
        key_id, secret = await create_key(http, person, "read", "trade")
    user_id = UserId(UUID(person.id))
    async with floor.brokerage.database.transaction() as connection:
        for currency, amount in money.items():
            await books.credit(connection, user_id, currency, Decimal(amount))
    return user_id, key_headers(key_id, secret)
