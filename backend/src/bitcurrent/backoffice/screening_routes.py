"""/api/admin/screenings and /api/admin/sanctions: who was compared with which lists, and what came of it."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice import screening_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.compliance.screening.model import Occasion, Outcome, ScreeningFilter
from bitcurrent.compliance.screening.service import Screenings
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals, read_reason
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.identity.operators import Operators
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Book = NamedDependency[Screenings]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
OutcomeFilter = Annotated[Outcome | None, QueryParameter(name="outcome", description="Only these.")]
OccasionFilter = Annotated[Occasion | None, QueryParameter(name="occasion", description="Only of this occasion.")]
ScoreFilter = Annotated[
    int | None, QueryParameter(name="score_min", ge=0, le=100, description="Only with at least so many points.")
]
WORK = requires_permission("compliance.review")
RUNS_SHOWN = 10


@get(
    "/api/admin/screenings",
    operation_id="listScreenings",
    summary="Who was compared with sanctions lists",
    tags=TAGS,
    guards=[WORK],
)
async def list_screenings(
    screenings: Book,
    database: Where,
    user_id: FromQuery[UUID | None] = None,
    outcome: OutcomeFilter = None,
    occasion: OccasionFilter = None,
    score_min: ScoreFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.ScreeningAnswer] | dict[str, Any]:
    """Newest first, without names."""
    which = ScreeningFilter(
        user_id=user_id,
        outcome=outcome,
        occasion=occasion,
        score_min=score_min,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await screenings.search(connection, which)
    page = page_of(found, limit, item=schemas.screening_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.ScreeningAnswer)


@get(
    "/api/admin/screenings/{screening_id:uuid}",
    operation_id="readScreening",
    summary="One screening with its matches",
    tags=TAGS,
    guards=[WORK],
)
async def read_screening(
    request: AnyRequest,
    screening_id: FromPath[UUID],
    actor: CurrentActor,
    screenings: Book,
    database: Where,
    addresses: Origin,
    fields: Fields = None,
) -> schemas.ScreeningWithMatches | dict[str, Any]:
    """With the name that was asked for; who read it is written down."""
    async with database.transaction() as connection:
        found = await screenings.read(connection, actor, screening_id, address=addresses.of(request.scope))
    return choose_fields(schemas.screening_with_matches(found), fields, schemas.ScreeningWithMatches)


@post(
    "/api/admin/screenings",
    operation_id="screenCustomer",
    summary="Compare one customer with the lists now",
    tags=TAGS,
    guards=[WORK],
    opt={IDEMPOTENT: True},
    status_code=201,
)
async def screen_customer(
    request: AnyRequest,
    data: JSONBody[schemas.ScreenCustomer],
    actor: CurrentActor,
    screenings: Book,
    operators: NamedDependency[Operators],
    database: Where,
) -> Response[schemas.ScreeningAnswer]:
    """What looks like a listed person opens a case, and withdrawals wait until it is closed."""

    async def effect(connection: Connection) -> schemas.ScreeningAnswer:
        read_reason(data.reason)
        about = UserId(data.user_id)
        if await operators.role_of(connection, about) is None:
            raise Invalid("There is nobody with this id.", field="user_id")
        found = await screenings.screen_customer(connection, about, occasion="by_hand")
        return schemas.screening_answer(found)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@get(
    "/api/admin/sanctions",
    operation_id="readSanctions",
    summary="The lists in force",
    tags=TAGS,
    guards=[WORK],
)
async def read_sanctions(
    screenings: Book, database: Where, fields: Fields = None
) -> schemas.SanctionsAnswer | dict[str, Any]:
    """With the rules, and how far everybody was compared with what is new."""
    async with database.read() as connection:
        lists = await screenings.lists_in_force(connection)
        rules = await screenings.rules(connection)
        runs = await screenings.rescreenings(connection, before=None, limit=RUNS_SHOWN)
    answer = schemas.SanctionsAnswer(
        lists=[schemas.list_answer(one) for one in lists],
        rules_version=rules.version,
        rules=msgspec.to_builtins(rules.rules),
        rescreenings=[schemas.rescreening_answer(one) for one in runs],
    )
    return choose_fields(answer, fields, schemas.SanctionsAnswer)


@get(
    "/api/admin/sanctions/versions",
    operation_id="listSanctionsVersions",
    summary="Every version of every list",
    tags=TAGS,
    guards=[WORK],
)
async def list_versions(
    screenings: Book,
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.ListAnswer] | dict[str, Any]:
    """Newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await screenings.list_versions(connection, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.list_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.ListAnswer)


@post(
    "/api/admin/sanctions/rescreen",
    operation_id="rescreenEverybody",
    summary="Compare every customer anew",
    tags=TAGS,
    guards=[WORK],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def rescreen(
    request: AnyRequest,
    data: JSONBody[schemas.RescreenAll],
    actor: CurrentActor,
    screenings: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.RescreeningAnswer]:
    """The worker does it; one at a time."""

    async def effect(connection: Connection) -> schemas.RescreeningAnswer:
        run = await screenings.rescreen(
            connection, actor, reason=read_reason(data.reason), address=addresses.of(request.scope)
        )
        return schemas.rescreening_answer(run)

    return await answer_once(request, database, actor.user_id, effect, status=202)


@post(
    "/api/admin/sanctions/rules",
    operation_id="askForScreeningRules",
    summary="Ask for other thresholds of screening",
    tags=TAGS,
    guards=[WORK, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_for_rules(
    request: AnyRequest,
    data: JSONBody[schemas.ChangeRules],
    actor: CurrentActor,
    screenings: Book,
    approvals: NamedDependency[Approvals],
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that another person has to grant. What was decided before stays decided."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await screenings.ask_for_rules(
            connection, actor, data.rules, reason=data.reason, address=addresses.of(request.scope)
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (list_screenings, read_screening, screen_customer, read_sanctions, list_versions, rescreen, ask_for_rules)
