"""Deposits, campaigns and bonuses as operators see them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from bitcurrent.backoffice.schemas import Reason
from bitcurrent.funding.bonuses.model import Campaign, CampaignState, Rules
from bitcurrent.funding.deposits.model import Deposit, DepositState
from bitcurrent.funding.inbox.model import EventState, StoredEvent
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

Code = Annotated[str, msgspec.Meta(min_length=3, max_length=40, pattern="^[a-z0-9][a-z0-9-]+$", examples=["welcome"])]
Title = Annotated[str, msgspec.Meta(min_length=3, max_length=120)]
CurrencyCode = Annotated[str, msgspec.Meta(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["USD"])]


class DraftCampaign(Request, frozen=True, kw_only=True):
    """A new version of a campaign. Either `amount`, or `percent` with `cap`; `release_volume` is in USD."""

    code: Code
    title: Title
    currency: CurrencyCode
    starts_at: datetime
    ends_at: datetime
    minimum: Amount
    amount: Amount | None = None
    percent: Amount | None = None
    cap: Amount | None = None
    first_deposit_only: bool = True
    once_per_customer: bool = True
    release_days: Annotated[int, msgspec.Meta(ge=0, le=366)] | None = None
    release_volume: Amount | None = None

    def rules(self) -> Rules:
        """The rules in the room's own words."""
        return Rules(
            code=self.code,
            title=" ".join(self.title.split()),
            currency=self.currency,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            minimum=self.minimum,
            amount=self.amount,
            percent=self.percent,
            cap=self.cap,
            first_deposit_only=self.first_deposit_only,
            once_per_customer=self.once_per_customer,
            release_days=self.release_days,
            release_volume=self.release_volume,
        )


class ActivateCampaign(Request, frozen=True, kw_only=True):
    """Ask that a draft gives from now on."""

    reason: Reason


class ResolveDeposit(Request, frozen=True, kw_only=True):
    """Ask that money which came otherwise than asked for is credited as it came, or given back wholly."""

    outcome: Literal["credit", "refund"]
    reason: Reason


class CampaignAnswer(Answer, frozen=True, kw_only=True):
    """A version of a campaign."""

    id: UUID
    code: str
    version: int
    title: str
    state: CampaignState
    currency: str
    starts_at: datetime
    ends_at: datetime
    minimum: Amount
    amount: Amount | None
    percent: Amount | None
    cap: Amount | None
    first_deposit_only: bool
    once_per_customer: bool
    release_days: int | None
    release_volume: Amount | None
    created_by: UUID
    created_at: datetime
    activated_at: datetime | None
    ended_at: datetime | None


class EventAnswer(Answer, frozen=True, kw_only=True):
    """One webhook about a deposit."""

    id: UUID
    event_id: str
    type: str
    state: EventState
    created_at: datetime
    received_at: datetime
    applied_at: datetime | None
    attempts: int
    trouble: str | None


class OperatorsDeposit(Answer, frozen=True, kw_only=True):
    """A deposit with what only operators need: whose it is, the processor's names for it, and what is wrong with it."""

    id: UUID
    user_id: UUID
    state: DepositState
    currency: str
    amount: Amount
    fee: Amount
    credited: Amount
    worth: Amount
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None
    release_at: datetime | None
    cancel_requested_at: datetime | None
    failure: str | None
    problem: str | None
    problem_details: dict[str, str]
    checkout_id: str | None
    payment_intent: str | None
    card_brand: str | None
    card_last4: str | None
    card_country: str | None
    card_authenticated: bool | None
    risk_level: str | None


class DepositWithEvents(Answer, frozen=True, kw_only=True):
    """A deposit, and every webhook about it, oldest first."""

    deposit: OperatorsDeposit
    events: list[EventAnswer]


def campaign_answer(campaign: Campaign) -> CampaignAnswer:
    """A version of a campaign as an answer."""
    rules = campaign.rules
    return CampaignAnswer(
        id=campaign.id,
        code=rules.code,
        version=campaign.version,
        title=rules.title,
        state=campaign.state,
        currency=rules.currency,
        starts_at=rules.starts_at,
        ends_at=rules.ends_at,
        minimum=Amount(rules.minimum),
        amount=_amount(rules.amount),
        percent=_amount(rules.percent),
        cap=_amount(rules.cap),
        first_deposit_only=rules.first_deposit_only,
        once_per_customer=rules.once_per_customer,
        release_days=rules.release_days,
        release_volume=_amount(rules.release_volume),
        created_by=campaign.created_by,
        created_at=campaign.created_at,
        activated_at=campaign.activated_at,
        ended_at=campaign.ended_at,
    )


def operators_deposit(deposit: Deposit) -> OperatorsDeposit:
    """A deposit as operators see it."""
    return OperatorsDeposit(
        id=deposit.id,
        user_id=deposit.user_id,
        state=deposit.state,
        currency=deposit.currency,
        amount=Amount(deposit.amount),
        fee=Amount(deposit.fee),
        credited=Amount(deposit.credited),
        worth=Amount(deposit.worth),
        created_at=deposit.created_at,
        updated_at=deposit.updated_at,
        paid_at=deposit.paid_at,
        release_at=deposit.release_at,
        cancel_requested_at=deposit.cancel_requested_at,
        failure=deposit.failure,
        problem=deposit.problem,
        problem_details=dict(deposit.problem_details or {}),
        checkout_id=deposit.checkout_id,
        payment_intent=deposit.payment_intent,
        card_brand=deposit.card_brand,
        card_last4=deposit.card_last4,
        card_country=deposit.card_country,
        card_authenticated=deposit.card_authenticated,
        risk_level=deposit.risk_level,
    )


def event_answer(event: StoredEvent) -> EventAnswer:
    """A webhook as operators see it."""
    return EventAnswer(
        id=event.id,
        event_id=event.event_id,
        type=event.type,
        state=event.state,
        created_at=event.created_at,
        received_at=event.received_at,
        applied_at=event.applied_at,
        attempts=event.attempts,
        trouble=event.trouble,
    )


def _amount(value: Decimal | None) -> Amount | None:
    return None if value is None else Amount(value)
