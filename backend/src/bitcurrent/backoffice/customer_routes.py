"""/api/admin/customers: finding them, everything about one of them, and who they are in plain words."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.backoffice import customer_schemas as schemas
from bitcurrent.backoffice.customer_desk import CustomerDesk
from bitcurrent.compliance.monitoring.service import Monitoring
from bitcurrent.identity import customers
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import read_reason
from bitcurrent.identity.customers_model import CustomerFilter
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.identity.kyc import KycLevel
from bitcurrent.identity.model import Actor, Status
from bitcurrent.identity.permissions import permissions_of
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE
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
Desk = NamedDependency[CustomerDesk]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
Question = Annotated[
    str | None,
    QueryParameter(
        name="q",
        min_length=1,
        max_length=320,
        description="A whole e-mail address, a telephone number (+44…), a card's last four digits, or the id of a "
        "customer, an order, a deposit or a withdrawal.",
    ),
]
StatusFilter = Annotated[Status | None, QueryParameter(name="status", description="Only these.")]
LevelFilter = Annotated[KycLevel | None, QueryParameter(name="kyc_level", description="Only verified so far.")]


@get(
    "/api/admin/customers",
    operation_id="listCustomers",
    summary="Look for customers",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def list_customers(
    request: AnyRequest,
    actor: CurrentActor,
    customer_desk: Desk,
    database: Where,
    addresses: Origin,
    q: Question = None,
    status_is: StatusFilter = None,
    kyc_level: LevelFilter = None,
    since: MomentText = None,
    until: MomentText = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.CustomerLine] | dict[str, Any]:
    """Newest account first, masked. That somebody looked is written down, and not what they looked for."""
    which = CustomerFilter(
        status=status_is,
        kyc_level=kyc_level,
        since=read_moment("since", since),
        until=read_moment("until", until),
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    async with database.transaction() as connection:
        ids = None if q is None else await customer_desk.find(connection, q)
        found = await customers.search(connection, customer_desk.identity, which.among(ids))
        page = page_of(found, limit, item=schemas.customer_line, key=lambda one: one.id)
        await _note(
            connection,
            actor,
            "customers.searched",
            "users",
            addresses.of(request.scope),
            details={"question": q is not None, "found": len(page.items)},
        )
    return choose_fields(page, fields, schemas.CustomerLine)


@get(
    "/api/admin/customers/{user_id:uuid}",
    operation_id="readCustomer",
    summary="Everything about one customer",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def read_customer(
    request: AnyRequest,
    user_id: FromPath[UUID],
    actor: CurrentActor,
    customer_desk: Desk,
    monitoring: NamedDependency[Monitoring],
    database: Where,
    addresses: Origin,
    fields: Fields = None,
) -> schemas.CustomerAnswer | dict[str, Any]:
    """The newest of each, masked. Reading it is written down."""
    may_know = "compliance.review" in permissions_of(actor.role)
    story = await customer_desk.read(UserId(user_id), suspicions=monitoring if may_know else None)
    async with database.transaction() as connection:
        await _note(connection, actor, "customer.viewed", f"user:{user_id}", addresses.of(request.scope))
    return choose_fields(schemas.customer_answer(story, reader=actor.user_id), fields, schemas.CustomerAnswer)


@post(
    "/api/admin/customers/{user_id:uuid}/unmask",
    operation_id="unmaskCustomer",
    summary="See who a customer is, in plain words",
    tags=TAGS,
    guards=[requires_permission("customers.unmask"), requires_fresh_factor],
    opt={REPEATABLE: "It shows, and each time it is written down who saw it and why."},
    status_code=200,
)
async def unmask_customer(
    request: AnyRequest,
    user_id: FromPath[UUID],
    data: JSONBody[schemas.Unmask],
    actor: CurrentActor,
    customer_desk: Desk,
    database: Where,
    addresses: Origin,
) -> schemas.UnmaskedCustomer:
    """E-mail address, name and profile. It is written down first, with the reason, and then shown."""
    async with database.transaction() as connection:
        user = await customer_desk.identity.user(connection, UserId(user_id))
        kept = await customer_desk.privacy.profile(connection, UserId(user_id))
        await _note(
            connection,
            actor,
            "customer.unmasked",
            f"user:{user_id}",
            addresses.of(request.scope),
            reason=read_reason(data.reason),
        )
    return schemas.unmasked(user, kept)


async def _note(
    connection: Connection,
    actor: Actor,
    action: Literal["customers.searched", "customer.viewed", "customer.unmasked"],
    subject: str,
    address: str,
    *,
    reason: str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    await record(
        connection,
        actor_id=actor.user_id,
        actor_kind=ActorKind.OPERATOR,
        actor_role=actor.role,
        action=action,
        subject=subject,
        address=address,
        reason=reason,
        details=details,
    )


ROUTES = (list_customers, read_customer, unmask_customer)
