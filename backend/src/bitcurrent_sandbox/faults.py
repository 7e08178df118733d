"""Faults that the operator orders: which requests and events they hit, and how often."""

from fnmatch import fnmatchcase
from typing import Final, Literal, get_args

import msgspec

BEFORE: Final = ("drop_before", "delay_before", "error_before")
AFTER: Final = ("drop_after", "delay_after", "error_after", "cut_after")
EVENTS: Final = ("drop_event", "delay_event", "reorder_event", "duplicate_event")

Kind = Literal[
    "drop_before",
    "delay_before",
    "error_before",
    "drop_after",
    "delay_after",
    "error_after",
    "cut_after",
    "reject_order",
    "fail_transfer",
    "drop_event",
    "delay_event",
    "reorder_event",
    "duplicate_event",
]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
_FAULTS_MAX: Final = 200


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One ordered fault.

    `before` and `after` say whether the venue has acted when it strikes. `count` is how often it strikes (0: until it
    is removed), `path` a prefix or a pattern with `*` (without the /alpaca in front), `status` the answer of
    the error kinds, `ms` the length of the delay kinds. Events are those of the trading stream, `event` narrows them.
    """

    kind: Kind
    count: int = 1
    method: str | None = None
    path: str | None = None
    status: int = 500
    ms: int = 1000
    event: str | None = None
    id: int = 0
    struck: int = 0

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it should."""
        return 0 < self.count <= self.struck

    def hits_request(self, method: str, path: str) -> bool:
        """Whether this request is meant."""
        if self.method is not None and self.method.upper() != method:
            return False
        if self.path is None:
            return True
        return fnmatchcase(path, self.path) if "*" in self.path else path.startswith(self.path)

    def hits_event(self, event: str) -> bool:
        """Whether this event is meant."""
        return self.event is None or self.event == event


class Faults:
    """The list of ordered faults, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._last_id = 0

    def add(self, fault: Fault) -> Fault:
        """Order a fault; it gets its id."""
        if len(self._faults) >= _FAULTS_MAX:
            raise ValueError(f"at most {_FAULTS_MAX} faults at once")
        self._last_id += 1
        fault.id, fault.struck = self._last_id, 0
        self._faults.append(fault)
        return fault

    def remove(self, fault_id: int) -> bool:
        """Take one back; whether it was there."""
        before = len(self._faults)
        self._faults = [fault for fault in self._faults if fault.id != fault_id]
        return len(self._faults) < before

    def clear(self) -> None:
        """Take all back."""
        self._faults.clear()

    @property
    def listed(self) -> list[Fault]:
        """Those that can still strike."""
        return list(self._faults)

    def take_request(self, kinds: tuple[str, ...], method: str, path: str) -> Fault | None:
        """The fault that strikes this request now, counted."""
        return self._take(next((f for f in self._faults if f.kind in kinds and f.hits_request(method, path)), None))

    def take_event(self, kind: str, event: str) -> Fault | None:
        """The fault of this kind that strikes this event now, counted."""
        return self._take(next((f for f in self._faults if f.kind == kind and f.hits_event(event)), None))

    def _take(self, fault: Fault | None) -> Fault | None:
        if fault is not None:
            fault.struck += 1
            if fault.spent:
                self._faults.remove(fault)
        return fault
