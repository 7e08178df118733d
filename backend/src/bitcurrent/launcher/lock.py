"""At most one supervisor for a data folder; a second one learns who the first is."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bitcurrent.launcher.errors import LaunchError

LEFTOVERS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """The supervisor that holds a data folder."""

    pid: int
    address: str


class AlreadyRunning(LaunchError):
    """Somebody else holds the data folder."""

    def __init__(self, running: Running) -> None:
        super().__init__(
            f"Already running (pid {running.pid}, {running.address}).",
            "Stop it with Ctrl-C there, or start a second copy with another PORT and DATA.",
        )
        self.running = running


@contextlib.contextmanager
def held(data: Path, address: str) -> Iterator[int]:
    """Hold a data folder; gives the descriptor of the lock that the undertaker inherits.

    Waits for what a killed supervisor left to end. Raises AlreadyRunning, or LaunchError when it does not end.
    """
    with _locked(data / ".lock", seconds=0) as mine:
        if mine is None:
            raise AlreadyRunning(_read(data / ".lock"))
        os.truncate(mine, 0)
        os.write(mine, json.dumps({"pid": os.getpid(), "address": address}).encode())
        with _locked(data / ".leftovers", seconds=LEFTOVERS_SECONDS) as leftovers:
            if leftovers is None:
                raise LaunchError("Processes of the last run do not end.", "Look at `ps -ef | grep bitcurrent`.")
            # Only the undertaker keeps this one, so that it is free again when everything has ended.
            yield leftovers


@contextlib.contextmanager
def _locked(path: Path, *, seconds: float) -> Iterator[int | None]:
    """Lock a file, or give None when somebody else keeps it for longer than that."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + seconds
    try:
        while not _try(descriptor):
            if time.monotonic() >= end:
                yield None
                return
            time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> Running:
    """Read who holds the lock; it may be writing this very moment."""
    try:
        told = json.loads(path.read_text())
        return Running(int(told["pid"]), str(told["address"]))
    except (ValueError, KeyError):
        return Running(0, "starting")


def holder(data: Path) -> int | None:
    """Give the pid of the supervisor that holds a data folder now, if one does."""
    path = data / ".lock"
    if not os.access(path, os.R_OK | os.W_OK):
        return None
    with _locked(path, seconds=0) as mine:
        return _read(path).pid if mine is None else None
