"""The request budget of a key: so many in each minute of the clock."""

from typing import Final

from bitcurrent_sandbox import clock

_WINDOW: Final = 60


class RateLimit:
    """Counts one key's requests in the current minute."""

    def __init__(self) -> None:
        self._window = 0
        self._spent = 0

    def spend(self, budget: int) -> tuple[bool, dict[str, str]]:
        """Whether this request is within the budget, and the headers that tell how much is left."""
        second = clock.now() // clock.MICROS
        window = second // _WINDOW
        if window != self._window:
            self._window, self._spent = window, 0
        within = self._spent < budget
        if within:
            self._spent += 1
        headers = {
            "X-RateLimit-Limit": str(budget),
            "X-RateLimit-Remaining": str(max(0, budget - self._spent)),
            "X-RateLimit-Reset": str((window + 1) * _WINDOW),
        }
        return within, headers

    def reset(self) -> None:
        """Begin the minute anew."""
        self._spent = 0
