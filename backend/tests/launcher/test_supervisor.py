"""The supervisor: nothing stays dead, nothing survives it, and everything ends in order."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from bitcurrent.launcher import lock
from bitcurrent.launcher.addresses import wait_until
from bitcurrent.launcher.errors import LaunchError
from bitcurrent.launcher.supervisor import Pauses, Supervisor
from tests.launcher.stand_ins import DIES_AT_ONCE, STUBBORN, WELL_BEHAVED, WITH_GRANDCHILD, stand_in

BACKEND = Path(__file__).parents[2]


class Told(list[str]):
    """What a person would have read."""

    def find(self, words: str) -> list[str]:
        return [line for line in self if words in line]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def supervisor(tmp_path: Path, told: Told) -> AsyncIterator[Supervisor]:
    pauses = Pauses(first=0.1, longest=0.4, healthy=60)
    running = Supervisor(log_folder=tmp_path, say=told.append, pauses=pauses)
    running.open()
    yield running
    await running.stop()


async def until(condition: object, seconds: float = 10) -> None:
    assert callable(condition)
    assert await asyncio.to_thread(wait_until, condition, seconds=seconds)


async def test_a_killed_child_is_started_again_and_a_line_says_so(
    supervisor: Supervisor, told: Told, tmp_path: Path
) -> None:
    pid = await supervisor.start(stand_in("api", WELL_BEHAVED, tmp_path))
    os.kill(pid, signal.SIGKILL)
    await until(lambda: told.find("api is back"))
    assert supervisor.pids()["api"] != pid
    assert "api was ended by SIGKILL after" in told[0]
    assert "next try in 0.1 s" in told[0]


async def test_pauses_grow_up_to_the_longest(supervisor: Supervisor, told: Told, tmp_path: Path) -> None:
    await supervisor.start(stand_in("api", WELL_BEHAVED, tmp_path))
    for count in range(1, 5):
        os.kill(supervisor.pids()["api"], signal.SIGKILL)
        await until(lambda count=count: len(told.find("is back")) == count)
    pauses = [line.rsplit(" ", 2)[1] for line in told.find("next try")]
    assert pauses == ["0.1", "0.2", "0.4", "0.4"]


async def test_after_a_healthy_time_the_pause_is_short_again(tmp_path: Path, told: Told) -> None:
    supervisor = Supervisor(log_folder=tmp_path, say=told.append, pauses=Pauses(0.1, 5, healthy=0.5))
    supervisor.open()
    await supervisor.start(stand_in("api", WELL_BEHAVED, tmp_path))
    for count in (1, 2):
        await asyncio.sleep(0.6)
        os.kill(supervisor.pids()["api"], signal.SIGKILL)
        await until(lambda count=count: len(told.find("is back")) == count)
    assert len(told.find("next try in 0.1 s")) == 2
    await supervisor.stop()


async def test_a_child_that_cannot_start_is_told_with_its_last_words(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"api ended with code 3\.\nthe reason stands here"):
        await supervisor.start(stand_in("api", DIES_AT_ONCE, tmp_path))


async def test_a_child_that_never_gets_ready_is_told(supervisor: Supervisor, tmp_path: Path) -> None:
    silent = stand_in("api", "import time; time.sleep(600)", tmp_path, ready_seconds=0.5)
    with pytest.raises(LaunchError, match=r"api is not ready after 0\.5 s"):
        await supervisor.start(silent)


async def test_a_program_that_is_not_there_is_told(supervisor: Supervisor, tmp_path: Path) -> None:
    missing = stand_in("api", "", tmp_path, command=["/nowhere/program"])
    with pytest.raises(LaunchError, match=r"cannot start /nowhere/program: .*No such file"):
        await supervisor.start(missing)


async def test_what_a_dead_child_had_started_ends_with_it(supervisor: Supervisor, told: Told, tmp_path: Path) -> None:
    pid = await supervisor.start(stand_in("api", WITH_GRANDCHILD, tmp_path))
    grandchild = int((tmp_path / "api.sign").read_text())
    os.kill(pid, signal.SIGKILL)
    await until(lambda: told.find("api is back"))
    assert ended(grandchild)


async def test_children_stop_stage_by_stage_and_say_goodbye(supervisor: Supervisor, tmp_path: Path) -> None:
    for stage, name in enumerate(("api", "worker", "database")):
        await supervisor.start(stand_in(name, WELL_BEHAVED, tmp_path, stage=stage))
    await supervisor.stop()
    logs = [tmp_path / f"{name}.log" for name in ("api", "worker", "database")]
    assert all(log.read_text() == "hello\nbye\n" for log in logs)
    moments = [log.stat().st_mtime_ns for log in logs]
    assert moments == sorted(moments)
    assert supervisor.pids() == {}


async def test_even_stubborn_children_are_gone_within_five_seconds(supervisor: Supervisor, tmp_path: Path) -> None:
    for stage in range(4):
        await supervisor.start(stand_in(f"c{stage}", STUBBORN, tmp_path, stage=stage, stop_seconds=0.9))
    began = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - began < 5
    assert supervisor.pids() == {}


async def test_somebody_in_a_hurry_does_not_wait(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(stand_in("api", STUBBORN, tmp_path, stop_seconds=30))
    hurry = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, hurry.set)
    began = time.monotonic()
    await supervisor.stop(hurry=hurry)
    assert time.monotonic() - began < 2


async def test_a_run_to_the_end_gives_what_was_printed(supervisor: Supervisor, tmp_path: Path) -> None:
    assert await supervisor.run_once("step", [sys.executable, "-c", "print('done')"], {}) == "done\n"
    with pytest.raises(LaunchError, match=r"ended with code 3\.\nthe reason"):
        await supervisor.run_once("step", [sys.executable, "-c", DIES_AT_ONCE], {})


def test_nothing_survives_a_kill_of_the_supervisor_and_the_next_one_waits_for_that(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.launcher.supervised", str(tmp_path)],
        cwd=BACKEND, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        pids: list[int] = json.loads(process.stdout.readline())
    with pytest.raises(lock.AlreadyRunning, match=f"pid {process.pid}"), lock.held(tmp_path, "second"):
        pass
    everything = {p.pid for pid in pids for p in (psutil.Process(pid), *psutil.Process(pid).children())}
    assert len(everything) > len(pids)
    process.kill()
    process.wait()
    with lock.held(tmp_path, "next"):
        assert [pid for pid in everything if not ended(pid)] == []


def ended(pid: int) -> bool:
    """Gone, or a zombie that nobody collects (some containers have no init)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
