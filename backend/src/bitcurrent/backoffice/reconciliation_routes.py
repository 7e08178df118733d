"""/api/admin/reconciliation: our books beside theirs, and the breaks that people look after."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice import reconciliation_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.identity.operators import Operators
from bitcurrent.identity.permissions import permissions_of
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.reconciliation import reconciling
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.reconciliation.model import BreakFilter, BreakState, Party
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Cases = NamedDependency[Breaks]
Book = NamedDependency[Approvals]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
StateFilter = Annotated[
    BreakState | None, QueryParameter(name="state", description="Only these; all that were ever opened by default.")
]
PartyFilter = Annotated[Party | None, QueryParameter(name="party", description="Only with this party.")]
AssetFilter = Annotated[str | None, QueryParameter(name="asset", max_length=20, description="Only of this asset.")]
AgeFilter = Annotated[
    int | None,
    QueryParameter(name="older_than_seconds", ge=0, le=315_576_000, description="Only those first seen so long ago."),
]
READ = requires_permission("money.read")
DECIDE = requires_permission("money.approve")


@get(
    "/api/admin/reconciliation",
    operation_id="readReconciliation",
    summary="Our books beside those of venue, processor and bank",
    tags=TAGS,
    guards=[READ],
)
async def read_reconciliation(
    breaks: Cases, database: Where, fields: Fields = None
) -> schemas.ReconciliationAnswer | dict[str, Any]:
    """As of the newest comparison; the worker compares every minute."""
    async with database.read() as connection:
        run = await reconciling.last_run(connection)
        whole = await reconciling.last_run(connection, wholly=True)
        count, oldest = await breaks.count(connection)
    answer = schemas.reconciliation_answer(run, whole, open_breaks=count, oldest=oldest)
    return choose_fields(answer, fields, schemas.ReconciliationAnswer)


@get(
    "/api/admin/breaks",
    operation_id="listBreaks",
    summary="What did not agree",
    tags=TAGS,
    guards=[READ],
)
async def list_breaks(
    breaks: Cases,
    database: Where,
    state_is: StateFilter = None,
    party: PartyFilter = None,
    asset: AssetFilter = None,
    owner: FromQuery[UUID | None] = None,
    older_than: AgeFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.BreakAnswer] | dict[str, Any]:
    """Newest first."""
    which = BreakFilter(
        state=state_is,
        party=party,
        asset=asset,
        owner=owner,
        older_than_seconds=older_than,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await breaks.search(connection, which)
    page = page_of(found, limit, item=schemas.break_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.BreakAnswer)


@get(
    "/api/admin/breaks/{break_id:uuid}",
    operation_id="readBreak",
    summary="One break",
    tags=TAGS,
    guards=[READ],
)
async def read_break(
    break_id: FromPath[UUID], breaks: Cases, database: Where, fields: Fields = None
) -> schemas.BreakAnswer | dict[str, Any]:
    """With who looks after it, or how it ended."""
    async with database.read() as connection:
        found = await breaks.read(connection, break_id)
    return choose_fields(schemas.break_answer(found), fields, schemas.BreakAnswer)


@post(
    "/api/admin/breaks/{break_id:uuid}/assign",
    operation_id="assignBreak",
    summary="Have somebody look after a break",
    tags=TAGS,
    guards=[DECIDE],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def assign_break(
    request: AnyRequest,
    break_id: FromPath[UUID],
    data: JSONBody[schemas.AssignBreak],
    actor: CurrentActor,
    breaks: Cases,
    operators: NamedDependency[Operators],
    database: Where,
    addresses: Origin,
) -> Response[schemas.BreakAnswer]:
    """Yourself, or another operator who may see money."""

    async def effect(connection: Connection) -> schemas.BreakAnswer:
        owner = actor.user_id if data.owner is None else UserId(data.owner)
        role = await operators.role_of(connection, owner)
        if role is None or "money.read" not in permissions_of(role):
            raise Invalid("This is nobody who may look after money.", field="owner")
        assigned = await breaks.assign(connection, actor, break_id, owner, address=addresses.of(request.scope))
        return schemas.break_answer(assigned)

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/admin/breaks/{break_id:uuid}/resolve",
    operation_id="resolveBreak",
    summary="End a break by saying why",
    tags=TAGS,
    guards=[DECIDE, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def resolve_break(
    request: AnyRequest,
    break_id: FromPath[UUID],
    data: JSONBody[schemas.ResolveBreak],
    actor: CurrentActor,
    breaks: Cases,
    database: Where,
    addresses: Origin,
) -> Response[schemas.BreakAnswer]:
    """No money moves. A balance that still differs is refused. Withdrawals run again when their stop is ended."""

    async def effect(connection: Connection) -> schemas.BreakAnswer:
        resolved = await breaks.resolve(
            connection, actor, break_id, note=data.note, address=addresses.of(request.scope)
        )
        return schemas.break_answer(resolved)

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/admin/breaks/{break_id:uuid}/journal",
    operation_id="askForBreakJournal",
    summary="Ask that a difference is booked",
    tags=TAGS,
    guards=[DECIDE, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_for_journal(
    request: AnyRequest,
    break_id: FromPath[UUID],
    data: JSONBody[schemas.BookBreak],
    actor: CurrentActor,
    breaks: Cases,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that another person has to grant; the journal is posted and the break resolved with that."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await breaks.ask_for_journal(
            connection,
            actor,
            break_id,
            counterpart=data.counterpart,
            amount=data.amount,
            reason=data.reason,
            address=addresses.of(request.scope),
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (read_reconciliation, list_breaks, read_break, assign_break, resolve_break, ask_for_journal)
