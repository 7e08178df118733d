"""Keeps a table of children alive, and stops them in order.

A child is started in a session of its own. One that dies is started again after a pause that doubles each time
and is forgotten after a minute of health. Nothing here knows what the children are.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bitcurrent.launcher import logs, spawn
from bitcurrent.launcher.account import Account
from bitcurrent.launcher.errors import LaunchError

UNDERTAKER = Path(__file__).with_name("undertaker.py")
ROTATE_SECONDS = 5.0
PROBE_PAUSE_SECONDS = 0.05


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
    ready: Callable[[int], Awaitable[bool]]
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
    process: asyncio.subprocess.Process
    started: float
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    """The children of one copy; `say` receives each line that a person should see."""

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
        self._stopping = False
        self._undertaker: asyncio.subprocess.Process | None = None
        self._rotation: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the undertaker and the rotation of logs; call this before `start`."""
        self._undertaker = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(UNDERTAKER),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=[] if self._leftovers_lock is None else [self._leftovers_lock],
            cwd="/",
            start_new_session=True,
        )  # fmt: skip
        self._rotation = asyncio.create_task(self._rotate())

    async def start(self, spec: ChildSpec) -> int:
        """Start a child, wait until it is well, and keep it alive from now on; gives its pid.

        Raises LaunchError, with the end of its log, when it ends or is not ready in time.
        """
        process = await self._launch(spec)
        child = _Child(spec, process, time.monotonic())
        self._children[spec.name] = child
        if not await self._becomes_ready(spec, process):
            what = "did not get ready" if process.returncode is None else self._how_it_ended(process)
            words = logs.last_lines(self._log_folder, spec.name)
            raise LaunchError(f"{spec.name} {what}.\n{words}", f"Its log is {self._log_folder / spec.name}.log")
        child.keeper = asyncio.create_task(self._keep(child))
        return process.pid

    def pids(self) -> dict[str, int]:
        """Give the process id of every child that runs now."""
        return {n: c.process.pid for n, c in self._children.items() if c.process.returncode is None}

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """Stop everything, stage by stage; `hurry`, once set, ends whatever is still there at once."""
        self._stopping = True
        tasks = [c.keeper for c in self._children.values() if c.keeper] + [self._rotation]
        for task in filter(None, tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for stage in sorted({c.spec.stage for c in self._children.values()}):
            members = [c for c in self._children.values() if c.spec.stage == stage]
            await asyncio.gather(*(self._stop_one(c, hurry or asyncio.Event()) for c in members))
        await self._dismiss_undertaker()

    async def _launch(self, spec: ChildSpec) -> asyncio.subprocess.Process:
        spec.before()
        log = logs.open_log(self._log_folder, spec.name)
        try:
            process = await asyncio.create_subprocess_exec(
                *spawn.wrapped(spec.command, account=spec.account, parting=spec.parting),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(spec.environment),
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(log)
        self._tell_undertaker(f"+{process.pid} {int(spec.parting)}")
        return process

    async def _becomes_ready(self, spec: ChildSpec, process: asyncio.subprocess.Process) -> bool:
        end = time.monotonic() + spec.ready_seconds
        while process.returncode is None and time.monotonic() < end:
            # Asked first, believed only if the child still lives: somebody else might answer on its port.
            if await spec.ready(process.pid) and process.returncode is None:
                return True
            await asyncio.sleep(PROBE_PAUSE_SECONDS)
        return False

    async def _keep(self, child: _Child) -> None:
        """Start the child again each time it dies, for as long as we are not stopping."""
        pause = self._pauses.first
        while True:
            await child.process.wait()
            self._bury(child)
            lived = time.monotonic() - child.started
            if lived >= self._pauses.healthy:
                pause = self._pauses.first
            self._say(
                f"{child.spec.name} {self._how_it_ended(child.process)} after {lived:.1f} s; "
                f"next try in {pause:g} s"
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._pauses.longest)
            try:
                child.process = await self._launch(child.spec)
            except (OSError, LaunchError) as error:
                self._say(f"{child.spec.name} cannot be started: {error}")
                continue
            child.started = time.monotonic()
            if await self._becomes_ready(child.spec, child.process):
                self._say(f"{child.spec.name} is back (pid {child.process.pid})")
            elif child.process.returncode is None:
                self._say(f"{child.spec.name} runs but is not ready after {child.spec.ready_seconds:g} s")

    def _bury(self, child: _Child) -> None:
        """End what a dead child left behind (its own workers would keep its port)."""
        spawn.signal_group(child.process.pid, signal.SIGKILL)
        self._tell_undertaker(f"-{child.process.pid}")

    async def _stop_one(self, child: _Child, hurry: asyncio.Event) -> None:
        process, spec = child.process, child.spec
        ended = asyncio.create_task(process.wait())
        hurried = asyncio.create_task(hurry.wait())
        if process.returncode is None:
            self._signal(process, spec.hard if hurry.is_set() else spec.stop)
        await asyncio.wait({ended, hurried}, timeout=spec.stop_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            self._signal(process, spec.hard)
            await asyncio.wait({ended}, timeout=0.5)
        if not ended.done():
            spawn.signal_group(process.pid, signal.SIGKILL)
            await ended
        hurried.cancel()
        self._bury(child)

    @staticmethod
    def _signal(process: asyncio.subprocess.Process, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)

    @staticmethod
    def _how_it_ended(process: asyncio.subprocess.Process) -> str:
        code = process.returncode or 0
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def _tell_undertaker(self, line: str) -> None:
        if self._undertaker is None or self._undertaker.stdin is None or self._undertaker.stdin.is_closing():
            return
        self._undertaker.stdin.write(f"{line}\n".encode())

    async def _dismiss_undertaker(self) -> None:
        """Close its input: with nobody left to bury, it ends at once."""
        if self._undertaker is None or self._undertaker.stdin is None:
            return
        self._undertaker.stdin.close()
        await self._undertaker.wait()

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            logs.rotate(self._log_folder)
