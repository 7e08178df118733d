"""Keeps a table of children alive, and stops them in order.

A child is started in a session of its own. One that dies is started again after a pause that doubles each time
and is forgotten after a minute of health. Nothing here knows what the children are.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bitcurrent.launcher import logs, spawn
from bitcurrent.launcher.account import Account
from bitcurrent.launcher.errors import LaunchError

Readiness = Callable[[int], Awaitable[bool]]
UNDERTAKER = Path(__file__).with_name("undertaker.py")
ROTATE_SECONDS = 5.0
POLL_SECONDS = 0.05
HARD_SECONDS = 0.2
STOP_SECONDS = 4.5
UNDERTAKER_SECONDS = 6.0
RUN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait before starting a dead child again, in seconds."""

    first: float = 0.5
    longest: float = 30.0
    healthy: float = 60.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How one child is started, known to be well, and stopped.

    `ready` is asked with the child's pid. `stop` is sent to the child alone; when it has not ended
    `stop_seconds` later, its whole group is killed. `parting` is what it gets when the supervisor itself dies,
    and `hard` when somebody is in a hurry. `stage`: lower ones are stopped first, equal ones together.
    """

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    ready: Readiness
    stage: int
    ready_seconds: float = 30.0
    stop_seconds: float = 1.2
    stop: int = signal.SIGTERM
    hard: int = signal.SIGKILL
    parting: int = signal.SIGTERM
    account: Account | None = None
    before: Callable[[], None] = field(default=lambda: None)


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes]
    started: float
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    """The children of one copy; `say` receives each line that a person should see.

    Children are started by the loop's own thread without awaiting anything: none can be lost to a
    cancellation, and the parent-death signal follows the right thread.
    """

    def __init__(
        self,
        *,
        log_folder: Path,
        say: Callable[[str], None],
        leftovers_lock: int | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        self._log_folder = log_folder
        self._say = say
        self._leftovers_lock = leftovers_lock
        self._pauses = pauses or Pauses()
        self._children: dict[str, _Child] = {}
        self._undertaker: subprocess.Popen[bytes] | None = None
        self._rotation: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start the undertaker and the rotation of logs; call this before `start`, in a running loop."""
        self._undertaker = subprocess.Popen(
            [sys.executable, "-I", "-S", str(UNDERTAKER)],
            stdin=subprocess.PIPE,
            bufsize=0,
            pass_fds=[] if self._leftovers_lock is None else [self._leftovers_lock],
            cwd="/",
            start_new_session=True,
        )
        self._rotation = asyncio.create_task(self._rotate())

    async def start(self, spec: ChildSpec) -> int:
        """Start a child, wait until it is well, and keep it alive from now on; gives its pid.

        Raises LaunchError, with the end of its log, when it ends or is not ready in time.
        """
        child = _Child(spec, self._launch(spec), time.monotonic())
        self._children[spec.name] = child
        if not await self._becomes_ready(child):
            ended = child.process.poll() is not None
            what = _how_it_ended(child.process) if ended else f"is not ready after {spec.ready_seconds:g} s"
            words = logs.last_lines(self._log_folder, spec.name)
            raise LaunchError(f"{spec.name} {what}.\n{words}", f"Its log: {self._log_folder / spec.name}.log")
        child.keeper = asyncio.create_task(self._keep(child))
        return child.process.pid

    async def run_once(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str]) -> str:
        """Run a program to its end, its errors going to a log; gives what it printed.

        Raises LaunchError when it fails or takes longer than RUN_SECONDS. A cancellation ends it too.
        """
        log = logs.open_log(self._log_folder, name)
        with os.fdopen(log, "ab") as errors, tempfile.TemporaryFile() as printed:
            process = spawn.start(command, log=printed, errors=errors, environment=environment, parting=signal.SIGTERM)
            self._tell_undertaker(f"+{process.pid} {int(signal.SIGTERM)}")
            try:
                async with asyncio.timeout(RUN_SECONDS):
                    await _ended(process)
            except TimeoutError as error:
                raise LaunchError(f"`bitcurrent {name}` did not end within {RUN_SECONDS:g} s.") from error
            finally:
                self._bury(process)
                process.wait()
            printed.seek(0)
            output = printed.read().decode(errors="replace")
        if process.returncode != 0:
            words = logs.last_lines(self._log_folder, name)
            raise LaunchError(f"`bitcurrent {name}` {_how_it_ended(process)}.\n{output}{words}")
        return output

    def pids(self) -> dict[str, int]:
        """Give the process id of every child that runs now."""
        return {n: c.process.pid for n, c in self._children.items() if c.process.poll() is None}

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """Stop everything, stage by stage, within 5 s; `hurry`, once set, ends what is still there at once."""
        tasks = [self._rotation, *(child.keeper for child in self._children.values())]
        for task in filter(None, tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        hurry = hurry or asyncio.Event()
        end = time.monotonic() + STOP_SECONDS
        stages = sorted({child.spec.stage for child in self._children.values()})
        for stage in stages:
            members = [child for child in self._children.values() if child.spec.stage == stage]
            # What the others did not use is the last one's: a database likes to write its checkpoint.
            spare = end - time.monotonic() - HARD_SECONDS if stage == stages[-1] else 0.0
            await asyncio.gather(*(self._stop_one(child, hurry, spare) for child in members))
        self._children.clear()
        self._dismiss_undertaker()

    def _launch(self, spec: ChildSpec) -> subprocess.Popen[bytes]:
        spec.before()
        log = logs.open_log(self._log_folder, spec.name)
        try:
            process = spawn.start(
                spec.command,
                log=log,
                environment=spec.environment,
                account=spec.account,
                parting=spec.parting,
            )
        finally:
            os.close(log)
        self._tell_undertaker(f"+{process.pid} {int(spec.parting)}")
        return process

    async def _becomes_ready(self, child: _Child) -> bool:
        end = time.monotonic() + child.spec.ready_seconds
        while child.process.poll() is None and time.monotonic() < end:
            # Asked first, believed only if the child still lives: somebody else might answer on its port.
            if await child.spec.ready(child.process.pid) and child.process.poll() is None:
                return True
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def _keep(self, child: _Child) -> None:
        """Start the child again each time it dies, until this task is cancelled."""
        pause = self._pauses.first
        while True:
            await _ended(child.process)
            self._bury(child.process)
            lived = time.monotonic() - child.started
            if lived >= self._pauses.healthy:
                pause = self._pauses.first
            how = _how_it_ended(child.process)
            self._say(f"{child.spec.name} {how} after {lived:.1f} s; next try in {pause:g} s")
            pause = await self._start_again(child, pause)
            if await self._becomes_ready(child):
                self._say(f"{child.spec.name} is back (pid {child.process.pid})")
            elif child.process.poll() is None:
                self._say(f"{child.spec.name} runs but is not ready after {child.spec.ready_seconds:g} s")

    async def _start_again(self, child: _Child, pause: float) -> float:
        """Wait and start, as often as it takes (a full disk may refuse even that); gives the next pause."""
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._pauses.longest)
            try:
                child.process = self._launch(child.spec)
            except (OSError, LaunchError) as error:
                self._say(f"{child.spec.name} cannot be started: {error}; next try in {pause:g} s")
                continue
            child.started = time.monotonic()
            return pause

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        """End what a process left behind (a dead one's own workers would keep its port)."""
        spawn.signal_group(process.pid, signal.SIGKILL)
        self._tell_undertaker(f"-{process.pid}")

    async def _stop_one(self, child: _Child, hurry: asyncio.Event, spare: float) -> None:
        process, spec = child.process, child.spec
        ended = asyncio.create_task(_ended(process))
        hurried = asyncio.create_task(hurry.wait())
        # To the child alone: it tells its own (a signal to all of PostgreSQL would look like a crash to it).
        process.send_signal(spec.hard if hurry.is_set() else spec.stop)
        patience = max(spec.stop_seconds, spare)
        await asyncio.wait({ended, hurried}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.send_signal(spec.hard)
            await asyncio.wait({ended}, timeout=HARD_SECONDS)
        if not ended.done():
            spawn.signal_group(process.pid, signal.SIGKILL)
            await ended
        hurried.cancel()
        self._bury(child.process)

    def _tell_undertaker(self, line: str) -> None:
        if self._undertaker is None or self._undertaker.stdin is None:
            return
        try:
            self._undertaker.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:
            self._undertaker = None
            self._say("the undertaker is gone: if this process is killed, look for leftovers")

    def _dismiss_undertaker(self) -> None:
        """Close its input: with nobody left to bury, it ends at once."""
        if self._undertaker is not None and self._undertaker.stdin is not None:
            self._undertaker.stdin.close()
            self._undertaker.wait(timeout=UNDERTAKER_SECONDS)
        self._undertaker = None

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            logs.rotate(self._log_folder)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process: asked twenty times a second, which costs nothing and needs no thread."""
    while process.poll() is None:  # noqa: ASYNC110 - only the kernel knows, and it sets no asyncio.Event
        await asyncio.sleep(POLL_SECONDS)


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
