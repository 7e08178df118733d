"""Stripe's objects in funding's words: pure, from the answers of its API and from the objects inside its events."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.ports import BalanceLine, Card, Checkout, Payment, ProcessorDispute, ProcessorRefund, Subject
from bitcurrent.kernel.money import EXACT

Object = Mapping[str, Any]

OUR_REFUND = "refund_id"
"""The field of a refund's metadata that holds our id."""
WHOLE = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)
THOUSANDTHS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
"""docs.stripe.com/currencies: Stripe counts all other currencies in hundredths."""
MINOR_MAX = 99_999_999
"""The greatest amount that Stripe takes in one payment: eight digits."""


class NotAnAmount(ValueError):
    """An amount that Stripe's smallest unit cannot hold, or beyond what it takes in one payment."""


def decimals(currency: str) -> int:
    """Decimals in which Stripe counts this currency."""
    return 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2


def to_minor(amount: Decimal, currency: str) -> int:
    """The amount in the smallest unit (12.34 USD is 1234). Raises NotAnAmount; nothing is ever rounded."""
    scaled = EXACT.scaleb(amount, decimals(currency)) if amount.is_finite() else amount
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or not 0 < scaled <= MINOR_MAX:
        raise NotAnAmount(f"{amount} {currency} is no amount of a payment")
    return int(scaled)


def from_minor(minor: int, currency: str) -> Decimal:
    """The amount of so many smallest units, with the currency's decimals."""
    return Decimal(minor).scaleb(-decimals(currency.upper()), EXACT)


def moment(seconds: int) -> datetime:
    """UTC of Stripe's seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def checkout(session: Object) -> Checkout:
    """A Checkout Session."""
    currency = str(session["currency"] or "").upper()
    return Checkout(
        id=session["id"],
        url=session.get("url"),
        status=session["status"],
        payment_status=session["payment_status"],
        amount=from_minor(session["amount_total"] or 0, currency),
        currency=currency,
        payment_intent=key(session.get("payment_intent")),
        reference=session.get("client_reference_id"),
        expires_at=moment(session["expires_at"]),
        raw=session,
    )


def payment(intent: Object) -> Payment:
    """A PaymentIntent; its card is known when `latest_charge` was expanded."""
    currency = str(intent["currency"]).upper()
    charge = intent.get("latest_charge")
    error = intent.get("last_payment_error") or {}
    return Payment(
        id=intent["id"],
        status=intent["status"],
        amount_received=from_minor(intent["amount_received"], currency),
        currency=currency,
        charge_id=key(charge),
        card=card(charge) if isinstance(charge, Mapping) else None,
        failure_code=error.get("decline_code") or error.get("code"),
        created_at=moment(intent["created"]),
    )


def charged(charge: Object) -> Payment:
    """The payment that a Charge belongs to, as far as the charge tells."""
    currency = str(charge["currency"]).upper()
    return Payment(
        id=key(charge.get("payment_intent")) or charge["id"],
        status=charge["status"],
        amount_received=from_minor(charge["amount_captured"], currency),
        currency=currency,
        charge_id=charge["id"],
        card=card(charge),
        failure_code=charge.get("failure_code"),
        created_at=moment(charge["created"]),
    )


def card(charge: Object) -> Card | None:
    """The card that a Charge was made with; None for a bank's debit and the like."""
    details = (charge.get("payment_method_details") or {}).get("card")
    if details is None:
        return None
    return Card(
        fingerprint=details.get("fingerprint"),
        brand=details.get("brand"),
        last4=details.get("last4"),
        country=details.get("country"),
        authenticated=(details.get("three_d_secure") or {}).get("result") == "authenticated",
        risk_level=(charge.get("outcome") or {}).get("risk_level"),
    )


def refund(found: Object) -> ProcessorRefund:
    """A Refund. One made in Stripe's dashboard carries no id of ours."""
    currency = str(found["currency"]).upper()
    return ProcessorRefund(
        id=found["id"],
        status=found["status"],
        amount=from_minor(found["amount"], currency),
        currency=currency,
        payment_intent=key(found.get("payment_intent")) or "",
        our_id=_uuid((found.get("metadata") or {}).get(OUR_REFUND)),
        failure_reason=found.get("failure_reason"),
        taken=found["status"] == "succeeded" or found.get("balance_transaction") is not None,
    )


def dispute(found: Object) -> ProcessorDispute:
    """A Dispute; what it moved is the sum of its balance transactions, whose fees stand apart."""
    currency = str(found["currency"]).upper()
    lines = found.get("balance_transactions") or []
    due = (found.get("evidence_details") or {}).get("due_by")
    return ProcessorDispute(
        id=found["id"],
        status=found["status"],
        reason=found["reason"],
        amount=from_minor(found["amount"], currency),
        currency=currency,
        payment_intent=key(found.get("payment_intent")) or "",
        charge_id=key(found.get("charge")),
        withdrawn=from_minor(-sum(line["amount"] for line in lines if line["amount"] < 0), currency),
        reinstated=from_minor(sum(line["amount"] for line in lines if line["amount"] > 0), currency),
        fee=from_minor(sum(line["fee"] for line in lines), currency),
        respond_by=moment(due) if due else None,
    )


def balance_line(line: Object) -> BalanceLine:
    """A balance transaction."""
    currency = str(line["currency"]).upper()
    source = line.get("source")
    return BalanceLine(
        id=line["id"],
        kind=line["type"],
        amount=from_minor(line["amount"], currency),
        fee=from_minor(line["fee"], currency),
        net=from_minor(line["net"], currency),
        currency=currency,
        source=key(source),
        created_at=moment(line["created"]),
        available_at=moment(line["available_on"]),
        payment_intent=key(source.get("payment_intent")) if isinstance(source, Mapping) else None,
    )


def balances(found: Object) -> dict[str, Decimal]:
    """What lies there by currency: what may be paid out and what is still on its way to that, together."""
    sums: dict[str, Decimal] = {}
    for part in (*found["available"], *found["pending"]):
        currency = str(part["currency"]).upper()
        sums[currency] = EXACT.add(sums.get(currency, Decimal(0)), from_minor(part["amount"], currency))
    return sums


def subject(found: Object) -> Subject | None:
    """What an event's object is, in our words; None for kinds that nothing here needs."""
    match found.get("object"):
        case "checkout.session":
            return checkout(found)
        case "payment_intent":
            return payment(found)
        case "charge":
            return charged(found)
        case "refund":
            return refund(found)
        case "dispute":
            return dispute(found)
        case _:
            return None


def key(value: Any) -> str | None:
    """The id in a field that holds an id, or, expanded, the object."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else None


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value)) if value else None
    except ValueError:
        return None
