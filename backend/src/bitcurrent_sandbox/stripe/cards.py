"""The test cards, as Stripe documents them (docs.stripe.com/testing), and what is asked of a card's details."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

Aftermath = Literal["", "fraudulent", "product_not_received", "inquiry", "early_fraud_warning"]
RefundFate = Literal["", "succeeds_later", "fails_later"]
Authentication = Literal["", "required"]

_YEARS_AHEAD: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCard:
    """What one number does. `decline` is (code, decline_code, words); it strikes after authentication."""

    number: str
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"
    decline: tuple[str, str, str] | None = None
    risk: str = "normal"
    blocked: bool = False
    authentication: Authentication = ""
    aftermath: Aftermath = ""
    refunds: RefundFate = ""
    at_once: bool = False
    """Its money is available immediately."""
    shown: str = ""
    """What the page says of it; without words it is not listed there."""

    @property
    def last4(self) -> str:
        """The last four digits."""
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """The same for the same number, and says nothing of it."""
        return hashlib.sha256(f"sandbox card {self.number}".encode()).hexdigest()[:16]


def _declined(
    decline: str, words: str = "Your card was declined.", code: str = "card_declined"
) -> tuple[str, str, str]:
    return (code, decline, words)


_GENERIC = _declined("generic_decline")
_POOR = _declined("insufficient_funds", "Your card has insufficient funds.")
CARDS: Final = (
    TestCard(number="4242424242424242", shown="Succeeds"),
    TestCard(number="4000002500003155", shown="Asks for 3-D Secure", authentication="required"),
    TestCard(number="4000000000000002", shown="Is declined", decline=_GENERIC),
    TestCard(number="4000000000009995", shown="Has insufficient funds", decline=_POOR),
    TestCard(number="4000000000000259", shown="Succeeds, disputed as fraud later", aftermath="fraudulent"),
    TestCard(number="4000008260000000", shown="Succeeds, from the United Kingdom", country="GB"),
    TestCard(number="4000000000000077", shown="Succeeds, available at once", at_once=True),
    TestCard(number="4000000000003220", shown="Asks for 3-D Secure 2", authentication="required"),
    TestCard(number="4000002760003184", authentication="required", country="DE"),
    TestCard(number="4000008400001629", authentication="required", decline=_GENERIC),
    TestCard(number="4000008260003178", authentication="required", decline=_POOR, country="GB"),
    TestCard(number="4000000000003055"),
    TestCard(number="4000056655665556", funding="debit"),
    TestCard(number="5555555555554444", brand="mastercard", shown="Succeeds, Mastercard"),
    TestCard(number="5200828282828210", brand="mastercard", funding="debit"),
    TestCard(number="5105105105105100", brand="mastercard", funding="prepaid"),
    TestCard(number="378282246310005", brand="amex"),
    TestCard(number="6011111111111117", brand="discover"),
    TestCard(number="4000000360000006", country="AU"),
    TestCard(number="4000000760000002", country="BR"),
    TestCard(number="4000001240000000", country="CA"),
    TestCard(number="4000002500000003", country="FR"),
    TestCard(number="4000002760000016", country="DE", shown="Succeeds, from Germany"),
    TestCard(number="4000003720000005", country="IE"),
    TestCard(number="4000003800000008", country="IT"),
    TestCard(number="4000003920000003", country="JP"),
    TestCard(number="4000005280000002", country="NL"),
    TestCard(number="4000007240000007", country="ES"),
    TestCard(number="4000007560000009", country="CH"),
    TestCard(number="4000000000009987", decline=_declined("lost_card")),
    TestCard(number="4000000000009979", decline=_declined("stolen_card")),
    TestCard(
        number="4000000000000069", decline=_declined("expired_card", "Your card has expired.", code="expired_card")
    ),
    TestCard(
        number="4000000000000127",
        decline=_declined("incorrect_cvc", "Your card's security code is incorrect.", code="incorrect_cvc"),
    ),
    TestCard(
        number="4000000000000119",
        decline=_declined(
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
            code="processing_error",
        ),
    ),
    TestCard(number="4000000000006975", decline=_declined("card_velocity_exceeded")),
    TestCard(number="4100000000000019", decline=_declined("fraudulent"), risk="highest", blocked=True),
    TestCard(number="4000000000004954", risk="highest"),
    TestCard(number="4000000000009235", risk="elevated", shown="Succeeds, of elevated risk"),
    TestCard(number="4000000000002685", aftermath="product_not_received"),
    TestCard(number="4000000000001976", aftermath="inquiry"),
    TestCard(number="4000000000005423", aftermath="early_fraud_warning"),
    TestCard(number="4000000000007726", refunds="succeeds_later"),
    TestCard(number="4000000000005126", refunds="fails_later", shown="Succeeds; its refunds fail later"),
)
_BY_NUMBER: Final = {card.number: card for card in CARDS}


@dataclass(frozen=True, slots=True)
class Refused:
    """What is wrong with a card's details: the field of the form, the code, the words."""

    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Entered:
    """A card as it was entered on the page; `number` is digits only."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str


def read_card(*, number: str, expiry: str, cvc: str, now: datetime | None = None) -> Entered | Refused:
    """Check what was typed: the check digit, the date, the length of the security code."""
    digits = re.sub(r"[ -]", "", number)
    if not re.fullmatch(r"[0-9]{12,19}", digits):
        return Refused("number", "incomplete_number", "Your card number is incomplete.")
    if not luhn(digits):
        return Refused("number", "incorrect_number", "Your card number is incorrect.")
    date = re.fullmatch(r"\s*([0-9]{1,2})\s*/?\s*(?:20)?([0-9]{2})\s*", expiry)
    if date is None or not 1 <= int(date[1]) <= 12:
        return Refused("expiry", "invalid_expiry_month", "Your card's expiration date is incomplete: write MM / YY.")
    today = now or datetime.now(UTC)
    month, year = int(date[1]), 2000 + int(date[2])
    if (year, month) < (today.year, today.month):
        return Refused("expiry", "invalid_expiry_year", "Your card's expiration date is in the past.")
    if year > today.year + _YEARS_AHEAD:
        return Refused("expiry", "invalid_expiry_year", "Your card's expiration year is invalid.")
    length = 4 if digits.startswith(("34", "37")) else 3
    if not re.fullmatch(f"[0-9]{{{length}}}", cvc.strip()):
        return Refused("cvc", "invalid_cvc", f"Your card's security code has {length} digits.")
    return Entered(digits, month, year, cvc.strip())


def card_of(number: str) -> TestCard | None:
    """The test card with this number; None for real cards and others, which the sandbox must not take."""
    return _BY_NUMBER.get(number)


def luhn(digits: str) -> bool:
    """Whether the check digit fits."""
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
