"""The circuit breaker's rules: read, and changed by four eyes."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import msgspec

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.breakers import repository
from bitcurrent.compliance.breakers.model import Kind as RuleKind
from bitcurrent.compliance.breakers.model import Rule, RuleRecord
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import places, plain

RULE_CHANGE: Final = "breakers.rule"
PERCENT_RANGE: Final = (Decimal("0.1"), Decimal(100))
PERCENT_PLACES: Final = 4
WITHIN_RANGE: Final = (2, 3_600)
CALM_RANGE: Final = (1, 86_400)


class Breakers:
    """Keeps the rules; the newest of an asset and kind counts from the moment that a second person granted it."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals
        approvals.register(Kind(name=RULE_CHANGE, ask="markets.halt", grant="markets.halt", handler=self._execute))

    async def rules(
        self,
        connection: Connection,
        *,
        kind: RuleKind | None = None,
        asset: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[RuleRecord]:
        """Every rule that there ever was (of a kind, of an asset), the newest first."""
        return await repository.list_rules(connection, kind=kind, asset=asset, before=before, limit=limit)

    async def ask_for_rule(
        self, connection: Connection, actor: Actor, rule: Rule, *, reason: str, address: str
    ) -> Approval:
        """Ask for a new rule (its version is not used); another person has to grant it. Raises Invalid."""
        check_rule(rule)
        percent = None if rule.percent is None else plain(rule.percent)
        payload = {**msgspec.to_builtins(replace(rule, version=0, percent=None)), "percent": percent}
        return await self._approvals.ask(
            connection,
            actor,
            kind=RULE_CHANGE,
            subject=f"breaker:{rule.kind}:{rule.asset or 'all'}",
            payload=payload,
            reason=reason,
            address=address,
        )

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload: dict[str, Any] = dict(approval.payload)
        rule = msgspec.convert(payload, Rule)
        made = await repository.insert_rule(connection, rule, reason=approval.reason, approval_id=approval.id)
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="breakers.rule_added",
            subject=f"breaker_rule:{made.version}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
            after={**payload, "version": made.version},
        )


def check_rule(rule: Rule) -> None:
    """Raise Invalid for a rule that cannot be kept or would never or always stop."""
    if (rule.kind == "jump") != (rule.percent is not None):
        raise Invalid("A rule of jumps has a percent, and one of stale prices has none.", field="percent")
    if rule.percent is not None and not PERCENT_RANGE[0] <= rule.percent <= PERCENT_RANGE[1]:
        raise Invalid("percent is 0.1 to 100.", field="percent")
    if rule.percent is not None and places(rule.percent) > PERCENT_PLACES:
        # The column would round it, and the rule granted would not be the rule kept.
        raise Invalid(f"percent has at most {PERCENT_PLACES} decimals.", field="percent")
    if rule.stops not in (None, "trading", "order_market"):
        raise Invalid("A rule stops trading or order_market, or nothing.", field="stops")
    if not WITHIN_RANGE[0] <= rule.within_seconds <= WITHIN_RANGE[1]:
        raise Invalid("within_seconds is 2 to 3600.", field="within_seconds")
    if not CALM_RANGE[0] <= rule.calm_seconds <= CALM_RANGE[1]:
        raise Invalid("calm_seconds is 1 to 86400.", field="calm_seconds")
