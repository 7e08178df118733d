"""Deposits on the wire of /api: exact amounts as strings, times in UTC."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.compliance.limits.model import Allowance
from bitcurrent.funding.bonuses.model import Bonus, BonusState
from bitcurrent.funding.deposits.model import CARD_MAX, Deposit, DepositState
from bitcurrent.funding.deposits.service import Terms
from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

CurrencyCode = Annotated[str, msgspec.Meta(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["USD"])]


class DepositRequest(Request, frozen=True, kw_only=True):
    """A deposit to make: what the card shall be asked for. The fee is part of it."""

    amount: Amount
    currency: CurrencyCode


class CardAnswer(Answer, frozen=True, kw_only=True):
    """What is known of the card that paid."""

    brand: str | None
    last4: str | None
    country: str | None


class DepositAnswer(Answer, frozen=True, kw_only=True):
    """A deposit as it is now.

    `url` is the page to pay on, while it waits for that. `credited` is what arrives: the amount without the fee. Until
    `release_at` the money can be traded and cannot leave; the date may come nearer once the card is known.
    """

    id: UUID
    state: DepositState
    currency: str
    amount: Amount
    fee: Amount
    credited: Amount
    url: str | None
    url_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None
    release_at: datetime | None
    cancel_requested: bool
    failure: str | None
    needs_support: bool
    """Something about the payment has to be looked at by a person before it can go on."""
    card: CardAnswer | None


class LimitAnswer(Answer, frozen=True, kw_only=True):
    """One limit, and what is left of it. `unit` is USD for a worth, the currency for an amount, or times."""

    period: str
    measure: str
    unit: str
    limit: Amount
    used: Amount
    left: Amount
    frees_at: datetime | None


class ReleaseDays(Answer, frozen=True, kw_only=True):
    """How many days money stays here before it can leave; the longest of those that fit counts."""

    normal: int
    unauthenticated: int
    elevated: int
    first: int


class TermsAnswer(Answer, frozen=True, kw_only=True):
    """What you may pay in of one currency, and what it costs."""

    currency: str
    minimum: Amount
    maximum: Amount
    decimals: int
    fee_bps: Amount
    release_days: ReleaseDays
    limits: list[LimitAnswer]


class TermsList(Answer, frozen=True, kw_only=True):
    """The terms by currency; `available` says whether cards are taken here at all."""

    available: bool
    items: list[TermsAnswer]


class BonusAnswer(Answer, frozen=True, kw_only=True):
    """A bonus: held for you from when it was earned until it is released."""

    id: UUID
    deposit_id: UUID
    currency: str
    amount: Amount
    state: BonusState
    earned_at: datetime
    release_at: datetime | None
    release_volume: Amount | None
    ended_at: datetime | None
    reason: str | None


def deposit_answer(deposit: Deposit) -> DepositAnswer:
    """A deposit as its owner sees it."""
    payable = deposit.state is DepositState.PENDING and deposit.problem is None
    card = CardAnswer(brand=deposit.card_brand, last4=deposit.card_last4, country=deposit.card_country)
    return DepositAnswer(
        id=deposit.id,
        state=deposit.state,
        currency=deposit.currency,
        amount=Amount(deposit.amount),
        fee=Amount(deposit.fee),
        credited=Amount(deposit.credited),
        url=deposit.checkout_url if payable else None,
        url_expires_at=deposit.checkout_expires_at if payable else None,
        created_at=deposit.created_at,
        updated_at=deposit.updated_at,
        paid_at=deposit.paid_at,
        release_at=deposit.release_at,
        cancel_requested=deposit.cancel_requested_at is not None,
        failure=deposit.failure,
        needs_support=deposit.problem is not None,
        card=card if deposit.card_read_at else None,
    )


def terms_answer(terms: Terms) -> TermsAnswer:
    """The terms of one currency."""
    return TermsAnswer(
        currency=terms.currency,
        minimum=Amount(terms.rules.minimum),
        maximum=Amount(CARD_MAX),
        decimals=CURRENCIES[terms.currency].places,
        fee_bps=Amount(terms.rules.fee_bps),
        release_days=ReleaseDays(**terms.rules.release_days),
        limits=[_limit(each, terms.currency) for each in terms.allowances],
    )


def bonus_answer(bonus: Bonus) -> BonusAnswer:
    """A bonus as its owner sees it."""
    return BonusAnswer(
        id=bonus.id,
        deposit_id=bonus.deposit_id,
        currency=bonus.currency,
        amount=Amount(bonus.amount),
        state=bonus.state,
        earned_at=bonus.earned_at,
        release_at=bonus.release_at,
        release_volume=None if bonus.release_volume is None else Amount(bonus.release_volume),
        ended_at=bonus.ended_at,
        reason=bonus.reason,
    )


def _limit(allowance: Allowance, currency: str) -> LimitAnswer:
    scope = allowance.rule.scope
    return LimitAnswer(
        period=scope.period,
        measure=scope.measure,
        unit={"worth": "USD", "amount": currency, "count": "times"}[scope.measure],
        limit=Amount(allowance.rule.maximum or Decimal(0)),
        used=Amount(allowance.used),
        left=Amount(allowance.left),
        frees_at=allowance.frees_at,
    )
