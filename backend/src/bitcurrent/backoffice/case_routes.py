"""/api/admin/cases: what people of compliance look into, and how two of them end it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice import case_schemas as schemas
from bitcurrent.compliance.cases.model import Case, CaseFilter, CaseKind, CaseState, Priority
from bitcurrent.compliance.cases.service import Cases
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.identity.model import Actor
from bitcurrent.identity.operators import Operators
from bitcurrent.identity.permissions import permissions_of
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Book = NamedDependency[Cases]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
KindFilter = Annotated[CaseKind | None, QueryParameter(name="kind", description="Only of this kind.")]
StateFilter = Annotated[CaseState | None, QueryParameter(name="state", description="Only these.")]
PriorityFilter = Annotated[Priority | None, QueryParameter(name="priority", description="Only these.")]
SubjectFilter = Annotated[str | None, QueryParameter(name="subject", max_length=200, description="Only about this.")]
WORK = requires_permission("compliance.review")


@get(
    "/api/admin/cases",
    operation_id="listCases",
    summary="What is looked into, and was",
    tags=TAGS,
    guards=[WORK],
)
async def list_cases(
    actor: CurrentActor,
    cases: Book,
    database: Where,
    kind: KindFilter = None,
    state_is: StateFilter = None,
    priority: PriorityFilter = None,
    user_id: FromQuery[UUID | None] = None,
    owner: FromQuery[UUID | None] = None,
    subject: SubjectFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.CaseAnswer] | dict[str, Any]:
    """Newest first."""
    which = CaseFilter(
        kind=kind,
        state=state_is,
        priority=priority,
        user_id=user_id,
        owner=owner,
        subject=subject,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await cases.search(connection, which)
    page = page_of(
        found,
        limit,
        item=lambda one: schemas.case_answer(one, reader=actor.user_id),
        key=lambda one: one.id,
    )
    return choose_fields(page, fields, schemas.CaseAnswer)


@get(
    "/api/admin/cases/{case_id:uuid}",
    operation_id="readCase",
    summary="One case with its history",
    tags=TAGS,
    guards=[WORK],
)
async def read_case(
    request: AnyRequest,
    case_id: FromPath[UUID],
    actor: CurrentActor,
    cases: Book,
    database: Where,
    addresses: Origin,
    fields: Fields = None,
) -> schemas.CaseWithHistory | dict[str, Any]:
    """Evidence and notes in the open; who read them is written down."""
    async with database.transaction() as connection:
        case, entries = await cases.history(connection, actor, case_id, address=addresses.of(request.scope))
    answer = schemas.CaseWithHistory(
        case=schemas.case_answer(case, reader=actor.user_id), history=[schemas.entry_answer(one) for one in entries]
    )
    return choose_fields(answer, fields, schemas.CaseWithHistory)


@post(
    "/api/admin/cases",
    operation_id="openCase",
    summary="Open a case by hand",
    tags=TAGS,
    guards=[WORK],
    opt={IDEMPOTENT: True},
    status_code=201,
)
async def open_case(
    request: AnyRequest,
    data: JSONBody[schemas.OpenCase],
    actor: CurrentActor,
    cases: Book,
    operators: NamedDependency[Operators],
    database: Where,
    addresses: Origin,
) -> Response[schemas.CaseAnswer]:
    """About a customer, or about nobody in particular."""

    async def effect(connection: Connection) -> schemas.CaseAnswer:
        about = None if data.user_id is None else UserId(data.user_id)
        if about is not None and await operators.role_of(connection, about) is None:
            raise Invalid("There is nobody with this id.", field="user_id")
        case_id = await cases.open(
            connection,
            kind=data.kind,
            user_id=about,
            subject=f"user:{about}" if about else "house",
            summary=data.summary,
            evidence={},
            priority=data.priority,
            dedupe_key=f"by_hand:{new_id()}",
            opened_by=actor.user_id,
        )
        case = await cases.note(connection, actor, case_id, data.note, address=addresses.of(request.scope))
        return schemas.case_answer(case, reader=actor.user_id)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@post(
    "/api/admin/cases/{case_id:uuid}/assign",
    operation_id="assignCase",
    summary="Have somebody look after a case",
    tags=TAGS,
    guards=[WORK],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def assign_case(
    request: AnyRequest,
    case_id: FromPath[UUID],
    data: JSONBody[schemas.AssignCase],
    actor: CurrentActor,
    cases: Book,
    operators: NamedDependency[Operators],
    database: Where,
    addresses: Origin,
) -> Response[schemas.CaseAnswer]:
    """Yourself, or another operator who may look into cases."""

    async def effect(connection: Connection) -> Case:
        owner = actor.user_id if data.owner is None else UserId(data.owner)
        role = await operators.role_of(connection, owner)
        if role is None or "compliance.review" not in permissions_of(role):
            raise Invalid("This is nobody who may look into cases.", field="owner")
        return await cases.assign(connection, actor, case_id, owner, address=addresses.of(request.scope))

    return await _answer(request, database, actor, effect)


@post(
    "/api/admin/cases/{case_id:uuid}/notes",
    operation_id="noteCase",
    summary="Write something down",
    tags=TAGS,
    guards=[WORK],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def note_case(
    request: AnyRequest,
    case_id: FromPath[UUID],
    data: JSONBody[schemas.NoteCase],
    actor: CurrentActor,
    cases: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.CaseAnswer]:
    """Notes are added and never changed."""

    async def effect(connection: Connection) -> Case:
        return await cases.note(connection, actor, case_id, data.text, address=addresses.of(request.scope))

    return await _answer(request, database, actor, effect)


@post(
    "/api/admin/cases/{case_id:uuid}/proposal",
    operation_id="proposeOutcome",
    summary="Propose how a case ends",
    tags=TAGS,
    guards=[WORK],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def propose_outcome(
    request: AnyRequest,
    case_id: FromPath[UUID],
    data: JSONBody[schemas.ProposeOutcome],
    actor: CurrentActor,
    cases: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.CaseAnswer]:
    """Another person has to confirm it."""

    async def effect(connection: Connection) -> Case:
        return await cases.propose(
            connection, actor, case_id, data.outcome, reason=data.reason, address=addresses.of(request.scope)
        )

    return await _answer(request, database, actor, effect)


@post(
    "/api/admin/cases/{case_id:uuid}/confirm",
    operation_id="confirmOutcome",
    summary="Close a case as was proposed",
    tags=TAGS,
    guards=[WORK, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def confirm_outcome(
    request: AnyRequest,
    case_id: FromPath[UUID],
    actor: CurrentActor,
    cases: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.CaseAnswer]:
    """By somebody else than who proposed it. What follows from the outcome is done in the same moment."""

    async def effect(connection: Connection) -> Case:
        return await cases.confirm(connection, actor, case_id, address=addresses.of(request.scope))

    return await _answer(request, database, actor, effect)


@post(
    "/api/admin/cases/{case_id:uuid}/refuse",
    operation_id="refuseOutcome",
    summary="Say no to what was proposed",
    tags=TAGS,
    guards=[WORK],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def refuse_outcome(
    request: AnyRequest,
    case_id: FromPath[UUID],
    data: JSONBody[schemas.CaseReason],
    actor: CurrentActor,
    cases: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.CaseAnswer]:
    """Or take back what you proposed yourself: the case is open again."""

    async def effect(connection: Connection) -> Case:
        return await cases.refuse(connection, actor, case_id, reason=data.reason, address=addresses.of(request.scope))

    return await _answer(request, database, actor, effect)


@post(
    "/api/admin/cases/{case_id:uuid}/reopen",
    operation_id="reopenCase",
    summary="Look into a closed case again",
    tags=TAGS,
    guards=[WORK, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def reopen_case(
    request: AnyRequest,
    case_id: FromPath[UUID],
    data: JSONBody[schemas.CaseReason],
    actor: CurrentActor,
    cases: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.CaseAnswer]:
    """What followed from its end is taken back where it can be."""

    async def effect(connection: Connection) -> Case:
        return await cases.reopen(connection, actor, case_id, reason=data.reason, address=addresses.of(request.scope))

    return await _answer(request, database, actor, effect)


async def _answer(
    request: AnyRequest, database: Database, actor: Actor, work: Callable[[Connection], Awaitable[Case]]
) -> Response[schemas.CaseAnswer]:
    async def effect(connection: Connection) -> schemas.CaseAnswer:
        return schemas.case_answer(await work(connection), reader=actor.user_id)

    return await answer_once(request, database, actor.user_id, effect)


ROUTES = (
    list_cases,
    read_case,
    open_case,
    assign_case,
    note_case,
    propose_outcome,
    confirm_outcome,
    refuse_outcome,
    reopen_case,
)
