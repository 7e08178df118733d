"""Stand-in children: small programs that behave well or badly in one particular way."""

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bitcurrent.launcher.supervisor import ChildSpec

WELL_BEHAVED = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), sys.exit(0)))
pathlib.Path(sys.argv[1]).write_text("here")
print("hello", flush=True)
time.sleep(600)
"""
STUBBORN = WELL_BEHAVED.replace('lambda *_: (print("bye", flush=True), sys.exit(0))', "signal.SIG_IGN")
WITH_GRANDCHILD = """
import pathlib, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(grandchild.pid))
time.sleep(600)
"""
DIES_AT_ONCE = """
import sys
print("the reason stands here", file=sys.stderr)
sys.exit(3)
"""


def stand_in(name: str, program: str, folder: Path, **changes: Any) -> ChildSpec:
    """A child that is ready once it has written its file."""
    sign = folder / f"{name}.sign"
    fields: dict[str, Any] = {
        "name": name,
        "command": [sys.executable, "-c", program, str(sign)],
        "environment": {"PYTHONUNBUFFERED": "1"},
        "ready": exists(sign),
        "stage": 0,
        "ready_seconds": 10,
    }
    return ChildSpec(**{**fields, **changes})


def exists(path: Path) -> Callable[[int], Awaitable[bool]]:
    async def ready(pid: int) -> bool:
        return os.path.exists(path)  # noqa: ASYNC240 - a moment's look

    return ready
