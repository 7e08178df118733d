"""Withdrawals on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from bitcurrent.funding.withdrawals.model import (
    CANCELABLE,
    FIAT,
    TOLD,
    DestinationNotFound,
    RailName,
    State,
    Step,
    Terms,
    Wish,
    Withdrawal,
    told_reason,
)
from bitcurrent.funding.withdrawals.service import Plan
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

CARD = "card"
_Asset = Annotated[str, msgspec.Meta(min_length=2, max_length=20, pattern=r"^[A-Z0-9]+$", description="USD, BTC, …")]
_Where = Annotated[
    str,
    msgspec.Meta(
        max_length=36, description="`card`: back to the cards that paid; else the id of a saved account or address."
    ),
]
StateName = Literal[
    "requested",
    "screening",
    "review",
    "approved",
    "sending",
    "sent",
    "settled",
    "failed",
    "returned",
    "refused",
    "canceled",
    "expired",
]


class QuoteRequest(Request, frozen=True, kw_only=True):
    """What would it cost?"""

    asset: _Asset
    amount: Amount
    destination: _Where

    def wish(self) -> Wish:
        """As the service takes it."""
        return _wish(self.asset, self.amount, self.destination, None)


class WithdrawalRequest(Request, frozen=True, kw_only=True):
    """Withdraw. `amount` arrives; the fees come on top."""

    asset: _Asset
    amount: Amount
    destination: _Where
    fee_max: Amount | None = None

    def wish(self) -> Wish:
        """As the service takes it."""
        return _wish(self.asset, self.amount, self.destination, self.fee_max)


class QuoteAnswer(Answer, frozen=True, kw_only=True):
    """The cost now. `fee` is ours, `network_fee` goes to the coin's network; `total` leaves the balance.

    `card_first` has to go back to the cards that paid before a bank gets any: withdraw it with the destination `card`.
    """

    asset: str
    amount: Amount
    fee: Amount
    network_fee: Amount
    total: Amount
    rail: RailName
    minimum: Amount
    maximum: Amount
    places: int
    card_first: Amount
    terms_version: int


class WithdrawalTermsAnswer(Answer, frozen=True, kw_only=True):
    """What may be withdrawn by a rail, from when on, and our fee; without an asset for all without terms of their own.

    What came by card in the last `card_first_days` goes back there first; 0 leaves the choice to you.
    """

    version: int
    rail: RailName
    asset: str | None
    minimum: Amount
    maximum: Amount
    places: int
    fee: Amount
    card_first_days: int
    effective_from: datetime
    in_force: bool


class WithdrawalTermsList(Answer, frozen=True, kw_only=True):
    """What is in force, and what is to come."""

    items: list[WithdrawalTermsAnswer]


class Confirmation(Request, frozen=True, kw_only=True):
    """The link that came by mail."""

    token: Annotated[str, msgspec.Meta(max_length=200, description="From the link in the mail.")]


class StepAnswer(Answer, frozen=True, kw_only=True):
    """A state that it reached."""

    state: StateName
    at: datetime
    told: str
    why: str | None


class WithdrawalAnswer(Answer, frozen=True, kw_only=True):
    """One withdrawal. `told` and `why` are for people; `held` is still set aside for it."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    asset: str
    amount: Amount
    fee: Amount
    network_fee: Amount
    total: Amount
    held: Amount
    paid: Amount | None
    rail: RailName
    destination: str
    destination_id: UUID | None
    state: StateName
    told: str
    reason: str | None
    why: str | None
    can_cancel: bool
    expires_at: datetime
    finished_at: datetime | None
    reference: str | None
    details: dict[str, str]


class WithdrawalDetail(WithdrawalAnswer, frozen=True, kw_only=True):
    """One withdrawal and the states that it went through."""

    steps: list[StepAnswer]


def _wish(asset: str, amount: Amount, destination: str, fee_max: Amount | None) -> Wish:
    if destination == CARD:
        return Wish(asset=asset, amount=amount, rail="card_refund", fee_max=fee_max)
    try:
        saved = UUID(destination)
    except ValueError:
        raise DestinationNotFound from None
    rail: RailName = "bank" if asset in FIAT else "wallet"
    return Wish(asset=asset, amount=amount, rail=rail, destination=saved, fee_max=fee_max)


def quote_answer(plan: Plan) -> QuoteAnswer:
    """A plan as a quote."""
    return QuoteAnswer(
        asset=plan.wish.asset,
        amount=Amount(plan.wish.amount),
        fee=Amount(plan.terms.fee),
        network_fee=Amount(plan.network_fee),
        total=Amount(plan.total),
        rail=plan.wish.rail,
        minimum=Amount(plan.terms.minimum),
        maximum=Amount(plan.terms.maximum),
        places=plan.terms.places,
        card_first=Amount(plan.card_first),
        terms_version=plan.terms.version,
    )


def terms_answer(terms: Terms, moment: datetime) -> WithdrawalTermsAnswer:
    """Terms as they are announced."""
    return WithdrawalTermsAnswer(
        version=terms.version,
        rail=terms.rail,
        asset=terms.asset,
        minimum=Amount(terms.minimum),
        maximum=Amount(terms.maximum),
        places=terms.places,
        fee=Amount(terms.fee),
        card_first_days=terms.card_first_days,
        effective_from=terms.effective_from,
        in_force=terms.effective_from <= moment,
    )


def withdrawal_answer(withdrawal: Withdrawal) -> WithdrawalAnswer:
    """A withdrawal for its owner."""
    return WithdrawalAnswer(**parts_of(withdrawal))


def withdrawal_detail(withdrawal: Withdrawal, steps: list[Step]) -> WithdrawalDetail:
    """The same with its steps."""
    return WithdrawalDetail(**parts_of(withdrawal), steps=[step_answer(step) for step in steps])


def step_answer(step: Step) -> StepAnswer:
    """One step."""
    return StepAnswer(
        state=_state(step.state), at=step.at, told=TOLD[step.state], why=told_reason(step.state, step.reason)
    )


def parts_of(withdrawal: Withdrawal) -> dict[str, Any]:
    """The fields of an answer."""
    return {
        "id": withdrawal.id,
        "created_at": withdrawal.created_at,
        "updated_at": withdrawal.updated_at,
        "asset": withdrawal.asset,
        "amount": Amount(withdrawal.amount),
        "fee": Amount(withdrawal.fee),
        "network_fee": Amount(withdrawal.network_fee),
        "total": Amount(withdrawal.total),
        "held": Amount(withdrawal.held),
        "paid": None if withdrawal.paid is None else Amount(withdrawal.paid),
        "rail": withdrawal.rail,
        "destination": withdrawal.destination_label,
        "destination_id": withdrawal.destination,
        "state": _state(withdrawal.state),
        "told": TOLD[withdrawal.state],
        "reason": withdrawal.reason,
        "why": told_reason(withdrawal.state, withdrawal.reason),
        "can_cancel": withdrawal.state in CANCELABLE,
        "expires_at": withdrawal.expires_at,
        "finished_at": withdrawal.finished_at,
        "reference": withdrawal.reference,
        "details": dict(withdrawal.details),
    }


def _state(state: State) -> StateName:
    return state.value
