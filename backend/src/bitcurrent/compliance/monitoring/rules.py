"""The rules themselves: pure functions over a window. Each counts, and speaks only when its threshold is reached."""

import itertools
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from bitcurrent.compliance.monitoring.model import Fact, FactKind, Hit, Window
from bitcurrent.compliance.monitoring.parameters import (
    CardCountry,
    DormantLarge,
    ManyCards,
    NewAddressDrain,
    Parameters,
    PassThrough,
    SharedMarks,
    Structuring,
    Velocity,
    Wash,
)
from bitcurrent.kernel.money import EXACT, ROUGH, plain

IN: Final[tuple[FactKind, ...]] = ("deposit",)
OUT: Final[tuple[FactKind, ...]] = ("withdrawal", "refund")
IN_AND_OUT: Final = IN + OUT
CENT: Final = Decimal(1).scaleb(-2)
HUNDRED: Final = Decimal(100)
SCORE_MAX: Final = 100


def judge(parameters: Parameters, window: Window) -> Hit | None:
    """What the rule with these parameters says of the window's transaction; None when nothing."""
    match parameters:
        case Structuring():
            return _structuring(parameters, window)
        case Velocity():
            return _velocity(parameters, window)
        case PassThrough():
            return _pass_through(parameters, window)
        case DormantLarge():
            return _dormant_large(parameters, window)
        case ManyCards():
            return _many_cards(parameters, window)
        case SharedMarks():
            return _shared_marks(parameters, window)
        case NewAddressDrain():
            return _new_address_drain(parameters, window)
        case Wash():
            return _wash(parameters, window)
        case CardCountry():
            return _card_country(parameters, window)


def _structuring(rule: Structuring, window: Window) -> Hit | None:
    lowest = ROUGH.divide(EXACT.multiply(rule.limit, HUNDRED - rule.margin_percent), HUNDRED)
    fact = window.fact
    if fact.kind not in IN_AND_OUT or not _just_under(fact, lowest, rule.limit):
        return None
    kinds = IN if fact.kind in IN else OUT
    near = [each for each in _recent(window, rule.window, kinds) if _just_under(each, lowest, rule.limit)]
    if len(near) < rule.count:
        return None
    return Hit(
        score=_score(60, len(near), rule.count),
        parts={"count": str(len(near)), "worth": _money(_sum(near)), "limit": plain(rule.limit)},
        words=f"{len(near)} amounts just under {plain(rule.limit)} USD within {rule.hours} hours,"
        f" {_money(_sum(near))} USD together.",
    )


def _just_under(fact: Fact, lowest: Decimal, limit: Decimal) -> bool:
    return fact.worth is not None and lowest <= fact.worth < limit


def _velocity(rule: Velocity, window: Window) -> Hit | None:
    if window.fact.kind not in IN_AND_OUT:
        return None
    found = _recent(window, rule.window, IN_AND_OUT)
    worth = _sum(found)
    if len(found) < rule.count and worth < rule.worth:
        return None
    by_count = _score(50, len(found), rule.count) if len(found) >= rule.count else 0
    by_worth = _score(50, int(worth), max(int(rule.worth), 1)) if worth >= rule.worth else 0
    return Hit(
        score=max(by_count, by_worth),
        parts={"count": str(len(found)), "worth": _money(worth)},
        words=f"{len(found)} deposits and withdrawals within {rule.hours} hours, {_money(worth)} USD together.",
    )


def _pass_through(rule: PassThrough, window: Window) -> Hit | None:
    if window.fact.kind not in OUT:
        return None
    came = _sum(_recent(window, rule.window, IN))
    went = _sum(_recent(window, rule.window, OUT))
    traded = _sum(_recent(window, rule.window, ("fill",)))
    if came < rule.minimum or _percent(went, came) < rule.out_percent or _percent(traded, came) >= rule.traded_percent:
        return None
    return Hit(
        score=min(SCORE_MAX, 70 + int(_percent(went, came) - rule.out_percent)),
        parts={"deposited": _money(came), "withdrawn": _money(went), "traded": _money(traded)},
        words=f"{_money(came)} USD came and {_money(went)} USD went out again within {rule.hours} hours;"
        f" {_money(traded)} USD were traded.",
    )


def _dormant_large(rule: DormantLarge, window: Window) -> Hit | None:
    fact = window.fact
    if fact.kind not in IN_AND_OUT or fact.worth is None or fact.worth < rule.minimum or not window.earlier:
        return None
    quiet = fact.at - window.earlier[-1].at
    if quiet < rule.window:
        return None
    return Hit(
        score=_score(60, int(fact.worth), max(int(rule.minimum), 1)),
        parts={"quiet_days": str(quiet.days), "worth": _money(fact.worth)},
        words=f"A {fact.kind} of {_money(fact.worth)} USD after {quiet.days} days without any transaction.",
    )


def _many_cards(rule: ManyCards, window: Window) -> Hit | None:
    if window.fact.kind != "card":
        return None
    cards = {card for each in _recent(window, rule.window, ("card",)) if (card := each.text("card"))}
    if len(cards) < rule.cards:
        return None
    return Hit(
        score=_score(60, len(cards), rule.cards),
        parts={"cards": str(len(cards))},
        words=f"{len(cards)} different cards within {rule.days} days.",
    )


def _shared_marks(rule: SharedMarks, window: Window) -> Hit | None:
    fact, since = window.fact, window.fact.at - rule.window
    most, what = 0, ""
    for mark in fact.marks:
        if mark.kind not in rule.kinds:
            continue
        others = {each.user_id for each in window.shared.get(mark, ()) if each.at >= since} - {fact.user_id}
        if len(others) + 1 > most:
            most, what = len(others) + 1, mark.kind
    if most < rule.customers:
        return None
    return Hit(
        score=_score(55 if what == "access" else 75, most, rule.customers),
        parts={"customers": str(most), "shared": what},
        words=f"{most} customers share one {_SHARED[what]} within {rule.days} days.",
    )


_SHARED: Final = {"card": "card", "destination": "destination of withdrawals", "access": "device and address"}


def _new_address_drain(rule: NewAddressDrain, window: Window) -> Hit | None:
    fact = window.fact
    saved, everything = fact.text("destination_age_hours"), fact.amount("everything")
    if fact.kind != "withdrawal" or fact.worth is None or saved is None or not everything:
        return None
    share = _percent(fact.worth, everything)
    if int(saved) >= rule.hours or fact.worth < rule.minimum or share < rule.share_percent:
        return None
    return Hit(
        score=min(SCORE_MAX, 70 + int(share - rule.share_percent)),
        parts={"share_percent": str(int(share)), "worth": _money(fact.worth), "destination_age_hours": saved},
        words=f"{int(share)}% of everything ({_money(fact.worth)} USD) to a destination that is {saved} hours old.",
    )


def _wash(rule: Wash, window: Window) -> Hit | None:
    market = window.fact.text("market")
    if window.fact.kind != "fill" or market is None:
        return None
    fills = [each for each in _recent(window, rule.window, ("fill",)) if each.text("market") == market]
    bought = _quantity(fills, "buy")
    sold = _quantity(fills, "sell")
    if not bought or not sold:
        return None
    flips = sum(1 for one, other in itertools.pairwise(fills) if one.text("side") != other.text("side"))
    matched, worth = _percent(min(bought, sold), max(bought, sold)), _sum(fills)
    if flips < rule.flips or matched < rule.matched_percent or worth < rule.minimum:
        return None
    return Hit(
        score=_score(50, flips, rule.flips),
        parts={"market": market, "flips": str(flips), "matched_percent": str(int(matched)), "worth": _money(worth)},
        words=f"{flips} changes between buying and selling {market} within {rule.hours} hours, {_money(worth)} USD;"
        f" {int(matched)}% of it was bought and sold again.",
    )


def _quantity(fills: Iterable[Fact], side: str) -> Decimal:
    total = Decimal(0)
    for each in fills:
        if each.text("side") == side:
            total = EXACT.add(total, each.amount("quantity") or Decimal(0))
    return total


def _card_country(rule: CardCountry, window: Window) -> Hit | None:
    fact = window.fact
    card, home = fact.text("country"), fact.text("residence")
    if fact.kind != "card" or not card or not home or card == home or card in rule.allowed:
        return None
    if fact.worth is None or fact.worth < rule.minimum:
        return None
    return Hit(
        score=_score(40, int(fact.worth), max(int(rule.minimum), 1)),
        parts={"card": card, "worth": _money(fact.worth)},
        words=f"A card of {card} paid {_money(fact.worth)} USD for a customer who lives in another country.",
    )


def _recent(window: Window, span: timedelta, kinds: Iterable[FactKind]) -> list[Fact]:
    """The customer's transactions of these kinds up to `span` before this one, and this one if it is of them."""
    since, wanted = window.fact.at - span, frozenset(kinds)
    found = [each for each in window.earlier if each.kind in wanted and since <= each.at <= window.fact.at]
    return [*found, window.fact] if window.fact.kind in wanted else found


def _sum(facts: Iterable[Fact]) -> Decimal:
    total = Decimal(0)
    for each in facts:
        total = EXACT.add(total, each.worth or Decimal(0))
    return total


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return ROUGH.divide(EXACT.multiply(part, HUNDRED), whole) if whole else Decimal(0)


def _score(least: int, found: int, threshold: int) -> int:
    """From `least` at the threshold up to 100 at twice as much."""
    more = (SCORE_MAX - least) * (found - threshold) // threshold
    return min(SCORE_MAX, least + max(more, 0))


def _money(amount: Decimal) -> str:
    return plain(ROUGH.quantize(amount, CENT))
