"""How much chaos: counts by layer, the seed they ran with, and floors below which a layer has not run."""

import os
import time
from dataclasses import dataclass, field

SCALE = int(os.environ.get("BITCURRENT_CHAOS_SCALE", "1"))
"""1 in `make test`; `make chaos` runs the same code with more."""
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
SEED = int(os.environ.get("BITCURRENT_CHAOS_SEED") or (int(_RUN[:8], 16) if _RUN else int(time.time())))
"""A new one for each run, the same in all its processes; BITCURRENT_CHAOS_SEED repeats an old one."""


def say(line: str) -> None:
    """Have this shown at the end of the test run, whichever process ran the test (tests/conftest.py collects it)."""
    print(line)


@dataclass(slots=True)
class Layer:
    """One layer of the fault matrix while it runs."""

    name: str
    floor: int
    ran: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def note(self, what: str, count: int = 1) -> None:
        """Count something worth telling beside the count itself."""
        self.notes[what] = self.notes.get(what, 0) + count

    def finish(self) -> None:
        """Tell what was really run, and fail when that was too little."""
        notes = ", ".join(f"{count} {what}" for what, count in sorted(self.notes.items()))
        seconds = time.monotonic() - self.began
        say(f"chaos {self.name}: {self.ran} (floor {self.floor}), seed {SEED}, {seconds:.1f} s; {notes}")
        assert self.ran >= self.floor, f"{self.name}: only {self.ran} of {self.floor}"
