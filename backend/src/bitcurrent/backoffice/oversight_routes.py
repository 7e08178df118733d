"""/api/admin: everybody's orders, the venue and what it said, schedules of fees, the audit log and its proof."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter

from bitcurrent.audit import proving
from bitcurrent.audit.model import ActFilter, ActorKind
from bitcurrent.audit.service import search_acts
from bitcurrent.backoffice import oversight_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.trading import oversight
from bitcurrent.trading.fees import FeeSchedules
from bitcurrent.trading.model import FeeRate, OrderState
from bitcurrent.trading.oversight_model import AnyOrderFilter
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import (
    LIMIT_DEFAULT,
    CursorText,
    Fields,
    Limit,
    MomentText,
    choose_fields,
    page_of,
    read_cursor,
    read_moment,
)
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
States = Annotated[list[OrderState] | None, QueryParameter(name="state", description="Only these; may be repeated.")]
SymbolFilter = Annotated[str | None, QueryParameter(name="symbol", max_length=40, description="As in BTC/USD.")]
OpenFilter = Annotated[bool | None, QueryParameter(name="open", description="Only those that have not ended, or have.")]
StuckFilter = Annotated[
    bool | None, QueryParameter(name="stuck", description="Only those that have waited over a minute for the venue.")
]
VenueFilter = Annotated[str | None, QueryParameter(name="venue_order_id", max_length=100, description="Of the venue.")]
OutcomeFilter = Annotated[str | None, QueryParameter(name="outcome", max_length=20, description="Only these.")]
WaitingFilter = Annotated[
    bool | None, QueryParameter(name="waiting", description="Only those that wait for a person, or only the others.")
]
KindFilter = Annotated[str | None, QueryParameter(name="kind", max_length=100, description="Only these.")]
ActorKindFilter = Annotated[ActorKind | None, QueryParameter(name="actor_kind", description="Only such.")]
ActionFilter = Annotated[
    str | None,
    QueryParameter(name="action", max_length=100, description="As in session.opened; `session.` means all of them."),
]
SubjectFilter = Annotated[
    str | None, QueryParameter(name="subject", max_length=200, description="As in user:<id> or withdrawal:<id>.")
]


@get(
    "/api/admin/orders",
    operation_id="listAllOrders",
    summary="Everybody's orders",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def list_all_orders(
    database: Where,
    user_id: FromQuery[UUID | None] = None,
    states: States = None,
    symbol: SymbolFilter = None,
    is_open: OpenFilter = None,
    stuck: StuckFilter = None,
    venue_order_id: VenueFilter = None,
    after: MomentText = None,
    until: MomentText = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.AdminOrder] | dict[str, Any]:
    """Newest first. `stuck=true` is the queue of those that the venue has not answered for."""
    which = AnyOrderFilter(
        user_id=user_id,
        market=symbol,
        states=None if states is None else [state.value for state in states],
        open_only=is_open,
        stuck=stuck,
        venue_order_id=venue_order_id,
        after=read_moment("after", after),
        until=read_moment("until", until),
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await oversight.search_orders(connection, which)
    page = page_of(found, limit, item=schemas.admin_order, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.AdminOrder)


@get(
    "/api/admin/venue",
    operation_id="readVenueState",
    summary="How we stand with the venue",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def read_venue_state(database: Where, fields: Fields = None) -> schemas.VenueAnswer | dict[str, Any]:
    """Open orders by state, what waits, when it last told something, and when it was last asked."""
    async with database.read() as connection:
        state = await oversight.venue_state(connection)
    answer = schemas.VenueAnswer(**{name: getattr(state, name) for name in schemas.VenueAnswer.__struct_fields__})
    return choose_fields(answer, fields, schemas.VenueAnswer)


@get(
    "/api/admin/venue/events",
    operation_id="listVenueEvents",
    summary="What the venue said",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def list_venue_events(
    database: Where,
    outcome: OutcomeFilter = None,
    waiting: WaitingFilter = None,
    kind: KindFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.VenueEventAnswer] | dict[str, Any]:
    """Newest first. `waiting=true` is the queue of what nobody understood."""
    before = read_cursor(cursor, tuple[datetime, str, str])
    async with database.read() as connection:
        found = await oversight.search_events(
            connection, outcome=outcome, unresolved=waiting, kind=kind, before=before, limit=limit + 1
        )
    page = page_of(found, limit, item=schemas.event_answer, key=lambda one: (one.received_at, one.source, one.event_id))
    return choose_fields(page, fields, schemas.VenueEventAnswer)


@post(
    "/api/admin/venue/events/resolve",
    operation_id="resolveVenueEvent",
    summary="Say what a message of the venue was",
    tags=TAGS,
    guards=[requires_permission("money.read"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def resolve_venue_event(
    request: AnyRequest,
    data: JSONBody[schemas.ResolveEvent],
    actor: CurrentActor,
    database: Where,
    addresses: Origin,
) -> Response[schemas.VenueEventAnswer]:
    """Nothing moves by it: a difference that is left is found by reconciliation, and booked there by four eyes."""

    async def effect(connection: Connection) -> schemas.VenueEventAnswer:
        resolved = await oversight.resolve_event(
            connection,
            actor,
            data.source,
            data.event_id,
            reason=data.reason,
            address=addresses.of(request.scope),
        )
        return schemas.event_answer(resolved)

    return await answer_once(request, database, actor.user_id, effect)


@get(
    "/api/admin/fees",
    operation_id="listFeeSchedules",
    summary="Every version of the trading fees",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_fee_schedules(
    fee_schedules: NamedDependency[FeeSchedules],
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.ScheduleAnswer] | dict[str, Any]:
    """Newest first. The one in force is the one that began last; orders keep the fee that they were placed with."""
    before = read_cursor(cursor, int)
    async with database.read() as connection:
        found = await fee_schedules.schedules(connection, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.schedule_answer, key=lambda one: one.version)
    return choose_fields(page, fields, schemas.ScheduleAnswer)


@post(
    "/api/admin/fees",
    operation_id="askFeeSchedule",
    summary="Ask for new trading fees",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_fee_schedule(
    request: AnyRequest,
    data: JSONBody[schemas.AskFees],
    actor: CurrentActor,
    fee_schedules: NamedDependency[FeeSchedules],
    approvals: NamedDependency[Approvals],
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that somebody else of finance has to grant. Never for the past."""
    if data.effective_from is not None and data.effective_from.tzinfo is None:
        raise Invalid("A moment has its zone, such as 2026-01-31T12:00:00Z.", field="effective_from")
    tiers = [FeeRate(tier.volume_from, tier.maker_bps, tier.taker_bps) for tier in data.tiers]

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await fee_schedules.ask(
            connection,
            actor,
            tiers,
            effective_from=data.effective_from,
            reason=data.reason,
            address=addresses.of(request.scope),
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


@get(
    "/api/admin/audit",
    operation_id="listActs",
    summary="Who did what",
    tags=TAGS,
    guards=[requires_permission("audit.read")],
)
async def list_acts(
    database: Where,
    actor_id: FromQuery[UUID | None] = None,
    actor_kind: ActorKindFilter = None,
    action: ActionFilter = None,
    subject: SubjectFilter = None,
    since: MomentText = None,
    until: MomentText = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.ActAnswer] | dict[str, Any]:
    """The audit log, newest first."""
    which = ActFilter(
        actor_id=actor_id,
        actor_kind=actor_kind.value if actor_kind else None,
        action=action,
        subject=subject,
        since=read_moment("since", since),
        until=read_moment("until", until),
        before=read_cursor(cursor, int),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await search_acts(connection, which)
    page = page_of(found, limit, item=schemas.act_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.ActAnswer)


@get(
    "/api/admin/audit/verification",
    operation_id="listAuditVerifications",
    summary="Whether the audit log holds",
    tags=TAGS,
    guards=[requires_permission("audit.read")],
)
async def list_audit_verifications(
    database: Where, limit: Limit = LIMIT_DEFAULT, cursor: CursorText = None, fields: Fields = None
) -> Page[schemas.ProofAnswer] | dict[str, Any]:
    """Newest first: the house verifies the whole chain once a day, and whenever somebody asks."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await proving.proofs(connection, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.proof_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.ProofAnswer)


@post(
    "/api/admin/audit/verification",
    operation_id="askAuditVerification",
    summary="Have the audit log verified",
    tags=TAGS,
    guards=[requires_permission("audit.read"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_audit_verification(
    request: AnyRequest, actor: CurrentActor, database: Where, addresses: Origin
) -> Response[schemas.ProofAnswer]:
    """The worker reads the whole chain; look for its answer in the list. One at a time."""

    async def effect(connection: Connection) -> schemas.ProofAnswer:
        asked = await proving.ask(
            connection, asked_by=actor.user_id, role=actor.role, address=addresses.of(request.scope)
        )
        return schemas.proof_answer(asked)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (
    list_all_orders,
    read_venue_state,
    list_venue_events,
    resolve_venue_event,
    list_fee_schedules,
    ask_fee_schedule,
    list_acts,
    list_audit_verifications,
    ask_audit_verification,
)
