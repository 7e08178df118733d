"""/api/admin: freezing customers, notes about them, and money that two operators give or take."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice import restriction_schemas as schemas
from bitcurrent.backoffice.adjustments.service import Adjustments, Wish
from bitcurrent.backoffice.notes.service import Notes
from bitcurrent.backoffice.restricting import Restricting
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.compliance.restrictions import service as restrictions
from bitcurrent.compliance.restrictions.model import Ended, Restriction, RestrictionFilter, Scope
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.identity.service import Identity
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
ScopeFilter = Annotated[Scope | None, QueryParameter(name="scope", description="Only of this.")]
StandingFilter = Annotated[bool | None, QueryParameter(name="standing", description="Only those that stand, or not.")]
CodeFilter = Annotated[str | None, QueryParameter(name="code", max_length=100, description="Only of this cause.")]
CurrencyFilter = Annotated[str | None, QueryParameter(name="currency", max_length=20, description="Only of this one.")]


@get(
    "/api/admin/restrictions",
    operation_id="listRestrictions",
    summary="Who may not do what",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def list_restrictions(
    database: Where,
    user_id: FromQuery[UUID | None] = None,
    scope_is: ScopeFilter = None,
    standing: StandingFilter = None,
    code: CodeFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.RestrictionAnswer] | dict[str, Any]:
    """Newest first, with who began each and why."""
    which = RestrictionFilter(
        user_id=user_id, scope=scope_is, standing=standing, code=code, before=read_cursor(cursor, UUID), limit=limit + 1
    )
    async with database.read() as connection:
        found = await restrictions.search(connection, which)
    page = page_of(found, limit, item=schemas.restriction_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.RestrictionAnswer)


@post(
    "/api/admin/customers/{user_id:uuid}/restrictions",
    operation_id="restrictCustomer",
    summary="Freeze a customer's orders, withdrawals or login",
    tags=TAGS,
    guards=[requires_permission("customers.freeze"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
)
async def restrict_customer(
    request: AnyRequest,
    user_id: FromPath[UUID],
    data: JSONBody[schemas.Restrict],
    actor: CurrentActor,
    restricting: NamedDependency[Restricting],
    identity: NamedDependency[Identity],
    database: Where,
    addresses: Origin,
) -> Response[schemas.RestrictionAnswer]:
    """At once, by one person. Taking the login ends every session and API key. What stands already is answered."""
    ended = Ended()

    async def effect(connection: Connection) -> schemas.RestrictionAnswer:
        nonlocal ended
        made, ended = await restricting.restrict(
            connection,
            actor,
            UserId(user_id),
            data.scope,
            reason=data.reason,
            words=data.words,
            address=addresses.of(request.scope),
        )
        return schemas.restriction_answer(made)

    answer = await answer_once(request, database, actor.user_id, effect, status=201)
    await identity.announce(sessions=ended.sessions, keys=ended.keys)
    return answer


@post(
    "/api/admin/restrictions/{restriction_id:uuid}/lift",
    operation_id="liftRestriction",
    summary="Give back what was frozen, or ask for it",
    tags=TAGS,
    guards=[requires_permission("customers.freeze"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def lift_restriction(
    request: AnyRequest,
    restriction_id: FromPath[UUID],
    data: JSONBody[schemas.Lift],
    actor: CurrentActor,
    restricting: NamedDependency[Restricting],
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.LiftAnswer]:
    """What compliance or a rule began waits for the grant of a second person; the rest ends at once."""

    async def effect(connection: Connection) -> schemas.LiftAnswer:
        done = await restricting.lift(
            connection, actor, restriction_id, reason=data.reason, address=addresses.of(request.scope)
        )
        if isinstance(done, Restriction):
            return schemas.LiftAnswer(restriction=schemas.restriction_answer(done), approval=None)
        return schemas.LiftAnswer(restriction=None, approval=approval_answer(done, actor, approvals.kinds))

    return await answer_once(request, database, actor.user_id, effect)


@get(
    "/api/admin/customers/{user_id:uuid}/notes",
    operation_id="listNotes",
    summary="What operators wrote about a customer",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def list_notes(
    user_id: FromPath[UUID],
    notes: NamedDependency[Notes],
    identity: NamedDependency[Identity],
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.NoteAnswer] | dict[str, Any]:
    """Newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        await identity.user(connection, UserId(user_id))
        found = await notes.of_customer(connection, UserId(user_id), before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.note_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.NoteAnswer)


@post(
    "/api/admin/customers/{user_id:uuid}/notes",
    operation_id="addNote",
    summary="Write a note about a customer",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
    opt={IDEMPOTENT: True},
)
async def add_note(
    request: AnyRequest,
    user_id: FromPath[UUID],
    data: JSONBody[schemas.AddNote],
    actor: CurrentActor,
    notes: NamedDependency[Notes],
    database: Where,
    addresses: Origin,
) -> Response[schemas.NoteAnswer]:
    """It stays as it is."""

    async def effect(connection: Connection) -> schemas.NoteAnswer:
        made = await notes.add(connection, actor, UserId(user_id), data.text, address=addresses.of(request.scope))
        return schemas.note_answer(made)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@get(
    "/api/admin/adjustments",
    operation_id="listAdjustments",
    summary="What operators gave customers, or took",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_adjustments(
    adjustments: NamedDependency[Adjustments],
    database: Where,
    user_id: FromQuery[UUID | None] = None,
    currency: CurrencyFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.AdjustmentAnswer] | dict[str, Any]:
    """Newest first, those that were granted. What waits: GET /api/admin/approvals?kind=adjustment."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await adjustments.search(
            connection,
            user_id=UserId(user_id) if user_id else None,
            currency=currency,
            before=before,
            limit=limit + 1,
        )
    page = page_of(found, limit, item=schemas.adjustment_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.AdjustmentAnswer)


@post(
    "/api/admin/adjustments",
    operation_id="askAdjustment",
    summary="Ask to give a customer money, or to take it",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_adjustment(
    request: AnyRequest,
    data: JSONBody[schemas.AskAdjustment],
    actor: CurrentActor,
    adjustments: NamedDependency[Adjustments],
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that somebody else of finance has to grant. Nothing moves before."""
    wish = Wish(
        user_id=UserId(data.user_id),
        currency=data.currency,
        amount=data.amount,
        reason=data.reason,
        evidence=data.evidence,
    )

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await adjustments.ask(connection, actor, wish, address=addresses.of(request.scope))
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (
    list_restrictions,
    restrict_customer,
    lift_restriction,
    list_notes,
    add_note,
    list_adjustments,
    ask_adjustment,
)
