"""/api/admin/breaker-rules: when an asset stops by itself, read by one person and changed by two."""

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from bitcurrent.backoffice import breaker_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.compliance.breakers.model import Kind
from bitcurrent.compliance.breakers.service import Breakers
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
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
Rules = NamedDependency[Breakers]
KindFilter = Annotated[Kind | None, QueryParameter(name="kind", description="Only of this kind.")]
AssetFilter = Annotated[
    str | None, QueryParameter(name="asset", pattern=r"^[A-Z0-9]{1,20}$", description="Only of this asset.")
]


@get(
    "/api/admin/breaker-rules",
    operation_id="listBreakerRules",
    summary="Every rule of the circuit breaker that there ever was",
    tags=TAGS,
    guards=[requires_permission("markets.halt")],
)
async def list_breaker_rules(
    breakers: Rules,
    database: Where,
    kind: KindFilter = None,
    asset: AssetFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.BreakerRule] | dict[str, Any]:
    """The newest version first; those with `newest` are in force."""
    before = read_cursor(cursor, int)
    async with database.read() as connection:
        found = await breakers.rules(connection, kind=kind, asset=asset, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.breaker_rule, key=lambda one: one.rule.version)
    return choose_fields(page, fields, schemas.BreakerRule)


@post(
    "/api/admin/breaker-rules",
    operation_id="askForBreakerRule",
    summary="Ask for a rule of the circuit breaker",
    tags=TAGS,
    guards=[requires_permission("markets.halt"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_for_breaker_rule(
    request: AnyRequest,
    data: JSONBody[schemas.AddBreakerRule],
    actor: CurrentActor,
    breakers: Rules,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that another person has to grant; the rule counts within seconds of that."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await breakers.ask_for_rule(
            connection, actor, schemas.wish_of(data), reason=data.reason, address=addresses.of(request.scope)
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (list_breaker_rules, ask_for_breaker_rule)
