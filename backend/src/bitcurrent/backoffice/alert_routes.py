"""/api/admin/alerts and /api/admin/monitoring/rules: what rules say of customers, and the rules themselves."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.backoffice import alert_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.compliance.monitoring.model import RULE_NAMES, AlertFilter, AlertState, RuleName, RuleUnknown
from bitcurrent.compliance.monitoring.service import Monitoring
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Watch = NamedDependency[Monitoring]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
RuleFilter = Annotated[RuleName | None, QueryParameter(name="rule", description="Only of this rule.")]
StateFilter = Annotated[AlertState | None, QueryParameter(name="state", description="Only these.")]


@get(
    "/api/admin/alerts",
    operation_id="listAlerts",
    summary="What monitoring found",
    tags=TAGS,
    guards=[requires_permission("compliance.review")],
)
async def list_alerts(
    monitoring: Watch,
    database: Where,
    rule: RuleFilter = None,
    state_is: StateFilter = None,
    user_id: FromQuery[UUID | None] = None,
    case_id: FromQuery[UUID | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.AlertAnswer] | dict[str, Any]:
    """Newest first. `open` ones wait for somebody; `escalated` ones are in a case."""
    which = AlertFilter(
        rule=rule,
        state=state_is,
        user_id=user_id,
        case_id=case_id,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await monitoring.alerts(connection, which)
    page = page_of(found, limit, item=schemas.alert_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.AlertAnswer)


@get(
    "/api/admin/alerts/{alert_id:uuid}",
    operation_id="readAlert",
    summary="One alert and what it stands on",
    tags=TAGS,
    guards=[requires_permission("compliance.review")],
)
async def read_alert(
    request: AnyRequest,
    alert_id: FromPath[UUID],
    actor: CurrentActor,
    monitoring: Watch,
    database: Where,
    addresses: Origin,
) -> schemas.AlertWithEvidence:
    """The rule's version, the transaction as it was judged, and all that rules said of it. Reading is written down."""
    async with database.transaction() as connection:
        alert = await monitoring.alert(connection, alert_id)
        rule, fact, said = await monitoring.evidence(connection, alert)
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action="alert.read",
            subject=f"alert:{alert_id}",
            address=addresses.of(request.scope),
            details={"user": str(alert.user_id)},
        )
    return schemas.with_evidence(alert, rule, fact, said)


@post(
    "/api/admin/alerts/{alert_id:uuid}/dismiss",
    operation_id="dismissAlert",
    summary="Nothing in it",
    tags=TAGS,
    guards=[requires_permission("compliance.review"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def dismiss_alert(
    request: AnyRequest,
    alert_id: FromPath[UUID],
    data: JSONBody[schemas.DecideAlert],
    actor: CurrentActor,
    monitoring: Watch,
    database: Where,
    addresses: Origin,
) -> Response[schemas.AlertAnswer]:
    """For good, with the reason. What is in a case is closed there, by two people."""

    async def effect(connection: Connection) -> schemas.AlertAnswer:
        decided = await monitoring.dismiss(
            connection, actor, alert_id, reason=data.reason, address=addresses.of(request.scope)
        )
        return schemas.alert_answer(decided)

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/admin/alerts/{alert_id:uuid}/escalate",
    operation_id="escalateAlert",
    summary="Into a case",
    tags=TAGS,
    guards=[requires_permission("compliance.review"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def escalate_alert(
    request: AnyRequest,
    alert_id: FromPath[UUID],
    data: JSONBody[schemas.DecideAlert],
    actor: CurrentActor,
    monitoring: Watch,
    database: Where,
    addresses: Origin,
) -> Response[schemas.AlertAnswer]:
    """Opens a case about the customer, or adds to the one that stands."""

    async def effect(connection: Connection) -> schemas.AlertAnswer:
        decided = await monitoring.escalate(
            connection, actor, alert_id, reason=data.reason, address=addresses.of(request.scope)
        )
        return schemas.alert_answer(decided)

    return await answer_once(request, database, actor.user_id, effect)


@get(
    "/api/admin/monitoring/rules",
    operation_id="listMonitoringRules",
    summary="Every version of every rule",
    tags=TAGS,
    guards=[requires_permission("compliance.review")],
)
async def list_rules(
    monitoring: Watch,
    database: Where,
    rule: RuleFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.RuleAnswer] | dict[str, Any]:
    """Newest first: of each name the first one that is active already counts."""
    before = read_cursor(cursor, int)
    async with database.read() as connection:
        found = await monitoring.rulebook.rules(connection, name=rule, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.rule_answer, key=lambda one: one.version)
    return choose_fields(page, fields, schemas.RuleAnswer)


@post(
    "/api/admin/monitoring/rules/{rule_name:str}",
    operation_id="askForMonitoringRule",
    summary="Ask for a rule's next version",
    tags=TAGS,
    guards=[requires_permission("compliance.review"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_for_rule(
    request: AnyRequest,
    rule_name: FromPath[str],
    data: JSONBody[schemas.ChangeRule],
    actor: CurrentActor,
    monitoring: Watch,
    approvals: NamedDependency[Approvals],
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that another person has to grant. What was judged before stays judged as it was."""
    name = next((known for known in RULE_NAMES if known == rule_name), None)
    if name is None:
        raise RuleUnknown
    if data.active_from is not None and data.active_from.tzinfo is None:
        raise Invalid("A moment has its zone, such as 2026-01-31T12:00:00Z.", field="active_from")

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await monitoring.rulebook.ask_for_rule(
            connection,
            actor,
            name=name,
            parameters=data.parameters,
            action=data.action,
            enabled=data.enabled,
            active_from=data.active_from,
            reason=data.reason,
            address=addresses.of(request.scope),
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (list_alerts, read_alert, dismiss_alert, escalate_alert, list_rules, ask_for_rule)
