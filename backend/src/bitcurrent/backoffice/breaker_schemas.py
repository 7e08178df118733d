"""Rules of the circuit breaker on the wire of the back office."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from bitcurrent.backoffice.limits_schemas import AssetCode
from bitcurrent.backoffice.schemas import Reason
from bitcurrent.compliance.breakers import model as breakers
from bitcurrent.compliance.products import Product
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

WithinSeconds = Annotated[int, msgspec.Meta(ge=2, le=3_600, description="How far back it looks.")]
CalmSeconds = Annotated[int, msgspec.Meta(ge=1, le=86_400, description="Of calm, before it goes on.")]


class AddBreakerRule(Request, frozen=True, kw_only=True):
    """Ask for a rule. Without an asset it is for all that have none of their own; `stops` null stops nothing."""

    kind: breakers.Kind
    asset: AssetCode | None = None
    stops: Literal["trading", "order_market"] | None
    percent: Amount | None = None
    """Of a jump, 0.1 to 100; a rule of stale prices has none."""
    within_seconds: WithinSeconds
    calm_seconds: CalmSeconds
    resume: breakers.Resume
    """Who lets it run again: calm does, or operators by four eyes."""
    reason: Reason


class BreakerRule(Answer, frozen=True, kw_only=True):
    """One version of one rule. The newest of an asset counts, and for assets without one the newest for all."""

    version: int
    kind: breakers.Kind
    asset: str | None
    stops: Product | None
    percent: Amount | None
    within_seconds: int
    calm_seconds: int
    resume: breakers.Resume
    newest: bool
    """Whether no later version of this kind and asset has taken its place."""
    created_at: datetime
    reason: str
    approval_id: UUID | None


def wish_of(value: AddBreakerRule) -> breakers.Rule:
    """The asked-for rule; which version it will be, the database says."""
    return breakers.Rule(
        version=0,
        kind=value.kind,
        asset=value.asset,
        stops=value.stops,
        percent=value.percent,
        within_seconds=value.within_seconds,
        calm_seconds=value.calm_seconds,
        resume=value.resume,
    )


def breaker_rule(value: breakers.RuleRecord) -> BreakerRule:
    """A rule as an answer."""
    rule = value.rule
    return BreakerRule(
        version=rule.version,
        kind=rule.kind,
        asset=rule.asset,
        stops=rule.stops,
        percent=None if rule.percent is None else Amount(rule.percent),
        within_seconds=rule.within_seconds,
        calm_seconds=rule.calm_seconds,
        resume=rule.resume,
        newest=value.newest,
        created_at=value.created_at,
        reason=value.reason,
        approval_id=value.approval_id,
    )
