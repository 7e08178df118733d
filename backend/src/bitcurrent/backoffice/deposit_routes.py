"""/api/admin/deposits and /api/admin/campaigns: who paid in, what is wrong with it, and what deposits earn."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice import funding_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.funding.bonuses.model import CampaignState
from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.deposits.model import DepositFilter, DepositState
from bitcurrent.funding.deposits.resolving import Resolving
from bitcurrent.funding.deposits.service import Deposits
from bitcurrent.funding.inbox.service import Inbox
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
Desk = NamedDependency[Deposits]
Gifts = NamedDependency[Bonuses]
States = Annotated[list[DepositState] | None, QueryParameter(name="state", description="Only these; may be repeated.")]
ProblemFilter = Annotated[
    bool | None, QueryParameter(name="problem", description="Only those that need a person, or only those that do not.")
]
CampaignFilter = Annotated[CampaignState | None, QueryParameter(name="state", description="Only these.")]
CardFilter = Annotated[
    str | None, QueryParameter(name="card_last4", pattern=r"^[0-9]{4}$", description="Only by such a card.")
]
CurrencyFilter = Annotated[str | None, QueryParameter(name="currency", max_length=3, description="Only this one.")]


@get(
    "/api/admin/deposits",
    operation_id="listAllDeposits",
    summary="Everybody's deposits",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_all_deposits(
    deposits: Desk,
    database: Where,
    states: States = None,
    problem: ProblemFilter = None,
    currency: CurrencyFilter = None,
    card_last4: CardFilter = None,
    user_id: FromQuery[UUID | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.OperatorsDeposit] | dict[str, Any]:
    """Newest first. With `problem=true` the queue of those that somebody has to look at."""
    which = DepositFilter(
        user_id=UserId(user_id) if user_id else None,
        states=states,
        problem=problem,
        currency=currency,
        card_last4=card_last4,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await deposits.search(connection, which)
    page = page_of(found, limit, item=schemas.operators_deposit, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.OperatorsDeposit)


@get(
    "/api/admin/deposits/{deposit_id:uuid}",
    operation_id="readAnyDeposit",
    summary="One deposit with every webhook about it",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def read_any_deposit(
    deposit_id: FromPath[UUID], deposits: Desk, inbox: NamedDependency[Inbox], database: Where
) -> schemas.DepositWithEvents:
    """Whose it is, what the processor said of it and when, and what became of each word."""
    async with database.read() as connection:
        deposit = await deposits.read(connection, None, deposit_id)
        events = await inbox.about(
            connection, object_id=deposit.checkout_id, payment_intent=deposit.payment_intent, limit=500
        )
    return schemas.DepositWithEvents(
        deposit=schemas.operators_deposit(deposit), events=[schemas.event_answer(each) for each in events]
    )


@get(
    "/api/admin/campaigns",
    operation_id="listCampaigns",
    summary="Campaigns that give bonuses, or gave, or may give",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_campaigns(
    bonuses: Gifts,
    database: Where,
    state_is: CampaignFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.CampaignAnswer] | dict[str, Any]:
    """Every version, newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await bonuses.campaigns(connection, state=state_is, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.campaign_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.CampaignAnswer)


@post(
    "/api/admin/campaigns",
    operation_id="draftCampaign",
    summary="Write a new version of a campaign",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
)
async def draft_campaign(
    request: AnyRequest,
    data: JSONBody[schemas.DraftCampaign],
    actor: CurrentActor,
    bonuses: Gifts,
    database: Where,
    addresses: Origin,
) -> Response[schemas.CampaignAnswer]:
    """A draft gives nothing until two people have switched it on. Rules are never changed: write the next version."""

    async def effect(connection: Connection) -> schemas.CampaignAnswer:
        made = await bonuses.draft(connection, actor, data.rules(), address=addresses.of(request.scope))
        return schemas.campaign_answer(made)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@post(
    "/api/admin/campaigns/{campaign_id:uuid}/activate",
    operation_id="askToActivateCampaign",
    summary="Ask that a campaign gives from now on",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_to_activate_campaign(
    request: AnyRequest,
    campaign_id: FromPath[UUID],
    data: JSONBody[schemas.ActivateCampaign],
    actor: CurrentActor,
    bonuses: Gifts,
    approvals: NamedDependency[Approvals],
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that another person has to grant; then it takes the place of the version before it."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await bonuses.ask_to_activate(
            connection, actor, campaign_id, reason=data.reason, address=addresses.of(request.scope)
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


@post(
    "/api/admin/deposits/{deposit_id:uuid}/resolve",
    operation_id="askToResolveDeposit",
    summary="Ask that a flagged deposit is credited or given back",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_to_resolve_deposit(
    request: AnyRequest,
    deposit_id: FromPath[UUID],
    data: JSONBody[schemas.ResolveDeposit],
    actor: CurrentActor,
    resolving: NamedDependency[Resolving],
    approvals: NamedDependency[Approvals],
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Reads the payment at the processor, and answers the approval that another person has to grant."""
    payment = await resolving.look(deposit_id)

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await resolving.ask(
            connection,
            actor,
            deposit_id,
            payment,
            data.outcome,
            reason=data.reason,
            address=addresses.of(request.scope),
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (
    list_all_deposits,
    read_any_deposit,
    ask_to_resolve_deposit,
    list_campaigns,
    draft_campaign,
    ask_to_activate_campaign,
)
