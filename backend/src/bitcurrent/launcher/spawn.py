"""Start a program so that it never outlives us, and send signals to it and all it started."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from bitcurrent.launcher.account import Account
from bitcurrent.launcher.shim import Orders

SHIM = Path(__file__).with_name("shim.py")


def wrapped(
    command: Sequence[str | Path], *, account: Account | None = None, parting: int = signal.SIGKILL
) -> list[str]:
    """Put the shim before a command: `parting` is the signal it gets when this very thread's process ends.

    Linux sends it when the *thread* that started the child ends: start children from the main thread.
    """
    orders = Orders(
        parent=os.getpid(),
        signal=int(parting),
        user=account.user if account else None,
        group=account.group if account else None,
        capability=account.capability if account else None,
    )
    return [sys.executable, "-I", "-S", str(SHIM), json.dumps(orders), *map(str, command)]


def start(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | int,
    errors: IO[bytes] | int = subprocess.STDOUT,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
    parting: int = signal.SIGKILL,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output going to `log` (and its errors too, unless told)."""
    return subprocess.Popen(
        wrapped(command, account=account, parting=parting),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=errors,
        env=dict(os.environ if environment is None else environment),
        cwd=folder or "/",
        start_new_session=True,
    )


def run(
    command: Sequence[str | Path],
    *,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    text: str = "",
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, feeding it `text`; the caller reads its return code.

    Raises subprocess.TimeoutExpired after `timeout` seconds.
    """
    return subprocess.run(
        wrapped(command, account=account),
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=dict(os.environ if environment is None else environment),
        cwd="/",
        check=False,
    )


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a child and everything it started; one that is gone is no error."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # PermissionError: on macOS, a group whose only member is a zombie.
        return
