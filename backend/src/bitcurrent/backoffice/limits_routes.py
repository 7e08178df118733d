"""/api/admin/limits and /api/admin/stops: the rules that customers are weighed by, and the brakes."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice import limits_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.products import Product
from bitcurrent.compliance.stops.service import Stops
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Book = NamedDependency[Approvals]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
Rules = NamedDependency[Limits]
Brakes = NamedDependency[Stops]
ProductFilter = Annotated[Product | None, QueryParameter(name="product", description="Only of this product.")]
StandingFilter = Annotated[bool | None, QueryParameter(name="standing", description="Only those that stand, or not.")]


@get(
    "/api/admin/limits",
    operation_id="listLimits",
    summary="Every rule of limits that there ever was",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_limits(
    limits: Rules,
    database: Where,
    product: ProductFilter = None,
    user_id: FromQuery[UUID | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.LimitRule] | dict[str, Any]:
    """The newest version first."""
    before = read_cursor(cursor, int)
    async with database.read() as connection:
        found = await limits.rules(connection, product=product, user_id=user_id, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.limit_rule, key=lambda one: one.rule.version)
    return choose_fields(page, fields, schemas.LimitRule)


@post(
    "/api/admin/limits",
    operation_id="askForLimit",
    summary="Ask for a rule of limits",
    tags=TAGS,
    guards=[requires_permission("compliance.review"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_for_limit(
    request: AnyRequest,
    data: JSONBody[schemas.AddLimit],
    actor: CurrentActor,
    limits: Rules,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that another person has to grant. What was decided before stays decided."""
    if data.effective_from is not None and data.effective_from.tzinfo is None:
        raise Invalid("A moment has its zone, such as 2026-01-31T12:00:00Z.", field="effective_from")

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await limits.ask_for_rule(
            connection,
            actor,
            scope=schemas.scope_of(data),
            maximum=data.maximum,
            effective_from=data.effective_from or now(),
            reason=data.reason,
            address=addresses.of(request.scope),
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


@get(
    "/api/admin/stops",
    operation_id="listStops",
    summary="What stands still, and what stood",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def list_stops(
    stops: Brakes,
    database: Where,
    standing: StandingFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.StopAnswer] | dict[str, Any]:
    """Newest first, with who stopped it and why."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await stops.search(connection, standing=standing, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.stop_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.StopAnswer)


@post(
    "/api/admin/stops",
    operation_id="stop",
    summary="Stop a product, an asset, or all",
    tags=TAGS,
    guards=[requires_permission("markets.halt"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=201,
)
async def stop(
    request: AnyRequest,
    data: JSONBody[schemas.StopRequest],
    actor: CurrentActor,
    stops: Brakes,
    database: Where,
    addresses: Origin,
) -> Response[schemas.StopAnswer]:
    """At once, by one person. What stands already is answered as it is."""

    async def effect(connection: Connection) -> schemas.StopAnswer:
        made = await stops.stop(
            connection,
            product=data.product,
            asset=data.asset,
            reason=data.reason,
            words=data.words,
            actor=actor,
            address=addresses.of(request.scope),
        )
        return schemas.stop_answer(made)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@post(
    "/api/admin/stops/{stop_id:uuid}/resume",
    operation_id="askToResume",
    summary="Ask that it runs again",
    tags=TAGS,
    guards=[requires_permission("markets.halt"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_to_resume(
    request: AnyRequest,
    stop_id: FromPath[UUID],
    data: JSONBody[schemas.ResumeRequest],
    actor: CurrentActor,
    stops: Brakes,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval: it runs again when another person grants it."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await stops.ask_to_resume(
            connection, actor, stop_id, reason=data.reason, address=addresses.of(request.scope)
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (list_limits, ask_for_limit, list_stops, stop, ask_to_resume)
