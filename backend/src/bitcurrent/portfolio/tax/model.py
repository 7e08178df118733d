"""Matching disposals with what was acquired: the United Kingdom's three rules, and first in, first out. Pure.

Source of the United Kingdom's rules: HMRC's Cryptoassets Manual, CRYPTO22200 to CRYPTO22257 (TCGA 1992 s104, s105,
s106A). All acquisitions of one day are one, and so are all disposals. A disposal is matched with acquisitions of the
same day, then with those of the next 30 days (the earliest first), then with the pool.

Shares of a cost are cut to the ledger's 18 decimals; the last share of anything takes the rest, so nothing is lost.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from bitcurrent.kernel.errors import Conflict
from bitcurrent.kernel.money import EXACT, LEDGER_PLACES, divide_down

Rule = Literal["same_day", "thirty_days", "pool", "lot", "unknown"]
Method = Literal["uk", "fifo"]
METHODS: tuple[Method, ...] = ("uk", "fifo")

LONDON = ZoneInfo("Europe/London")
AFTERWARDS = timedelta(days=30)
"""How long after a disposal an acquisition is still matched with it, before the pool."""

_STEP = Decimal(1).scaleb(-LEDGER_PLACES)
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealing:
    """One acquisition or disposal. `worth` is in the report's currency: what was given for it, or received before fees.

    `fee` is an allowable cost of a disposal; what an acquisition cost includes its fee already. `at` orders dealings
    of one day for first in, first out.
    """

    at: datetime
    day: date
    asset: str
    acquired: bool
    quantity: Decimal
    worth: Decimal
    fee: Decimal = _ZERO
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A disposal, or a part of one, with the rule that found what it had cost.

    `rule` is "unknown" for what was disposed of without having been acquired here: its cost is zero until the
    customer says otherwise.
    """

    asset: str
    disposed_on: date
    rule: Rule
    acquired_on: date | None
    quantity: Decimal
    proceeds: Decimal
    cost: Decimal
    fee: Decimal

    @property
    def gain(self) -> Decimal:
        """Proceeds less the allowable costs; negative is a loss."""
        return EXACT.subtract(EXACT.subtract(self.proceeds, self.cost), self.fee)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is left of an asset after the last dealing, and what it cost."""

    asset: str
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Every disposal matched, oldest first, and what is left."""

    matches: tuple[Match, ...]
    holdings: tuple[Holding, ...]


@dataclass(slots=True, kw_only=True)
class _Lot:
    """What remains of something, shrinking as it is used. Never shared outside this module."""

    at: datetime | None
    day: date
    quantity: Decimal
    worth: Decimal
    fee: Decimal = _ZERO

    def take(self, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """The worth and fee of so much of it; the last takes all that is left."""
        if quantity == self.quantity:
            worth, fee = self.worth, self.fee
        else:
            worth = divide_down(EXACT.multiply(self.worth, quantity), self.quantity, _STEP)
            fee = divide_down(EXACT.multiply(self.fee, quantity), self.quantity, _STEP)
        self.quantity = EXACT.subtract(self.quantity, quantity)
        self.worth = EXACT.subtract(self.worth, worth)
        self.fee = EXACT.subtract(self.fee, fee)
        return worth, fee

    def add(self, other: "_Lot") -> None:
        self.quantity = EXACT.add(self.quantity, other.quantity)
        self.worth = EXACT.add(self.worth, other.worth)
        self.fee = EXACT.add(self.fee, other.fee)


def match(dealings: Iterable[Dealing], method: Method, *, holdings_on: date = date.max) -> Result:
    """Match every disposal with what it had cost, asset by asset; the order in which dealings come does not matter.

    Holdings are as they stood when that day ended. Under the United Kingdom's rules that is the pool carried forward:
    what was sold and is matched with a later purchase is still in it, and the purchase never comes in.
    """
    by_asset: dict[str, list[Dealing]] = defaultdict(list)
    for dealing in dealings:
        by_asset[dealing.asset].append(dealing)
    matches: list[Match] = []
    holdings: list[Holding] = []
    for asset in sorted(by_asset):
        found, left = (_pooled if method == "uk" else _first_in)(asset, by_asset[asset], holdings_on)
        matches.extend(found)
        if left.quantity:
            holdings.append(left)
    matches.sort(key=lambda one: one.disposed_on)
    return Result(matches=tuple(matches), holdings=tuple(holdings))


def _pooled(asset: str, dealings: Sequence[Dealing], holdings_on: date) -> tuple[list[Match], Holding]:
    """The United Kingdom's rules for one asset."""
    bought, sold = _by_day(dealings, acquired=True), _by_day(dealings, acquired=False)
    found: list[Match] = []
    for day, disposal in sold.items():
        if day in bought:
            found.extend(_pair(asset, "same_day", disposal, bought[day]))
    for day in sorted(sold):
        for later in sorted(bought):
            if day < later <= day + AFTERWARDS:
                found.extend(_pair(asset, "thirty_days", sold[day], bought[later]))
    pool = _Lot(at=None, day=date.min, quantity=_ZERO, worth=_ZERO)
    left = Holding(asset=asset, quantity=_ZERO, cost=_ZERO)
    for day in sorted({*bought, *sold}):
        # After the first rule a day has bought or sold more, never both.
        if day in bought:
            pool.add(bought[day])
        if day in sold:
            found.extend(_pair(asset, "pool", sold[day], pool))
            found.extend(_rest(asset, sold[day]))
        if day <= holdings_on:
            left = Holding(asset=asset, quantity=pool.quantity, cost=pool.worth)
    found.sort(key=lambda one: (one.disposed_on, one.acquired_on or date.max))
    return found, left


def _first_in(asset: str, dealings: Sequence[Dealing], holdings_on: date) -> tuple[list[Match], Holding]:
    """Each disposal uses the oldest lots that are left. At the same moment, acquisitions come first."""
    lots: deque[_Lot] = deque()
    found: list[Match] = []
    left: Holding | None = None
    for dealing in sorted(dealings, key=lambda one: (one.at, not one.acquired, one.reference)):
        if left is None and dealing.day > holdings_on:
            left = _together(asset, lots)
        lot = _Lot(at=dealing.at, day=dealing.day, quantity=dealing.quantity, worth=dealing.worth, fee=dealing.fee)
        if dealing.acquired:
            lots.append(lot)
        while lots and lot.quantity and not dealing.acquired:
            found.extend(_pair(asset, "lot", lot, lots[0]))
            if not lots[0].quantity:
                lots.popleft()
        if not dealing.acquired:
            found.extend(_rest(asset, lot))
    return found, left or _together(asset, lots)


def _together(asset: str, lots: Iterable[_Lot]) -> Holding:
    held = list(lots)
    return Holding(asset=asset, quantity=_sum(lot.quantity for lot in held), cost=_sum(lot.worth for lot in held))


def _by_day(dealings: Sequence[Dealing], *, acquired: bool) -> dict[date, _Lot]:
    days: dict[date, _Lot] = {}
    for dealing in dealings:
        if dealing.acquired != acquired:
            continue
        lot = _Lot(at=None, day=dealing.day, quantity=dealing.quantity, worth=dealing.worth, fee=dealing.fee)
        if dealing.day in days:
            days[dealing.day].add(lot)
        else:
            days[dealing.day] = lot
    return days


def _pair(asset: str, rule: Rule, disposal: _Lot, source: _Lot) -> list[Match]:
    """Match as much as both have; nothing when one of them is used up."""
    quantity = min(disposal.quantity, source.quantity)
    if not quantity:
        return []
    proceeds, fee = disposal.take(quantity)
    cost, _ = source.take(quantity)
    return [
        Match(
            asset=asset,
            disposed_on=disposal.day,
            rule=rule,
            acquired_on=None if rule in ("pool", "unknown") else source.day,
            quantity=quantity,
            proceeds=proceeds,
            cost=cost,
            fee=fee,
        )
    ]


def _rest(asset: str, disposal: _Lot) -> list[Match]:
    """What was disposed of and never acquired here."""
    return _pair(asset, "unknown", disposal, _Lot(at=None, day=date.min, quantity=disposal.quantity, worth=_ZERO))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


@dataclass(frozen=True, slots=True)
class TaxYear:
    """A tax year by the calendar year in which it begins."""

    begins_in: int
    method: Method

    @property
    def first(self) -> date:
        """Its first day: 6 April in the United Kingdom, 1 January elsewhere."""
        return date(self.begins_in, 4, 6) if self.method == "uk" else date(self.begins_in, 1, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return TaxYear(self.begins_in + 1, self.method).first - timedelta(days=1)

    @property
    def name(self) -> str:
        """2025-26 in the United Kingdom, 2025 elsewhere."""
        return f"{self.begins_in}-{(self.begins_in + 1) % 100:02}" if self.method == "uk" else str(self.begins_in)

    @property
    def zone(self) -> ZoneInfo:
        """Whose midnight begins a day."""
        return LONDON if self.method == "uk" else ZoneInfo("UTC")

    @property
    def settled_on(self) -> date:
        """From when nothing that happens can change its figures: the 30 days after its last disposal are over."""
        return self.last + timedelta(days=1) + (AFTERWARDS if self.method == "uk" else timedelta())

    def holds(self, day: date) -> bool:
        """Whether a day lies in it."""
        return self.first <= day <= self.last


EXEMPT_AMOUNTS: Mapping[int, Decimal] = {
    2020: Decimal(12_300),
    2021: Decimal(12_300),
    2022: Decimal(12_300),
    2023: Decimal(6_000),
    2024: Decimal(3_000),
    2025: Decimal(3_000),
    2026: Decimal(3_000),
}
"""The annual exempt amount in GBP by the year in which a tax year begins (TCGA 1992 s1K)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxReport:
    """One customer's disposals of one tax year, in one currency. Gains and losses are counted apart, both positive."""

    year: TaxYear
    currency: str
    made_at: datetime
    final: bool
    """Whether the year and its 30 days are over: until then the figures may still change."""
    matches: tuple[Match, ...]
    holdings: tuple[Holding, ...]
    """What was left at the year's end, or is left now."""

    @property
    def disposals(self) -> int:
        """How many there were: all of one asset on one day are one."""
        return len({(one.asset, one.disposed_on) for one in self.matches})

    @property
    def proceeds(self) -> Decimal:
        """What was received, before fees."""
        return _sum(one.proceeds for one in self.matches)

    @property
    def costs(self) -> Decimal:
        """Every allowable cost: what was given for it, and fees."""
        return _sum(EXACT.add(one.cost, one.fee) for one in self.matches)

    @property
    def gains(self) -> Decimal:
        """The disposals that gained, together."""
        return _sum(gain for gain in self._by_disposal() if gain > 0)

    @property
    def losses(self) -> Decimal:
        """The disposals that lost, together; positive."""
        return _sum(gain.copy_negate() for gain in self._by_disposal() if gain < 0)

    @property
    def net(self) -> Decimal:
        """Gains less losses."""
        return EXACT.subtract(self.gains, self.losses)

    @property
    def exempt_amount(self) -> Decimal | None:
        """What the United Kingdom leaves untaxed of a year, where it is known here."""
        return EXEMPT_AMOUNTS.get(self.year.begins_in) if self.year.method == "uk" else None

    @property
    def unknown(self) -> tuple[Match, ...]:
        """Disposals of what was never acquired here: the customer has to say what it cost."""
        return tuple(one for one in self.matches if one.rule == "unknown")

    def _by_disposal(self) -> Iterable[Decimal]:
        sums: dict[tuple[str, date], Decimal] = {}
        for one in self.matches:
            key = (one.asset, one.disposed_on)
            sums[key] = EXACT.add(sums.get(key, _ZERO), one.gain)
        return sums.values()


class RateMissing(Conflict):
    """Nobody wrote down what the report's currency was worth on a day."""

    code = "rate_missing"
    title = "A rate is missing"

    def __init__(self, *, currency: str, day: date) -> None:
        super().__init__(
            f"There is no exchange rate of {currency} for {day.isoformat()} or the days before it, so the report "
            "cannot be made. Ask us to add it.",
            details={"currency": currency, "day": day.isoformat()},
        )


class TooLong(Conflict):
    """More than anybody wants on paper."""

    code = "too_long_for_paper"
    title = "Too long for paper"

    def __init__(self, rows: int) -> None:
        super().__init__(f"The report has {rows} lines: take it as CSV instead.", details={"lines": str(rows)})


def year_of(day: date, method: Method) -> TaxYear:
    """The tax year that a day lies in."""
    year = TaxYear(day.year, method)
    return year if day >= year.first else TaxYear(day.year - 1, method)
