"""Limits and stops on the wire of the back office."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.backoffice.schemas import Reason
from bitcurrent.compliance.limits import model as limits
from bitcurrent.compliance.products import Product
from bitcurrent.compliance.stops import model as stops
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

AssetCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,20}$", max_length=20, description="Such as USD or BTC.")]


class AddLimit(Request, frozen=True, kw_only=True):
    """Ask for a rule. Without a level, asset or customer it is for all; without a maximum it withdraws one."""

    product: Product
    period: limits.Period
    measure: limits.Measure = "worth"
    level: limits.Level | None = None
    asset: AssetCode | None = None
    user_id: UUID | None = None
    maximum: Amount | None
    """In USD for `worth`, in the asset for `amount`, a whole number for `count`."""
    effective_from: datetime | None = None
    """From when it counts; now when not given, and never before it is granted."""
    reason: Reason


class LimitRule(Answer, frozen=True, kw_only=True):
    """One rule of one version; the newest that is in force and nearest to the customer counts."""

    version: int
    product: Product
    period: limits.Period
    measure: limits.Measure
    level: limits.Level | None
    asset: str | None
    user_id: UUID | None
    maximum: Amount | None
    effective_from: datetime
    created_at: datetime
    reason: str
    approval_id: UUID | None


class StopRequest(Request, frozen=True, kw_only=True):
    """Stop a product, an asset, or (without either) everything that moves money."""

    product: Product | None = None
    asset: AssetCode | None = None
    reason: Reason
    words: Annotated[str, msgspec.Meta(max_length=500, description="What customers read.")] | None = None


class ResumeRequest(Request, frozen=True, kw_only=True):
    """Ask that it runs again."""

    reason: Reason


class StopAnswer(Answer, frozen=True, kw_only=True):
    """What stands still, or stood; `started_by` is null when the house itself stopped it."""

    id: UUID
    product: Product | None
    asset: str | None
    cause: str
    reason: str
    words: str
    standing: bool
    started_by: UUID | None
    started_at: datetime
    ended_by: UUID | None
    ended_at: datetime | None
    end_reason: str | None


def scope_of(value: AddLimit) -> limits.Scope:
    """What the asked-for rule is about."""
    return limits.Scope(
        product=value.product,
        period=value.period,
        measure=value.measure,
        level=value.level,
        asset=value.asset,
        user_id=value.user_id,
    )


def limit_rule(value: limits.RuleRecord) -> LimitRule:
    """A rule as an answer."""
    rule, scope = value.rule, value.rule.scope
    return LimitRule(
        version=rule.version,
        product=scope.product,
        period=scope.period,
        measure=scope.measure,
        level=scope.level,
        asset=scope.asset,
        user_id=scope.user_id,
        maximum=None if rule.maximum is None else Amount(rule.maximum),
        effective_from=rule.effective_from,
        created_at=value.created_at,
        reason=value.reason,
        approval_id=value.approval_id,
    )


def stop_answer(value: stops.Stop) -> StopAnswer:
    """A stop as an answer."""
    return StopAnswer(
        id=value.id,
        product=value.product,
        asset=value.asset,
        cause=value.cause,
        reason=value.reason,
        words=value.words,
        standing=value.ended_at is None,
        started_by=value.started_by,
        started_at=value.started_at,
        ended_by=value.ended_by,
        ended_at=value.ended_at,
        end_reason=value.end_reason,
    )
