"""Lost second factors, decided by support: the wait goes on either way, and the customer is told."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.factors import schemas
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.factors.lost import LostFactors
from bitcurrent.identity.factors.model import LostState
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

AnyRequest = Request[Any, Any, Any]
Lost = NamedDependency[LostFactors]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
Wanted = Annotated[LostState | None, QueryParameter(name="state", description="Only requests in this state.")]

TAGS = ["back office"]
SUPPORT = requires_permission("customers.support")


@get(
    "/api/admin/lost-factor",
    summary="Lost-factor requests",
    tags=TAGS,
    operation_id="listLostFactorRequests",
    guards=[SUPPORT, requires_fresh_factor],
)
async def list_requests(
    actor: CurrentActor,
    lost_factors: Lost,
    database: Where,
    wanted: Wanted = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.LostFactorRequest] | dict[str, Any]:
    """Newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        rows = await lost_factors.requests(connection, state=wanted, before=before, limit=limit + 1)
    page = page_of(rows, limit, item=schemas.lost_factor_request, key=lambda row: row.id)
    return choose_fields(page, fields, schemas.LostFactorRequest)


@post(
    "/api/admin/lost-factor/{request_id:uuid}/approve",
    summary="Approve a lost-factor request",
    tags=TAGS,
    operation_id="approveLostFactor",
    guards=[SUPPORT, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def approve(
    request: AnyRequest,
    request_id: FromPath[UUID],
    data: JSONBody[schemas.Decide],
    actor: CurrentActor,
    lost_factors: Lost,
    database: Where,
    addresses: Origin,
) -> Response[schemas.LostFactorRequest]:
    """The person was checked. The wait goes on to its end all the same."""

    async def effect(connection: Connection) -> schemas.LostFactorRequest:
        decided = await lost_factors.decide(
            connection, actor, request_id, approve=True, reason=data.reason, address=addresses.of(request.scope)
        )
        return schemas.lost_factor_request(decided)

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/admin/lost-factor/{request_id:uuid}/refuse",
    summary="Refuse a lost-factor request",
    tags=TAGS,
    operation_id="refuseLostFactor",
    guards=[SUPPORT, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def refuse(
    request: AnyRequest,
    request_id: FromPath[UUID],
    data: JSONBody[schemas.Decide],
    actor: CurrentActor,
    lost_factors: Lost,
    database: Where,
    addresses: Origin,
) -> Response[schemas.LostFactorRequest]:
    """Ends it; the customer is told."""

    async def effect(connection: Connection) -> schemas.LostFactorRequest:
        decided = await lost_factors.decide(
            connection, actor, request_id, approve=False, reason=data.reason, address=addresses.of(request.scope)
        )
        return schemas.lost_factor_request(decided)

    return await answer_once(request, database, actor.user_id, effect)


ROUTES = (list_requests, approve, refuse)
