"""Rules are data with versions: read, changed by four eyes, never rewritten."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.monitoring import repository
from bitcurrent.compliance.monitoring.judging import ReadyRule
from bitcurrent.compliance.monitoring.model import Action, RuleName, RuleRecord, RuleUnknown
from bitcurrent.compliance.monitoring.parameters import read_parameters, written
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

RULE_CHANGE: Final = "monitoring.rule"


class RuleBook:
    """Keeps the rules. Methods run in their caller's transaction."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals
        approvals.register(
            Kind(name=RULE_CHANGE, ask="compliance.review", grant="compliance.review", handler=self._execute)
        )

    async def rules(
        self, connection: Connection, *, name: RuleName | None = None, before: int | None = None, limit: int = 50
    ) -> Sequence[RuleRecord]:
        """Every version of every rule, newest first."""
        return await repository.list_rules(connection, name=name, before=before, limit=limit)

    async def ask_for_rule(
        self,
        connection: Connection,
        actor: Actor,
        *,
        name: RuleName,
        parameters: Mapping[str, Any],
        action: Action,
        enabled: bool,
        active_from: datetime | None,
        reason: str,
        address: str,
    ) -> Approval:
        """Ask for a rule's next version; another person has to grant it. Raises ThresholdImpossible, AlreadyAsked."""
        checked = read_parameters(name, parameters)
        return await self._approvals.ask(
            connection,
            actor,
            kind=RULE_CHANGE,
            subject=f"monitoring_rule:{name}",
            payload={
                "name": name,
                "parameters": written(checked),
                "action": action,
                "enabled": enabled,
                "active_from": (active_from or now()).isoformat(),
            },
            reason=reason,
            address=address,
        )

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload = approval.payload
        # Read again: what is stored must be what this version of the house can work with.
        parameters = read_parameters(payload["name"], payload["parameters"])
        made = await repository.insert_rule(
            connection,
            name=payload["name"],
            parameters=written(parameters),
            action=payload["action"],
            enabled=payload["enabled"],
            active_from=datetime.fromisoformat(payload["active_from"]),
            reason=approval.reason,
            approval_id=approval.id,
        )
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="monitoring.rule_changed",
            subject=f"monitoring_rule:{made.name}",
            reason=approval.reason,
            details={"version": str(made.version), "approval": str(approval.id), "asked_by": str(approval.asked_by)},
            after={"action": made.action, "enabled": str(made.enabled), "parameters": str(written(parameters))},
        )


async def rule_in_force(connection: Connection, name: RuleName) -> RuleRecord:
    """The newest active version of a rule, switched on or off; raises RuleUnknown."""
    found = await repository.find_rule(connection, name)
    if found is None:
        raise RuleUnknown
    return found


async def ready_rules(connection: Connection) -> list[ReadyRule]:
    """The rules in force, with their parameters read."""
    return [
        ReadyRule(each, read_parameters(each.name, each.parameters))
        for each in await repository.rules_in_force(connection)
    ]
