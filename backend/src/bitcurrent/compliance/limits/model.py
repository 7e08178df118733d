"""Rules, what they are measured against, and the refusal: pure values and decisions.

`worth` is always in USD, the reference currency; periods are sliding windows that end now.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, get_args
from uuid import UUID

from bitcurrent.compliance.products import NAMES, Product
from bitcurrent.kernel.errors import Forbidden
from bitcurrent.kernel.money import plain

Period = Literal["single", "day", "week", "month"]
Measure = Literal["worth", "amount", "count"]
Level = Literal["none", "basic", "full"]
PERIODS: tuple[Period, ...] = get_args(Period)

REFERENCE_CURRENCY = "USD"
WINDOWS: dict[Period, timedelta] = {
    "day": timedelta(hours=24),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
"""How far back a period looks. `single` looks at nothing but what is asked for."""

_WORDS: dict[Period, str] = {
    "single": "at once",
    "day": "in 24 hours",
    "week": "in 7 days",
    "month": "in 30 days",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a rule is about. None means all: every level, every asset, every customer."""

    product: Product
    period: Period
    measure: Measure
    level: Level | None = None
    asset: str | None = None
    user_id: UUID | None = None

    @property
    def nearness(self) -> int:
        """A customer's own rule goes before a level's, and that before everybody's."""
        return 2 if self.user_id is not None else 1 if self.level is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of one version. Without a maximum it withdraws what was said before about the same scope.

    The maximum is in USD for `worth`, in the asset for `amount`, and a number of times for `count`.
    """

    version: int
    scope: Scope
    maximum: Decimal | None
    effective_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord:
    """A rule with who made it: `approval_id` leads to who asked and who granted; none came with the house."""

    rule: Rule
    created_at: datetime
    reason: str
    approval_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a customer used of a product (and asset) since a moment: what failed or was canceled does not count.

    `oldest` is the first of it, from which follows when room comes free.
    """

    worth: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    count: int = 0
    oldest: datetime | None = None


UsageSince = Callable[[datetime, str | None], Awaitable[Usage]]
"""What was used since a moment: of one asset, or of all when there is none. The caller's own query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A rule as it stands for one customer now."""

    rule: Rule
    used: Decimal
    left: Decimal
    frees_at: datetime | None


@dataclass(frozen=True, slots=True)
class Passed:
    """The answer yes. Keep `version` with the decision: it names the newest rule that was looked at (0: none)."""

    version: int
    allowances: tuple[Allowance, ...]


class LimitExceeded(Forbidden):
    """More than the rules allow."""

    code = "limit_exceeded"
    title = "Above your limit"

    def __init__(self, allowance: Allowance, *, asked: Decimal, field: str) -> None:
        scope, maximum = allowance.rule.scope, allowance.rule.maximum or Decimal(0)
        unit = {"worth": REFERENCE_CURRENCY, "amount": scope.asset or "", "count": "times"}[scope.measure]
        what = NAMES[scope.product]
        if maximum == 0:
            message = f"{what} are not open to your account yet. Verify your identity to use them."
        else:
            message = f"{what}: at most {plain(maximum)} {unit} {_WORDS[scope.period]}; {plain(allowance.left)} is left"
            message += f" until {_moment(allowance.frees_at)}." if allowance.frees_at else "."
        details = {
            "product": scope.product,
            "period": scope.period,
            "measure": scope.measure,
            "unit": unit,
            "limit": plain(maximum),
            "used": plain(allowance.used),
            "left": plain(allowance.left),
            "asked": plain(asked),
            "rule_version": str(allowance.rule.version),
            "level": scope.level or "any",
        }
        if allowance.frees_at is not None:
            details["frees_at"] = allowance.frees_at.isoformat()
        super().__init__(message + " Nothing was done.", field=field, details=details)


def choose(rules: Iterable[Rule]) -> list[Rule]:
    """The rules that count, of those that fit: the newest of each scope, and of these the nearest to the customer.

    Rules for one asset and rules for all assets stand side by side: both must be kept.
    """
    newest: dict[Scope, Rule] = {}
    for rule in sorted(rules, key=lambda one: (one.effective_from, one.version)):
        newest[rule.scope] = rule
    nearest: dict[tuple[Period, Measure, str | None], Rule] = {}
    for rule in newest.values():
        key = (rule.scope.period, rule.scope.measure, rule.scope.asset)
        known = nearest.get(key)
        if rule.maximum is not None and (known is None or known.scope.nearness < rule.scope.nearness):
            nearest[key] = rule
    return sorted(nearest.values(), key=lambda rule: (PERIODS.index(rule.scope.period), rule.version))


def stand(rule: Rule, usage: Usage) -> Allowance:
    """What is left of a rule. `usage` is that of its period and asset."""
    measured = {"worth": usage.worth, "amount": usage.amount, "count": Decimal(usage.count)}[rule.scope.measure]
    window = WINDOWS.get(rule.scope.period)
    used = measured if window is not None else Decimal(0)
    return Allowance(
        rule=rule,
        used=used,
        left=max(Decimal(0), (rule.maximum or Decimal(0)) - used),
        frees_at=usage.oldest + window if window is not None and usage.oldest is not None and used > 0 else None,
    )


def decide(allowances: Sequence[Allowance], *, amount: Decimal, worth: Decimal, field: str) -> Passed:
    """Yes, or LimitExceeded for the first rule that is broken; a single amount is looked at before periods."""
    for allowance in allowances:
        asked = {"worth": worth, "amount": amount, "count": Decimal(1)}[allowance.rule.scope.measure]
        if asked > allowance.left:
            raise LimitExceeded(allowance, asked=asked, field=field)
    return Passed(max((each.rule.version for each in allowances), default=0), tuple(allowances))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
