"""Places where a test may kill the process, to prove that nothing depends on surviving them."""

import os
import signal

_ENVIRONMENT = "BITCURRENT_ENV"
_CRASH_AT = "BITCURRENT_CRASH_AT"


def _armed() -> tuple[str, int]:
    """The label named by BITCURRENT_CRASH_AT and at which passing it kills: `label` or `label:3`; never in production.

    An installation that does not say what it is counts as production.
    """
    if os.environ.get(_ENVIRONMENT, "production") == "production":
        return "", 0
    label, _, turn = os.environ.get(_CRASH_AT, "").partition(":")
    return label, int(turn) if turn.isdecimal() else 1


_label, _turns_left = _armed()


def crash_point(label: str) -> None:
    """Die here by SIGKILL, without any goodbye, when BITCURRENT_CRASH_AT names this label; otherwise do nothing."""
    global _turns_left
    if label != _label:
        return
    _turns_left -= 1
    if _turns_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
