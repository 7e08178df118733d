"""Refunds, disputes and debts in the back office: small refunds at once, larger ones and write-offs by four eyes."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice.reversal_schemas import (
    AdminDispute,
    DisputeNote,
    OperatorRefund,
    RefundAsked,
    WriteOff,
    admin_dispute,
)
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.funding.reversals.model import DisputeState, Refund
from bitcurrent.funding.reversals.operating import Reversals
from bitcurrent.funding.reversals.schemas import RefundAnswer, refund_answer
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import RATE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Desk = NamedDependency[Reversals]
Book = NamedDependency[Approvals]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
StateFilter = Annotated[DisputeState | None, QueryParameter(name="state", description="Only these.")]
READ = requires_permission("money.read")


@get(
    "/api/admin/disputes",
    operation_id="listAllDisputes",
    summary="Disputed card payments",
    tags=TAGS,
    guards=[READ],
)
async def list_disputes(
    reversals: Desk,
    database: Where,
    state_is: StateFilter = None,
    user_id: FromQuery[UUID | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[AdminDispute] | dict[str, Any]:
    """Newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await reversals.disputes.search(
            connection,
            user_id=UserId(user_id) if user_id else None,
            state=state_is,
            before=before,
            limit=limit + 1,
        )
    page = page_of(found, limit, item=admin_dispute, key=lambda one: one.id)
    return choose_fields(page, fields, AdminDispute)


@get(
    "/api/admin/disputes/{dispute_id:uuid}",
    operation_id="readDispute",
    summary="One dispute",
    tags=TAGS,
    guards=[READ],
)
async def read_dispute(
    dispute_id: FromPath[UUID], reversals: Desk, database: Where, fields: Fields = None
) -> AdminDispute | dict[str, Any]:
    """What it took, who covers it, and until when the bank waits for evidence."""
    async with database.read() as connection:
        found = await reversals.disputes.read(connection, dispute_id)
    return choose_fields(admin_dispute(found), fields, AdminDispute)


@put(
    "/api/admin/disputes/{dispute_id:uuid}/note",
    operation_id="noteDispute",
    summary="Write down the evidence of a dispute",
    tags=TAGS,
    guards=[READ, requires_fresh_factor],
    opt={IDEMPOTENT: True},
)
async def note_dispute(
    request: AnyRequest,
    dispute_id: FromPath[UUID],
    data: JSONBody[DisputeNote],
    actor: CurrentActor,
    reversals: Desk,
    database: Where,
    addresses: Origin,
) -> Response[AdminDispute]:
    """Replaces what was noted before."""

    async def effect(connection: Connection) -> AdminDispute:
        noted = await reversals.disputes.note(
            connection, actor, dispute_id, data.note, address=addresses.of(request.scope)
        )
        return admin_dispute(noted)

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/admin/deposits/{deposit_id:uuid}/refunds",
    operation_id="refundDeposit",
    summary="Send a customer's deposit back to its card",
    tags=TAGS,
    guards=[READ, requires_fresh_factor],
    opt={IDEMPOTENT: True, RATE: "money"},
    status_code=202,
)
async def refund_deposit(
    request: AnyRequest,
    deposit_id: FromPath[UUID],
    data: JSONBody[OperatorRefund],
    actor: CurrentActor,
    reversals: Desk,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[RefundAsked]:
    """Up to the limit at once, by who may approve money; otherwise it waits for another person's grant."""

    async def effect(connection: Connection) -> RefundAsked:
        done = await reversals.refund(
            connection, actor, deposit_id, data.amount, reason=data.reason, address=addresses.of(request.scope)
        )
        if isinstance(done, Refund):
            return RefundAsked(refund=refund_answer(done), approval=None)
        return RefundAsked(refund=None, approval=approval_answer(done, actor, approvals.kinds))

    return await answer_once(request, database, actor.user_id, effect, status=202)


@get(
    "/api/admin/refunds",
    operation_id="listAllRefunds",
    summary="Refunds",
    tags=TAGS,
    guards=[READ],
)
async def list_refunds(
    reversals: Desk,
    database: Where,
    user_id: FromQuery[UUID | None] = None,
    deposit_id: FromQuery[UUID | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[RefundAnswer] | dict[str, Any]:
    """Newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await reversals.refunds.search(
            connection,
            user_id=UserId(user_id) if user_id else None,
            deposit_id=deposit_id,
            before=before,
            limit=limit + 1,
        )
    page = page_of(found, limit, item=refund_answer, key=lambda one: one.id)
    return choose_fields(page, fields, RefundAnswer)


@post(
    "/api/admin/debts/{debt_id:uuid}/write-off",
    operation_id="askForWriteOff",
    summary="Ask that a debt is written off",
    tags=TAGS,
    guards=[READ, requires_fresh_factor],
    opt={IDEMPOTENT: True, RATE: "money"},
    status_code=202,
)
async def ask_for_write_off(
    request: AnyRequest,
    debt_id: FromPath[UUID],
    data: JSONBody[WriteOff],
    actor: CurrentActor,
    reversals: Desk,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that another person has to grant; what is open then becomes a loss of the house."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await reversals.ask_write_off(
            connection, actor, debt_id, reason=data.reason, address=addresses.of(request.scope)
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (list_disputes, read_dispute, note_dispute, refund_deposit, list_refunds, ask_for_write_off)
