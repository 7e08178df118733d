"""The one process that outlives a killed supervisor, for at most some seconds: it ends what was left.

Run as a script by path, isolated. It reads lines `+pid signal` and `-pid` from standard input: children that
started and ended. When the input ends, the supervisor is gone: each child's group that is still there gets its
signal, and SIGKILL after GRACE_SECONDS. It inherits a lock that it holds by living; the next start waits for it.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 4.0
PAUSE_SECONDS = 0.05


def _still_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def _send(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except OSError:
        return  # it ended by itself, which is what we want


def main() -> None:
    """Watch over the children until the supervisor is gone, then end them."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        words = line[1:].split()
        if line.startswith("+"):
            groups[int(words[0])] = int(words[1])
        else:
            groups.pop(int(words[0]), None)
    for group, number in groups.items():
        _send(group, number)
    end = time.monotonic() + GRACE_SECONDS
    while any(map(_still_there, groups)) and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
    for group in groups:
        _send(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
