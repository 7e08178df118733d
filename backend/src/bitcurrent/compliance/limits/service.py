"""Limits' verbs: weigh what a customer asks for, tell what is left, and change the rules by four eyes."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.limits import repository
from bitcurrent.compliance.limits.model import (
    WINDOWS,
    Allowance,
    Level,
    Passed,
    Rule,
    RuleRecord,
    Scope,
    Usage,
    UsageSince,
    choose,
    decide,
    stand,
)
from bitcurrent.compliance.products import Product
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Invalid, NotFound
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import plain

LIMIT_CHANGE = "limits.rule"


class Limits:
    """Weighs by the rules in force. Everything is read from the database each time: a new rule counts at once."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals
        approvals.register(
            Kind(name=LIMIT_CHANGE, ask="compliance.review", grant="compliance.review", handler=self._execute)
        )

    async def check(
        self,
        connection: Connection,
        *,
        user_id: UserId,
        kyc_level: Level,
        product: Product,
        asset: str,
        amount: Decimal,
        worth: Decimal,
        usage: UsageSince,
        field: str = "amount",
    ) -> Passed:
        """Whether a customer may use so much now; `worth` is the amount in USD.

        Call it in the transaction that writes what is used, before any account is locked: until that transaction ends
        nobody else weighs this customer's use of the product, so that two requests at once count each other. Raises
        LimitExceeded, which names the rule and the `field` at fault.
        """
        await repository.lock_usage(connection, user_id=user_id, product=product)
        standing = await self.allowances(
            connection, user_id=user_id, kyc_level=kyc_level, product=product, asset=asset, usage=usage
        )
        return decide(standing, amount=amount, worth=worth, field=field)

    async def allowances(
        self,
        connection: Connection,
        *,
        user_id: UserId,
        kyc_level: Level,
        product: Product,
        asset: str,
        usage: UsageSince,
    ) -> list[Allowance]:
        """Every rule that counts for a customer now, and what is left of it; nothing where there are no limits."""
        moment = now()
        rules = await repository.read_rules(
            connection, product=product, level=kyc_level, asset=asset, user_id=user_id, moment=moment
        )
        found: dict[tuple[str, str | None], Usage] = {}
        standing = []
        for rule in choose(rules):
            key = (rule.scope.period, rule.scope.asset)
            if key not in found:
                found[key] = await _used(usage, rule, moment)
            standing.append(stand(rule, found[key]))
        return standing

    async def of_level(
        self, connection: Connection, *, product: Product, level: Level, user_id: UserId
    ) -> Sequence[Rule]:
        """The rules for every asset that a customer would have at a level, their own ones included."""
        rules = await repository.read_rules(
            connection, product=product, level=level, asset="", user_id=user_id, moment=now()
        )
        return choose(rules)

    async def rules(
        self,
        connection: Connection,
        *,
        product: Product | None = None,
        user_id: UUID | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[RuleRecord]:
        """Every rule that there ever was, the newest first."""
        return await repository.list_rules(connection, product=product, user_id=user_id, before=before, limit=limit)

    async def ask_for_rule(
        self,
        connection: Connection,
        actor: Actor,
        *,
        scope: Scope,
        maximum: Decimal | None,
        effective_from: datetime,
        reason: str,
        address: str,
    ) -> Approval:
        """Ask for a new rule; another person has to grant it. Raises Invalid, NotFound, AlreadyAsked."""
        _check_rule(scope, maximum)
        if scope.user_id is not None and not await repository.user_exists(connection, scope.user_id):
            raise NotFound("There is no such customer.")
        about = ":".join(
            str(part or "any")
            for part in (scope.product, scope.period, scope.measure, scope.level, scope.asset, scope.user_id)
        )
        return await self._approvals.ask(
            connection,
            actor,
            kind=LIMIT_CHANGE,
            subject=f"limit:{about}",
            payload={
                "product": scope.product,
                "period": scope.period,
                "measure": scope.measure,
                "level": scope.level,
                "asset": scope.asset,
                "user_id": None if scope.user_id is None else str(scope.user_id),
                "maximum": None if maximum is None else plain(maximum),
                "effective_from": effective_from.isoformat(),
            },
            reason=reason,
            address=address,
        )

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload: dict[str, Any] = dict(approval.payload)
        scope = msgspec.convert({name: payload[name] for name in Scope.__dataclass_fields__}, Scope)
        maximum = None if payload["maximum"] is None else Decimal(payload["maximum"])
        made = await repository.insert_rule(
            connection,
            scope=scope,
            maximum=maximum,
            effective_from=datetime.fromisoformat(payload["effective_from"]),
            reason=approval.reason,
            approval_id=approval.id,
        )
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="limits.rule_added",
            subject=f"limit_rule:{made.rule.version}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
            after={**payload, "effective_from": made.rule.effective_from},
        )


async def _used(usage: UsageSince, rule: Rule, moment: datetime) -> Usage:
    window = WINDOWS.get(rule.scope.period)
    return Usage() if window is None else await usage(moment - window, rule.scope.asset)


def _check_rule(scope: Scope, maximum: Decimal | None) -> None:
    """Raise Invalid for a rule that would say nothing."""
    if scope.product == "order_market":
        raise Invalid("Market orders can be stopped; limit trading, purchases or sales instead.", field="product")
    if scope.measure == "amount" and scope.asset is None:
        raise Invalid("A limit on an amount needs the asset that it is in.", field="asset")
    if scope.measure == "count" and scope.period == "single":
        raise Invalid("One request is one: count them in a day, a week or a month.", field="period")
    if scope.level is not None and scope.user_id is not None:
        raise Invalid("A rule is for a level or for one customer, not for both.", field="user_id")
    if maximum is not None and (maximum < 0 or (scope.measure == "count" and maximum != maximum.to_integral_value())):
        raise Invalid("A maximum is not negative, and a number of times is whole.", field="maximum")
