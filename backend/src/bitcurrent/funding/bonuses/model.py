"""Campaigns and bonuses as values: who earns how much, when it is released, what forfeits it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT, is_multiple, round_down

CampaignState = Literal["draft", "active", "ended"]
BonusState = Literal["earned", "released", "forfeited"]
CAMPAIGN_STATES: Final[tuple[CampaignState, ...]] = ("draft", "active", "ended")

PERCENT: Final = Decimal("0.01")
AMOUNT_MAX: Final = Decimal(10_000)
DAYS_MAX: Final = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one version of a campaign says. Either `amount` or `percent` (with `cap`) says how much.

    Released after so many days of leaving the money here, or at a traded volume in USD, whatever comes first.
    """

    code: str
    title: str
    currency: str
    starts_at: datetime
    ends_at: datetime
    minimum: Decimal
    amount: Decimal | None
    percent: Decimal | None
    cap: Decimal | None
    first_deposit_only: bool
    once_per_customer: bool
    release_days: int | None
    release_volume: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A version of a campaign, and whether it gives."""

    id: UUID
    version: int
    rules: Rules
    state: CampaignState
    created_by: UUID
    created_at: datetime
    activated_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonus:
    """What one customer earned by one deposit."""

    id: UUID
    campaign_id: UUID
    user_id: UserId
    deposit_id: UUID
    currency: str
    amount: Decimal
    state: BonusState
    earned_at: datetime
    release_at: datetime | None
    release_volume: Decimal | None
    ended_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidDeposit:
    """What a bonus looks at of a deposit that was just credited."""

    id: UUID
    user_id: UserId
    currency: str
    amount: Decimal
    paid_at: datetime
    first: bool


class CampaignNotFound(NotFound):
    """No campaign has this id."""

    code = "campaign_not_found"

    def __init__(self) -> None:
        super().__init__("There is no campaign with this id.")


class CampaignNotDraft(Conflict):
    """It gives already, or has ended."""

    code = "campaign_not_draft"

    def __init__(self, state: CampaignState) -> None:
        super().__init__(f"This campaign is {state} already.", details={"state": state})


def check(rules: Rules) -> None:
    """Raise Invalid for rules that say nothing, or give without end."""
    currency = CURRENCIES.get(rules.currency)
    if currency is None:
        raise Invalid(f"A bonus is in {', '.join(CURRENCIES)}.", field="currency")
    if rules.ends_at <= rules.starts_at:
        raise Invalid("A campaign ends after it has begun.", field="ends_at")
    if (rules.amount is None) == (rules.percent is None):
        raise Invalid("Say either an amount or a percentage.", field="amount")
    if rules.percent is not None and (rules.cap is None or not 0 < rules.percent <= 100):
        raise Invalid("A percentage is above 0, at most 100, and needs a cap.", field="percent")
    most = rules.cap if rules.amount is None else rules.amount
    if most is None or not 0 < most <= AMOUNT_MAX or not is_multiple(most, currency.step):
        raise Invalid(
            f"A bonus is above 0, at most {AMOUNT_MAX}, in whole {currency.step} {rules.currency}.",
            field="cap" if rules.amount is None else "amount",
        )
    if rules.minimum < 0 or not is_multiple(rules.minimum, currency.step):
        raise Invalid("The smallest deposit that counts is not negative.", field="minimum")
    if rules.release_days is None and rules.release_volume is None:
        raise Invalid("Say after how many days, or at what volume, the bonus is released.", field="release_days")
    if rules.release_days is not None and not 0 <= rules.release_days <= DAYS_MAX:
        raise Invalid(f"A bonus is released after 0 to {DAYS_MAX} days.", field="release_days")
    if rules.release_volume is not None and rules.release_volume <= 0:
        raise Invalid("A volume is above 0.", field="release_volume")


def earned_by(deposit: PaidDeposit, campaigns: Iterable[Campaign]) -> list[tuple[Campaign, Decimal]]:
    """What a deposit earns by each campaign that gives; whether a customer has had it before, the database knows."""
    earned = []
    for campaign in campaigns:
        rules = campaign.rules
        fits = (
            campaign.state == "active"
            and rules.currency == deposit.currency
            and rules.starts_at <= deposit.paid_at < rules.ends_at
            and deposit.amount >= rules.minimum
            and (deposit.first or not rules.first_deposit_only)
        )
        if fits and (amount := amount_of(rules, deposit.amount)) > 0:
            earned.append((campaign, amount))
    return earned


def amount_of(rules: Rules, deposit: Decimal) -> Decimal:
    """How much a deposit of this amount earns, rounded down to what can be paid."""
    if rules.amount is not None:
        return rules.amount
    assert rules.percent is not None  # check() has seen to it
    share = round_down(EXACT.multiply(EXACT.multiply(deposit, rules.percent), PERCENT), CURRENCIES[rules.currency].step)
    return share if rules.cap is None else min(share, rules.cap)


def is_due(bonus: Bonus, *, moment: datetime, volume: Decimal) -> bool:
    """Whether it is released now; `volume` is what the customer traded since it was earned, in USD."""
    waited = bonus.release_at is not None and moment >= bonus.release_at
    return waited or (bonus.release_volume is not None and volume >= bonus.release_volume)


def release_date(rules: Rules, earned_at: datetime) -> datetime | None:
    """When waiting alone releases it."""
    return None if rules.release_days is None else earned_at + timedelta(days=rules.release_days)
