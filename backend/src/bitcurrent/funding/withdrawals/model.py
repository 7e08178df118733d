"""A withdrawal as a value, the states it goes through, what it costs, and why one is refused. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal, get_args
from uuid import UUID

from bitcurrent.compliance.products import Product
from bitcurrent.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT, places, plain
from bitcurrent.ledger.model import HouseName

RailName = Literal["card_refund", "bank", "wallet"]
RAILS: tuple[RailName, ...] = get_args(RailName)

WAYS: Mapping[RailName, str] = {"card_refund": "refund to a card", "bank": "bank transfer", "wallet": "coin transfer"}
"""Rails as people call them."""

PRODUCTS: Mapping[RailName, Product] = {
    "card_refund": "card_refund",
    "bank": "bank_withdrawal",
    "wallet": "crypto_withdrawal",
}
"""What limits and stops call a rail."""

RAIL_HOUSES: Mapping[RailName, HouseName] = {"card_refund": "processor", "bank": "bank", "wallet": "venue"}
"""Out of which house account a rail pays."""

CONFIRM_WITHIN = timedelta(hours=24)


class State(StrEnum):
    """Where a withdrawal stands."""

    REQUESTED = "requested"
    SCREENING = "screening"
    REVIEW = "review"
    APPROVED = "approved"
    SENDING = "sending"
    SENT = "sent"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"
    REFUSED = "refused"
    CANCELED = "canceled"
    EXPIRED = "expired"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.SCREENING, State.CANCELED, State.EXPIRED, State.REFUSED}),
    State.SCREENING: frozenset({State.REVIEW, State.APPROVED, State.REFUSED, State.CANCELED}),
    State.REVIEW: frozenset({State.APPROVED, State.REFUSED, State.CANCELED}),
    State.APPROVED: frozenset({State.SENDING, State.REFUSED, State.CANCELED}),
    State.SENDING: frozenset({State.SENT, State.SETTLED, State.FAILED}),
    State.SENT: frozenset({State.SETTLED, State.FAILED}),
    State.SETTLED: frozenset({State.RETURNED}),
    State.FAILED: frozenset(),
    State.RETURNED: frozenset(),
    State.REFUSED: frozenset(),
    State.CANCELED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""What may follow what; functions.sql has the same list, and a test compares them."""

ENDED = frozenset({State.SETTLED, State.FAILED, State.RETURNED, State.REFUSED, State.CANCELED, State.EXPIRED})
"""Nothing is held any more. A settled one may still come back from the bank."""

CANCELABLE = frozenset({State.REQUESTED, State.SCREENING, State.REVIEW, State.APPROVED})

TOLD: Mapping[State, str] = {
    State.REQUESTED: "Confirm it with the link that we have mailed to you.",
    State.SCREENING: "Confirmed. We are checking it.",
    State.REVIEW: "A person looks at it. That takes up to one working day.",
    State.APPROVED: "Approved. It is sent next.",
    State.SENDING: "It is being sent.",
    State.SENT: "It was sent and is on its way.",
    State.SETTLED: "It has arrived.",
    State.FAILED: "It could not be paid. Everything is back in your balance.",
    State.RETURNED: "It was paid and came back. The amount is in your balance again.",
    State.REFUSED: "It was refused. Everything is back in your balance.",
    State.CANCELED: "It was canceled. Everything is back in your balance.",
    State.EXPIRED: "It was not confirmed in time. Everything is back in your balance.",
}
"""What a state means, for the customer."""


REASONS: Mapping[str, str] = {
    "asked": "You canceled it.",
    "not_confirmed": "The link in the mail was not used within 24 hours.",
    "not_screened": "Every withdrawal is looked at by a person here.",
    "above_limit": "Large withdrawals are looked at by two people.",
    "approved_by_people": "Two people have looked at it.",
    "refused_by_operator": "Our team refused it. Write to support if you do not know why.",
    "in_debt": "A card payment was taken back meanwhile; the debt has to be paid first.",
    "partly_paid": "A part could not be paid and is back in your balance.",
}
"""Why it is where it is, for the customer; a rail's own codes are told in general words."""


def told_reason(withdrawal_state: State, reason: str | None) -> str | None:
    """A reason in plain words; none where there is nothing to add to the state."""
    if reason is None:
        return None
    if withdrawal_state in {State.FAILED, State.RETURNED}:
        return REASONS.get(reason, "The bank, card or network did not take it.")
    return REASONS.get(reason, "A rule asked for a closer look.")


def may_follow(before: State, after: State) -> bool:
    """Whether a withdrawal in one state may go on to the other."""
    return after in TRANSITIONS[before]


FIAT = ("USD", "EUR", "GBP")
PLACES: Mapping[RailName, int] = {"card_refund": 2, "bank": 2, "wallet": 9}
"""How finely a rail pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What may be withdrawn by a rail from a moment on, in units of the asset. `fee` is ours.

    Without an asset it is about all that have no terms of their own. What came by card in the last `card_first_days`
    goes back there before a bank gets any; 0 where the customer may choose.
    """

    version: int
    rail: RailName
    asset: str | None
    minimum: Decimal
    maximum: Decimal
    fee: Decimal
    card_first_days: int
    effective_from: datetime

    @property
    def places(self) -> int:
        """The decimals that the rail can pay."""
        return PLACES[self.rail]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsRecord:
    """Terms with who made them: `approval_id` leads to who asked and who granted; none came with the house."""

    terms: Terms
    created_at: datetime
    reason: str
    approval_id: UUID | None


def leaves_by(asset: str, rail: RailName) -> bool:
    """Whether an asset leaves by this rail: coins by the wallet, money by the others."""
    return (asset in FIAT) == (rail != "wallet")


def check_amount(terms: Terms, asset: str, amount: Decimal) -> None:
    """Raise AmountOutOfBounds for zero, too little, too much, or more decimals than the rail can pay."""
    if places(amount) > terms.places:
        raise AmountOutOfBounds(f"{asset} is paid with at most {terms.places} decimals.", terms.places, asset)
    if amount < terms.minimum:
        limit = plain(terms.minimum)
        raise AmountOutOfBounds(f"At least {limit} {asset} can be withdrawn by {WAYS[terms.rail]}.", limit, asset)
    if amount > terms.maximum:
        limit = plain(terms.maximum)
        raise AmountOutOfBounds(f"At most {limit} {asset} at once by {WAYS[terms.rail]}.", limit, asset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a customer asks for. `fee_max` is the whole fee that they were shown, when they say it."""

    asset: str
    amount: Decimal
    rail: RailName
    destination: UUID | None = None
    fee_max: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """One withdrawal. `amount` arrives; `amount + fee + network_fee` leaves the balance."""

    id: UUID
    user_id: UserId
    created_at: datetime
    updated_at: datetime
    asset: str
    amount: Decimal
    fee: Decimal
    network_fee: Decimal
    network_fee_paid: Decimal | None
    """What the network really took, once somebody has said it."""
    held: Decimal
    paid: Decimal | None
    """What really left; less than `amount` when a rail could pay a part only."""
    worth: Decimal
    """What the amount was worth in USD when it was asked for."""
    rail: RailName
    destination: UUID | None
    destination_label: str
    state: State
    reason: str | None
    """Why it ended, or waits, as a code."""
    reference: str | None
    """The outside's own name for it: a transfer, a statement line."""
    details: Mapping[str, str]
    screening: str | None
    screening_reference: str | None
    limit_version: str | None
    batch_id: UUID | None
    expires_at: datetime
    unknown_since: datetime | None
    finished_at: datetime | None

    @property
    def total(self) -> Decimal:
        """What it takes from the balance."""
        return total_of(self.amount, self.fee, self.network_fee)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One state that a withdrawal reached."""

    state: State
    at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalFilter:
    """Which withdrawals to list, newest first. `before` is the keyset: the id of the last one seen."""

    user_id: UserId | None = None
    state: State | None = None
    asset: str | None = None
    rail: RailName | None = None
    before: UUID | None = None
    limit: int = 50


def total_of(amount: Decimal, fee: Decimal, network_fee: Decimal) -> Decimal:
    """What leaves the balance."""
    return EXACT.add(EXACT.add(amount, fee), network_fee)


class WithdrawalNotFound(NotFound):
    """No withdrawal of the asker's has this id."""

    code = "withdrawal_not_found"

    def __init__(self) -> None:
        super().__init__("You have no withdrawal with this id.")


class CannotWithdraw(Invalid):
    """This asset does not leave that way."""

    code = "withdrawal_not_possible"

    def __init__(self, asset: str, rail: RailName) -> None:
        super().__init__(f"{asset} cannot be withdrawn by {WAYS[rail]}.", field="asset")


class AmountOutOfBounds(Invalid):
    """Too little, too much, or too fine."""

    code = "withdrawal_amount"

    def __init__(self, what: str, limit: str | int, asset: str) -> None:
        super().__init__(what, field="amount", details={"limit": str(limit), "asset": asset})


class FeeChanged(Conflict):
    """The fee is higher than the customer was shown."""

    code = "fee_changed"

    def __init__(self, asked: Decimal, now: Decimal, asset: str) -> None:
        super().__init__(
            f"The fee is {plain(now)} {asset} now; you agreed to {plain(asked)} {asset}. Look at it and ask again.",
            field="fee_max",
            details={"fee": plain(now), "fee_max": plain(asked), "asset": asset},
        )


class DestinationTooYoung(Forbidden):
    """New destinations wait, so that whoever broke in cannot empty the account at once."""

    code = "destination_too_young"

    def __init__(self, usable_at: datetime) -> None:
        moment = usable_at.isoformat(timespec="seconds")
        super().__init__(
            f"This destination was added a short time ago and can be used from {moment} on.",
            field="destination",
            details={"usable_at": moment},
        )


class DestinationNotFound(NotFound):
    """Not among the customer's saved destinations for this asset."""

    code = "destination_not_found"

    def __init__(self) -> None:
        super().__init__("You have no such saved destination for this asset. Add it first.")


class CardFirst(Conflict):
    """Money that came by card goes back to that card before it goes to a bank."""

    code = "card_first"
    title = "To the card first"

    def __init__(self, refundable: Decimal, currency: str, days: int) -> None:
        super().__init__(
            f"{plain(refundable)} {currency} came by card in the last {days} days and has to go back there before "
            f"anything goes to a bank: withdraw {plain(refundable)} {currency} with the destination 'card', then the "
            "rest to your bank account. If the card does not take it, the bank is open to you.",
            field="destination",
            details={"refundable": plain(refundable), "currency": currency, "days": str(days), "destination": "card"},
        )


class WrongState(Conflict):
    """Too late, or too early, for this."""

    code = "withdrawal_state"

    def __init__(self, state: State) -> None:
        super().__init__(f"This withdrawal is {state}: {TOLD[state]} Nothing was changed.", details={"state": state})


class InvalidConfirmation(Invalid):
    """The link is not one that we made."""

    code = "invalid_link"

    def __init__(self) -> None:
        super().__init__("This link is not one of ours, or was cut short. Open it from the mail again.", field="token")


class ConfirmationExpired(Conflict):
    """Too late."""

    code = "withdrawal_expired"

    def __init__(self) -> None:
        super().__init__("This link has expired, and the withdrawal with it. Ask for a new one.")


class RailNotReady(Unavailable):
    """This way out is not set up or does not answer."""

    code = "rail_unavailable"

    def __init__(self, rail: RailName) -> None:
        super().__init__(f"Withdrawals by {WAYS[rail]} are not available now. Nothing was done.", field="destination")
