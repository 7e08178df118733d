"""From events to facts: which are monitored, what they say, and by what several customers belong together. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bitcurrent.compliance.monitoring.model import Fact, FactKind, Mark, MarkKind
from bitcurrent.kernel.events import Event
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import ROUGH

KINDS: Final[Mapping[str, FactKind]] = {
    "deposit_credited": "deposit",
    "deposit_card_read": "card",
    "withdrawal_requested": "withdrawal",
    "order.fill": "fill",
    "conversion_done": "conversion",
    "refund_requested": "refund",
}
"""Events that are monitored. A withdrawal counts when it is asked for: later would be too late to hold it."""

KEPT: Final[Mapping[FactKind, tuple[str, ...]]] = {
    "deposit": ("currency", "amount", "fee"),
    "card": ("card", "country"),
    "withdrawal": (
        "asset", "amount", "rail", "destination_mark", "destination_age_hours", "everything",
    ),
    "fill": ("market", "side", "quantity", "price", "cost"),
    "conversion": ("from", "to", "give", "get"),
    "refund": ("currency", "amount", "deposit_id"),
}  # fmt: skip
"""What of an event's payload is kept: ids, codes and figures, and nothing by which somebody could be read."""

WORTH_STEP: Final = Decimal(1).scaleb(-2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of a customer beside the event: where they live, and from where they came last (keyed)."""

    residence: str | None = None
    access: str | None = None


def currency_of(event: Event) -> str | None:
    """The currency in which an event that says no worth has its amount."""
    payload = event.payload
    if "worth" in payload:
        return None
    match KINDS.get(event.kind):
        case "fill":
            _, _, quote = _text(payload, "market").partition("/")
            return quote or None
        case "withdrawal":
            return _text(payload, "asset") or None
        case "deposit" | "refund":
            return _text(payload, "currency") or None
        case "conversion":
            return _text(payload, "from") or None
        case _:
            return None


def fact_of(event: Event, prices: Mapping[str, Decimal], around: Surroundings) -> Fact:
    """One monitored event as rules see it."""
    kind = KINDS[event.kind]
    facts = {name: event.payload[name] for name in KEPT[kind] if event.payload.get(name) is not None}
    if around.residence is not None:
        facts["residence"] = around.residence
    return Fact(
        position=event.position,
        user_id=UserId(event.user_id),
        kind=kind,
        subject=event.subject,
        at=event.created_at,
        worth=_worth(event, kind, prices),
        facts=facts,
        marks=tuple(_marks(kind, facts, around)),
    )


def _worth(event: Event, kind: FactKind, prices: Mapping[str, Decimal]) -> Decimal | None:
    said = _amount(event.payload, "worth")
    if said is not None:
        return said
    price = prices.get(currency_of(event) or "")
    amount = _amount(event.payload, {"fill": "cost", "conversion": "give"}.get(kind, "amount"))
    return None if price is None or amount is None else ROUGH.quantize(ROUGH.multiply(amount, price), WORTH_STEP)


def _marks(kind: FactKind, facts: Mapping[str, Any], around: Surroundings) -> Iterable[Mark]:
    found: list[tuple[MarkKind, str | None]] = []
    if kind == "card":
        found.append(("card", facts.get("card")))
    elif kind == "withdrawal":
        found.append(("destination", facts.get("destination_mark")))
    if kind in {"deposit", "withdrawal"}:
        found.append(("access", around.access))
    return [Mark(name, value) for name, value in found if value]


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def _amount(payload: Mapping[str, Any], name: str) -> Decimal | None:
    text = _text(payload, name)
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and value >= 0 else None
