"""A monitored transaction, what rules may say of it, and alerts, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, get_args
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.ids import UserId

FactKind = Literal["deposit", "card", "withdrawal", "fill", "conversion", "refund"]
FACT_KINDS: Final[tuple[FactKind, ...]] = get_args(FactKind)
"""`card` is what the processor told of a deposit's card some time after it."""

MarkKind = Literal["card", "destination", "access"]
MARK_KINDS: Final[tuple[MarkKind, ...]] = get_args(MarkKind)
"""What several customers may share; `access` is a device at an address, as a keyed hash."""

RuleName = Literal[
    "structuring", "velocity", "pass_through", "dormant_large", "many_cards", "shared_marks", "new_address_drain",
    "wash", "card_country",
]  # fmt: skip
RULE_NAMES: Final[tuple[RuleName, ...]] = get_args(RuleName)

Action = Literal["alert", "case", "hold"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
"""Tell; tell and open a case; that, and stop the customer's withdrawals until the case is closed."""

AlertState = Literal["open", "dismissed", "escalated"]
ALERT_STATES: Final[tuple[AlertState, ...]] = get_args(AlertState)

HISTORY_MAX: Final = 1_000
"""So many of a customer's earlier transactions a rule can see."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something by which transactions of several customers belong together."""

    kind: MarkKind
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One transaction as rules see it. `worth` is in USD; None where nobody could say."""

    position: int
    """The event's in the log: no event counts twice."""
    user_id: UserId
    kind: FactKind
    subject: UUID | None
    at: datetime
    worth: Decimal | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()

    def text(self, name: str) -> str | None:
        """One of its facts, when there is such a text."""
        value = self.facts.get(name)
        return value if isinstance(value, str) and value else None

    def amount(self, name: str) -> Decimal | None:
        """One of its facts as an amount."""
        text = self.text(name)
        return None if text is None else Decimal(text)


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a customer was last seen with a mark."""

    user_id: UserId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a rule sees: one transaction, its customer's earlier ones (oldest first), and who shares its marks."""

    fact: Fact
    earlier: tuple[Fact, ...]
    shared: Mapping[Mark, tuple[Sighting, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A rule speaks: how sure it is (1 to 100), the figures that it counted, and a sentence for people."""

    score: int
    parts: Mapping[str, str]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord:
    """One version of a rule. The newest that is active counts."""

    version: int
    name: RuleName
    parameters: Mapping[str, Any]
    action: Action
    enabled: bool
    active_from: datetime
    created_at: datetime
    reason: str
    approval_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a rule said of a customer, and what became of it."""

    id: UUID
    rule: RuleName
    rule_version: int
    user_id: UserId
    position: int
    at: datetime
    score: int
    parts: Mapping[str, str]
    words: str
    state: AlertState
    held: bool
    case_id: UUID | None
    decided_by: UserId | None = None
    decided_at: datetime | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts to list. `before` is the keyset: the id of the last one seen."""

    rule: RuleName | None = None
    state: AlertState | None = None
    user_id: UUID | None = None
    case_id: UUID | None = None
    before: UUID | None = None
    limit: int = 50


class AlertNotFound(NotFound):
    """No alert has this id."""

    code = "alert_not_found"

    def __init__(self) -> None:
        super().__init__("There is no alert with this id.")


class AlertDecided(Conflict):
    """Somebody has dismissed or escalated it."""

    code = "alert_decided"

    def __init__(self, state: AlertState) -> None:
        super().__init__(f"This alert is {state} already.", details={"state": state})


class RuleUnknown(NotFound):
    """There is no such rule."""

    code = "rule_unknown"

    def __init__(self) -> None:
        super().__init__(f"There is no such rule: {', '.join(RULE_NAMES)}.", details={"known": ",".join(RULE_NAMES)})


class ThresholdImpossible(Invalid):
    """A parameter that no rule could work with; the rule in force stays."""

    code = "threshold_impossible"
