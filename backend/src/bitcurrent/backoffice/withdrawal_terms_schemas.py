"""The terms of withdrawals on the wire of the back office."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.backoffice.limits_schemas import AssetCode
from bitcurrent.backoffice.schemas import Reason
from bitcurrent.funding.withdrawals.model import RailName, TermsRecord
from bitcurrent.funding.withdrawals.terms import CARD_FIRST_DAYS_MAX, NewTerms
from bitcurrent.kernel.clock import now
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

Days = Annotated[int, msgspec.Meta(ge=0, le=CARD_FIRST_DAYS_MAX)]


class AskForTerms(Request, frozen=True, kw_only=True):
    """Ask for terms of a rail, or of one asset on it. Amounts are in units of the asset; `fee` is ours."""

    rail: RailName
    asset: AssetCode | None = None
    minimum: Amount
    maximum: Amount
    fee: Amount
    card_first_days: Days = 0
    """For banks: what came by card in so many days goes back there first; 0 leaves the choice to the customer."""
    effective_from: datetime | None = None
    """From when they count; now when not given, and never before they are granted."""
    reason: Reason


class TermsVersion(Answer, frozen=True, kw_only=True):
    """One version; of each rail and asset the newest that is in force counts."""

    version: int
    rail: RailName
    asset: str | None
    minimum: Amount
    maximum: Amount
    fee: Amount
    card_first_days: int
    effective_from: datetime
    created_at: datetime
    reason: str
    approval_id: UUID | None


def wish_of(value: AskForTerms) -> NewTerms:
    """What is asked for, in the room's own words."""
    return NewTerms(
        rail=value.rail,
        asset=value.asset,
        minimum=value.minimum,
        maximum=value.maximum,
        fee=value.fee,
        card_first_days=value.card_first_days,
        effective_from=value.effective_from or now(),
    )


def terms_version(value: TermsRecord) -> TermsVersion:
    """A version as an answer."""
    terms = value.terms
    return TermsVersion(
        version=terms.version,
        rail=terms.rail,
        asset=terms.asset,
        minimum=Amount(terms.minimum),
        maximum=Amount(terms.maximum),
        fee=Amount(terms.fee),
        card_first_days=terms.card_first_days,
        effective_from=terms.effective_from,
        created_at=value.created_at,
        reason=value.reason,
        approval_id=value.approval_id,
    )
