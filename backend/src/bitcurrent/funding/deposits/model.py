"""A deposit's life as values: what it costs, what a fact of the processor makes of it, when it is released. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from bitcurrent.funding.ports import Card, Checkout
from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import BASIS_POINT, EXACT, is_multiple, multiply, plain, round_up

CHECKOUT_LIFETIME: Final = timedelta(hours=1)
"""How long a page can be paid on. The processor wants at least half an hour; a reopened page keeps its end."""

OPEN_MAX: Final = 5
"""Deposits of one customer that may wait for their payment at a time."""

FIRST_LOOK: Final = timedelta(seconds=20)
LOOKS: Final = (timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
LONGEST_LOOK: Final = timedelta(hours=1)
"""Recent deposits are looked at often, older ones ever more slowly; a webhook is usually first."""

CARD_MAX: Final = Decimal("999999.99")
"""The processor takes no more in one payment: eight digits of the smallest unit."""

GIVEN_UP_AFTER: Final = timedelta(days=30)
"""A payment that is on its way for longer than this is for a person to look at."""


class DepositState(StrEnum):
    """created → pending → paid → (refunded | disputed → won | lost); expired, failed."""

    CREATED = "created"
    PENDING = "pending"
    PAID = "paid"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    WON = "won"
    LOST = "lost"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def is_open(self) -> bool:
        """Whether its payment may still come in the ordinary way."""
        return self in {DepositState.CREATED, DepositState.PENDING}

    @property
    def was_paid(self) -> bool:
        """Whether the money came at some time."""
        return self in _WAS_PAID


_WAS_PAID: Final = frozenset(
    {DepositState.PAID, DepositState.REFUNDED, DepositState.DISPUTED, DepositState.WON, DepositState.LOST}
)
_S = DepositState
WAYS: Final[frozenset[tuple[DepositState, DepositState]]] = frozenset(
    {
        (_S.CREATED, _S.PENDING),
        (_S.CREATED, _S.EXPIRED),
        (_S.CREATED, _S.FAILED),
        # The webhook may be here before our own record of the page.
        (_S.CREATED, _S.PAID),
        (_S.PENDING, _S.PAID),
        (_S.PENDING, _S.EXPIRED),
        (_S.PENDING, _S.FAILED),
        # Money that really came is credited, also when word of an end was here first.
        (_S.EXPIRED, _S.PAID),
        (_S.FAILED, _S.PAID),
        (_S.PAID, _S.REFUNDED),
        (_S.PAID, _S.DISPUTED),
        # Word of the end may be the first that is heard of a dispute.
        (_S.PAID, _S.LOST),
        # A refund can fail.
        (_S.REFUNDED, _S.PAID),
        (_S.REFUNDED, _S.DISPUTED),
        (_S.REFUNDED, _S.LOST),
        (_S.DISPUTED, _S.WON),
        (_S.DISPUTED, _S.LOST),
        # A dispute can be opened again, and what was won can still be refunded.
        (_S.WON, _S.DISPUTED),
        (_S.WON, _S.REFUNDED),
        (_S.WON, _S.LOST),
        (_S.LOST, _S.WON),
        (_S.LOST, _S.DISPUTED),
    }
)
"""The only ways from one state to another; the database refuses all others."""

Problem = Literal["amount_differs", "second_payment", "payment_unnamed", "stuck", "unreadable"]
"""Why a person has to look: `amount_differs` and `second_payment` are money that came and was not credited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """One wish to pay in, and what became of it. `amount` is what the card is asked for, `fee` our part of it."""

    id: UUID
    user_id: UserId
    currency: str
    amount: Decimal
    fee: Decimal
    worth: Decimal
    state: DepositState
    created_at: datetime
    updated_at: datetime
    checkout_id: str | None
    checkout_url: str | None
    checkout_expires_at: datetime
    payment_intent: str | None
    paid_at: datetime | None
    release_at: datetime | None
    cancel_requested_at: datetime | None
    failure: str | None
    problem: str | None
    problem_details: Mapping[str, str] | None
    card_fingerprint: str | None
    card_brand: str | None
    card_last4: str | None
    card_country: str | None
    card_authenticated: bool | None
    risk_level: str | None
    card_read_at: datetime | None
    looks: int

    @property
    def credited(self) -> Decimal:
        """What the customer gets: the amount without the fee."""
        return EXACT.subtract(self.amount, self.fee)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositFilter:
    """Which deposits to list. `before` is the keyset: the id of the last one seen."""

    user_id: UserId | None = None
    states: Sequence[DepositState] | None = None
    problem: bool | None = None
    currency: str | None = None
    card_last4: str | None = None
    before: UUID | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositRules:
    """What an installation asks of a deposit: its fee, its minimum, and how long its money stays here by risk."""

    fee_bps: Decimal
    minimum: Decimal
    release_days: Mapping[str, int]

    @classmethod
    def parse(cls, *, fee_bps: Decimal, minimum: Decimal, release_days: str) -> "DepositRules":
        """From settings: "normal=3,unauthenticated=7,elevated=14,first=7". Raises ValueError for anything else."""
        days: dict[str, int] = {}
        for part in release_days.split(","):
            name, _, number = part.strip().partition("=")
            if name not in RISKS or name in days or not number.isdecimal() or int(number) > RELEASE_DAYS_MAX:
                raise ValueError("release days are written " + RELEASE_EXAMPLE)
            days[name] = int(number)
        if set(days) != set(RISKS):
            raise ValueError("release days are written " + RELEASE_EXAMPLE)
        return cls(fee_bps=fee_bps, minimum=minimum, release_days=days)

    def fee_of(self, amount: Decimal, currency: str) -> Decimal:
        """Our fee of a deposit, rounded up to what can be paid in the currency."""
        rate = multiply(self.fee_bps, BASIS_POINT)
        return round_up(EXACT.multiply(amount, rate), CURRENCIES[currency].step)

    def check(self, amount: Decimal, currency: str) -> None:
        """Raise Invalid for an amount that no card can be asked for here."""
        known = CURRENCIES.get(currency)
        if known is None:
            raise Invalid(
                f"Deposits are in {', '.join(CURRENCIES)}.", field="currency", details={"known": ",".join(CURRENCIES)}
            )
        if not is_multiple(amount, known.step):
            raise Invalid(
                f"An amount of {currency} has at most {known.places} decimals.",
                field="amount",
                details={"decimals": str(known.places)},
            )
        if amount < self.minimum:
            raise BelowMinimum(self.minimum, currency)
        if amount > CARD_MAX:
            raise AboveMaximum(CARD_MAX, currency)

    def longest(self) -> timedelta:
        """How long money of a card that nothing is known of stays here."""
        return timedelta(days=max(self.release_days.values()))

    def hold_of(self, card: Card, *, first: bool) -> timedelta:
        """How long money of this card stays here: the longest of everything that speaks against it."""
        risks = ["normal"]
        if not card.authenticated:
            risks.append("unauthenticated")
        if card.risk_level not in {None, "normal", "not_assessed"}:
            risks.append("elevated")
        if first:
            risks.append("first")
        return timedelta(days=max(self.release_days[risk] for risk in risks))


RISKS: Final = ("normal", "unauthenticated", "elevated", "first")
RELEASE_DAYS_MAX: Final = 365
RELEASE_EXAMPLE: Final = "normal=3,unauthenticated=7,elevated=14,first=7"


class BelowMinimum(Invalid):
    """Less than a deposit must have."""

    code = "below_minimum"

    def __init__(self, minimum: Decimal, currency: str) -> None:
        super().__init__(
            f"A deposit has at least {plain(minimum)} {currency}.",
            field="amount",
            details={"minimum": plain(minimum), "currency": currency},
        )


class AboveMaximum(Invalid):
    """More than one payment by card can carry."""

    code = "above_maximum"

    def __init__(self, maximum: Decimal, currency: str) -> None:
        super().__init__(
            f"One deposit by card has at most {plain(maximum)} {currency}.",
            field="amount",
            details={"maximum": plain(maximum), "currency": currency},
        )


class DepositNotFound(NotFound):
    """There is none, or it is somebody else's."""

    code = "deposit_not_found"

    def __init__(self) -> None:
        super().__init__("You have no deposit with this id.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What was decided about a payment that came otherwise than asked for; `amount` is what came."""

    id: UUID
    deposit_id: UUID
    payment_intent: str
    outcome: Literal["credit", "refund"]
    currency: str
    amount: Decimal
    approval_id: UUID


class NothingToResolve(Conflict):
    """The deposit is not flagged with money that came and was not credited."""

    code = "nothing_to_resolve"

    def __init__(self) -> None:
        super().__init__("No money of this deposit waits for a decision: it is credited, given back, or never came.")


class PaymentNotThere(Conflict):
    """The processor has no such payment, or it did not succeed."""

    code = "payment_not_there"

    def __init__(self, payment: str, status: str) -> None:
        super().__init__(
            f"The processor says {status[:60]!r} of payment {payment[:80]}: there is no money to credit or give back.",
            details={"payment": payment[:80], "status": status[:60]},
        )


class DepositEnded(Conflict):
    """Paid, expired or failed: there is nothing to cancel."""

    code = "deposit_ended"

    def __init__(self, state: DepositState) -> None:
        super().__init__(f"This deposit is {state} already. Nothing was done.", details={"state": str(state)})


class TooManyOpenDeposits(Conflict):
    """Enough pages are open."""

    code = "too_many_open_deposits"

    def __init__(self) -> None:
        super().__init__(
            f"{OPEN_MAX} deposits wait for their payment already. Pay or cancel one of them first.",
            details={"maximum": str(OPEN_MAX)},
        )


@dataclass(frozen=True, slots=True)
class Credit:
    """The money is there, as asked for: credit it."""

    payment_intent: str


@dataclass(frozen=True, slots=True)
class End:
    """Nothing will come."""

    state: Literal[DepositState.EXPIRED, DepositState.FAILED]
    failure: str


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that only a person can put right."""

    problem: Problem
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opened:
    """The page is open; that is all."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """It changes nothing."""


Verdict = Credit | End | Flag | Opened | Nothing


def judge(deposit: Deposit, checkout: Checkout, *, payment_failed: bool = False) -> Verdict:
    """What a fact about a deposit's page makes of it. `payment_failed`: a payment on its way came to nothing.

    Facts may be old, doubled and out of order: `paid` is final and beats every other, an end counts only while the
    deposit is open. Money that differs from what was asked for is flagged.
    """
    if checkout.payment_status == "paid":
        return _judge_paid(deposit, checkout)
    if not deposit.state.is_open or deposit.checkout_id not in {None, checkout.id}:
        return Nothing()
    if payment_failed:
        return End(DepositState.FAILED, "payment_failed")
    if checkout.status == "expired":
        return End(DepositState.EXPIRED, "canceled" if deposit.cancel_requested_at else "expired")
    return Opened() if deposit.state is DepositState.CREATED else Nothing()


def _judge_paid(deposit: Deposit, checkout: Checkout) -> Verdict:
    facts = {"checkout": checkout.id, "payment_intent": checkout.payment_intent or ""}
    if deposit.state.was_paid:
        return Nothing() if checkout.payment_intent == deposit.payment_intent else Flag("second_payment", facts)
    if deposit.checkout_id not in {None, checkout.id}:
        return Flag("second_payment", facts)
    if (checkout.amount, checkout.currency) != (deposit.amount, deposit.currency):
        paid = {"paid": plain(checkout.amount), "paid_currency": checkout.currency}
        return Flag("amount_differs", {**facts, **paid, "asked": plain(deposit.amount)})
    if not checkout.payment_intent:
        return Flag("payment_unnamed", facts)
    return Credit(checkout.payment_intent)


def next_look(looks: int) -> timedelta:
    """How long to wait before a deposit is looked at again, after so many looks."""
    return LOOKS[looks] if looks < len(LOOKS) else LONGEST_LOOK
