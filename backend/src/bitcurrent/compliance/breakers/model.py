"""Rules of the circuit breaker and what they say of a tape of prices: pure values and decisions."""

import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Final, Literal
from uuid import UUID

from bitcurrent.compliance.products import Product
from bitcurrent.kernel.money import ROUGH, plain

Kind = Literal["jump", "stale"]
Resume = Literal["calm", "operator"]

SAMPLES_MIN: Final = 5
"""With fewer prices in its window nobody can say what was usual."""

SAMPLES_MAX: Final = 8_000
SAMPLE_EVERY: Final = timedelta(seconds=0.5)
CAUSES: Final[dict[Kind, str]] = {"jump": "breaker:jump", "stale": "breaker:stale"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of one rule. Without an asset it is for all that have none of their own; without `stops` for none.

    A jump is a price further than `percent` from the median of the last `within_seconds`; stale is a price that nobody
    has confirmed for longer than that. After `calm_seconds` without either the asset goes on by itself, or waits for
    operators.
    """

    version: int
    kind: Kind
    asset: str | None
    stops: Product | None
    percent: Decimal | None
    within_seconds: int
    calm_seconds: int
    resume: Resume

    @property
    def within(self) -> timedelta:
        """How far it looks back."""
        return timedelta(seconds=self.within_seconds)

    @property
    def calm(self) -> timedelta:
        """How long nothing may happen before it goes on."""
        return timedelta(seconds=self.calm_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord:
    """A rule with who made it: `approval_id` leads to who asked and who granted; none came with the house.

    `newest` of its kind and asset is the one that counts.
    """

    rule: Rule
    newest: bool
    created_at: datetime
    reason: str
    approval_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """What was seen: the price, what was usual, and how far apart they are."""

    price: Decimal
    usual: Decimal
    percent: Decimal


def choose(rules: Iterable[Rule], *, kind: Kind, asset: str | None) -> Rule | None:
    """The rule in force: the newest for the asset itself, else the newest for all; None when it stops nothing."""
    found: Rule | None = None
    for rule in sorted(rules, key=lambda one: (one.asset is not None, one.version)):
        if rule.kind == kind and rule.asset in (None, asset):
            found = rule
    return found if found is not None and found.stops is not None else None


class Tape:
    """The last prices of one asset, two a second at most; and the newest."""

    def __init__(self) -> None:
        self._samples: deque[tuple[datetime, Decimal]] = deque(maxlen=SAMPLES_MAX)
        self._newest: Decimal | None = None
        self.confirmed_at: datetime | None = None
        self.restless_at: datetime | None = None
        self.stale_at: datetime | None = None

    def hear(self, at: datetime, price: Decimal) -> None:
        """A price as the venue confirmed it at that moment; older news than the newest says nothing."""
        if self.confirmed_at is not None and at < self.confirmed_at:
            return
        if self._newest is not None and self.confirmed_at is not None and self._is_due(self.confirmed_at):
            self._samples.append((self.confirmed_at, self._newest))
        self.confirmed_at, self._newest = at, price

    def _is_due(self, at: datetime) -> bool:
        return not self._samples or at - self._samples[-1][0] >= SAMPLE_EVERY

    def forget(self) -> None:
        """Begin anew: what was usual is what comes from now on."""
        self._samples.clear()
        self._newest = self.restless_at = self.stale_at = None

    def jump(self, rule: Rule) -> Jump | None:
        """Whether the newest price is a jump by this rule; remembers unrest (half a jump) for `has_calmed`."""
        moment, price = self.confirmed_at, self._newest
        if moment is None or price is None or rule.percent is None:
            return None
        since = moment - rule.within
        before = [known for _, known in takewhile(lambda sample: sample[0] >= since, reversed(self._samples))]
        if len(before) < SAMPLES_MIN:
            return None
        usual = statistics.median_low(before)
        percent = abs(ROUGH.divide(ROUGH.multiply(ROUGH.subtract(price, usual), Decimal(100)), usual))
        if percent * 2 > rule.percent:
            self.restless_at = moment
        return Jump(price=price, usual=usual, percent=percent) if percent > rule.percent else None

    def is_stale(self, rule: Rule, moment: datetime) -> bool:
        """Whether the price is too old now; remembers it for `has_freshened`. A price that never came is not judged."""
        stale = self.confirmed_at is not None and moment - self.confirmed_at > rule.within
        if stale:
            self.stale_at = moment
        return stale

    def has_calmed(self, rule: Rule, moment: datetime, *, since: datetime) -> bool:
        """Whether nothing jumped for long enough since then, and prices flow."""
        quiet = moment - max(since, self.restless_at or since) >= rule.calm
        return quiet and self.confirmed_at is not None and moment - self.confirmed_at <= rule.within

    def has_freshened(self, rule: Rule, moment: datetime, *, since: datetime) -> bool:
        """Whether prices have been fresh for long enough since then."""
        return moment - max(since, self.stale_at or since) >= rule.calm


def replay(rule: Rule, prices: Iterable[tuple[datetime, Decimal]]) -> list[tuple[datetime, Jump]]:
    """When a rule of jumps would have stopped an asset with this history, oldest first; each time it begins anew."""
    tape, found = Tape(), []
    for at, price in prices:
        tape.hear(at, price)
        seen = tape.jump(rule)
        if seen is not None:
            found.append((at, seen))
            tape.forget()
    return found


def words_of(rule: Rule, asset: str | None) -> str:
    """What customers read while it stands."""
    what = "Trading" if rule.stops == "trading" else "Market orders"
    of = f" in {asset}" if asset else ""
    are = "is" if rule.stops == "trading" else "are"
    if rule.kind == "jump":
        cause = (
            f"the price moved by more than {plain(rule.percent or Decimal(0))}% within {rule.within_seconds} seconds"
        )
        end = " once it has calmed down"
    else:
        cause = "we get no fresh prices"
        end = " once prices come again"
    then = f"It goes on by itself{end}." if rule.resume == "calm" else "We are looking into it."
    return f"{what}{of} {are} stopped for now: {cause}. {then} Open orders can be canceled."


def reason_of(rule: Rule, jump: Jump | None) -> str:
    """What operators and the audit log read: the rule's version and what was seen."""
    if jump is None:
        return f"Rule {rule.version}: no price confirmed for more than {rule.within_seconds} s"
    far = plain(jump.percent.quantize(Decimal("0.01"), context=ROUGH))
    allowed = plain(rule.percent or Decimal(0))
    return (
        f"Rule {rule.version}: {plain(jump.price)} is {far}% from {plain(jump.usual)}, the median of"
        f" {rule.within_seconds} s; {allowed}% is allowed"
    )
