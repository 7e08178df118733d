"""Ports on this machine: which are free, who holds one, and how to wait for what answers there."""

import socket
import time
from collections.abc import Callable

HERE = "127.0.0.1"
Question = Callable[[], bool]


def free_port() -> int:
    """Give a port that nobody held a moment ago."""
    with socket.socket() as listener:
        listener.bind((HERE, 0))
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    with socket.socket() as listener:
        # A port whose last connections are still in TIME_WAIT is free for a server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HERE, port))
        except OSError:
            return False
        return True


def wait_until(ready: Question, *, seconds: float, pause: float = 0.02) -> bool:
    """Ask again and again until `ready()` says yes or the time is over; tell which it was."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
