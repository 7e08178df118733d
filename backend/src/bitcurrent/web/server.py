"""The process that serves the API: granian with a worker process (or more), and as little as possible around it.

It imports nothing of the application itself, so that the parent process stays small.
"""

import ctypes
import importlib
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels

from bitcurrent.kernel.logs import configure_logs
from bitcurrent.settings import Settings

APPLICATION = "bitcurrent.app"
BACKLOG = 2048
STOP_SECONDS = 2
"""What requests in flight get to end, after SIGTERM or SIGINT."""

_PR_SET_PDEATHSIG = 1


def serve(settings: Settings) -> None:
    """Serve the API until SIGTERM or SIGINT."""
    server = Granian(
        APPLICATION,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.api_workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        log_access=False,
        log_level=LogLevels.warning,
        workers_kill_timeout=STOP_SECONDS,
    )
    server.serve(target_loader=partial(_load, settings, os.getpid()), wrap_loader=False)


def _load(settings: Settings, parent: int) -> Callable[..., Any]:
    """Build the application, in the worker process that serves it."""
    _die_with(parent)
    configure_logs(settings.log_level)
    application: Callable[..., Any] = importlib.import_module(APPLICATION).build_app(settings)
    return application


def _die_with(parent: int) -> None:
    """A parent that is killed outright must not leave its workers holding the port. Linux only; others do without."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the server that started this worker is gone")
