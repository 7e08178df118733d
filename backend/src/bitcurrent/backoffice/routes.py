"""/api/admin: what waits for a second pair of eyes, and who the operators are."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice import schemas
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.model import ApprovalFilter, State
from bitcurrent.identity.approvals.service import AfterCommit, Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.identity.operators import Operators
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
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
StateFilter = Annotated[State | None, QueryParameter(name="state", description="Only these.")]
KindFilter = Annotated[str | None, QueryParameter(name="kind", max_length=100, description="Only this kind.")]
SubjectFilter = Annotated[str | None, QueryParameter(name="subject", max_length=200, description="Only about this.")]


@get(
    "/api/admin/approvals",
    operation_id="listApprovals",
    summary="What waits, or waited, for approval",
    tags=TAGS,
    guards=[requires_permission("approvals.read")],
)
async def list_approvals(
    actor: CurrentActor,
    approvals: Book,
    database: Where,
    state_is: StateFilter = None,
    kind: KindFilter = None,
    subject: SubjectFilter = None,
    asked_by: FromQuery[UUID | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.ApprovalAnswer] | dict[str, Any]:
    """Newest first."""
    which = ApprovalFilter(
        state=state_is,
        kind=kind,
        subject=subject,
        asked_by=asked_by,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await approvals.search(connection, which)
    page = page_of(
        found,
        limit,
        item=lambda one: schemas.approval_answer(one, actor, approvals.kinds),
        key=lambda one: one.id,
    )
    return choose_fields(page, fields, schemas.ApprovalAnswer)


@get(
    "/api/admin/approvals/{approval_id:uuid}",
    operation_id="readApproval",
    summary="One approval",
    tags=TAGS,
    guards=[requires_permission("approvals.read")],
)
async def read_approval(
    approval_id: FromPath[UUID], actor: CurrentActor, approvals: Book, database: Where, fields: Fields = None
) -> schemas.ApprovalAnswer | dict[str, Any]:
    """With exactly what will be done when it is granted."""
    async with database.read() as connection:
        found = await approvals.read(connection, approval_id)
    return choose_fields(schemas.approval_answer(found, actor, approvals.kinds), fields, schemas.ApprovalAnswer)


@post(
    "/api/admin/approvals/{approval_id:uuid}/grant",
    operation_id="grantApproval",
    summary="Grant it, and have it done",
    tags=TAGS,
    guards=[requires_permission("approvals.grant"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def grant_approval(
    request: AnyRequest,
    approval_id: FromPath[UUID],
    actor: CurrentActor,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.ApprovalAnswer]:
    """By somebody else than who asked. It is done in the same moment, or nothing is granted."""
    finish: list[AfterCommit] = []

    async def effect(connection: Connection) -> schemas.ApprovalAnswer:
        granted = await approvals.grant(connection, actor, approval_id, address=addresses.of(request.scope))
        finish[:] = [granted.finish]
        return schemas.approval_answer(granted.approval, actor, approvals.kinds)

    answer = await answer_once(request, database, actor.user_id, effect)
    for each in finish:
        await each()
    return answer


@post(
    "/api/admin/approvals/{approval_id:uuid}/refuse",
    operation_id="refuseApproval",
    summary="Refuse it, or take back what you asked for",
    tags=TAGS,
    guards=[requires_permission("approvals.read")],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def refuse_approval(
    request: AnyRequest,
    approval_id: FromPath[UUID],
    data: JSONBody[schemas.RefuseApproval],
    actor: CurrentActor,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.ApprovalAnswer]:
    """By whoever could grant it, or by who asked."""

    async def effect(connection: Connection) -> schemas.ApprovalAnswer:
        refused = await approvals.refuse(
            connection, actor, approval_id, reason=data.reason, address=addresses.of(request.scope)
        )
        return schemas.approval_answer(refused, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect)


@get(
    "/api/admin/operators",
    operation_id="listOperators",
    summary="Who looks after the house",
    tags=TAGS,
    guards=[requires_permission("operators.read")],
)
async def list_operators(
    operators: NamedDependency[Operators],
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.OperatorAnswer] | dict[str, Any]:
    """With what each may do; newest account first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await operators.everybody(connection, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.operator_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.OperatorAnswer)


@post(
    "/api/admin/operators/{user_id:uuid}/role",
    operation_id="askForRole",
    summary="Ask that somebody gets another role",
    tags=TAGS,
    guards=[requires_permission("operators.change"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_for_role(
    request: AnyRequest,
    user_id: FromPath[UUID],
    data: JSONBody[schemas.ChangeRole],
    actor: CurrentActor,
    operators: NamedDependency[Operators],
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.ApprovalAnswer]:
    """Answers the approval that another admin has to grant. Their sessions end with the change."""

    async def effect(connection: Connection) -> schemas.ApprovalAnswer:
        asked = await operators.ask_for_role(
            connection,
            actor,
            UserId(user_id),
            data.role,
            reason=data.reason,
            address=addresses.of(request.scope),
        )
        return schemas.approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (list_approvals, read_approval, grant_approval, refuse_approval, list_operators, ask_for_role)
