"""/api/refunds, /api/disputes and /api/debts: what goes back to cards, and what is owed for it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from bitcurrent.funding.deposits.service import Deposits
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.reversals.model import DepositNotPaid, DepositNotRefundable
from bitcurrent.funding.reversals.operating import Reversals
from bitcurrent.funding.reversals.schemas import (
    DebtAnswer,
    DisputeAnswer,
    RefundAnswer,
    RefundRequest,
    debt_answer,
    dispute_answer,
    refund_answer,
)
from bitcurrent.funding.reversals.service import Wish
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor, requires_scope, requires_session
from bitcurrent.identity.verified import requires_verified_email
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import RATE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Refunds and disputes"]
AnyRequest = Request[Any, Any, Any]
Desk = NamedDependency[Reversals]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
DepositFilter = Annotated[UUID | None, QueryParameter(name="deposit_id", description="Only of this deposit.")]


@post(
    "/api/deposits/{deposit_id:uuid}/refunds",
    operation_id="askForRefund",
    summary="Send a deposit back to its card",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade"), requires_verified_email, requires_fresh_factor],
    opt={IDEMPOTENT: True, RATE: "money"},
)
async def ask_for_refund(
    request: AnyRequest,
    deposit_id: FromPath[UUID],
    data: JSONBody[RefundRequest],
    actor: CurrentActor,
    reversals: Desk,
    deposits: NamedDependency[Deposits],
    database: Where,
    addresses: Origin,
) -> Response[RefundAnswer]:
    """Wholly or partly, for 180 days; the deposit's fee is not given back. It is sent within seconds.

    The money is held until the card's bank has it, and yours again if the card does not take it.
    """
    wish = Wish(
        user_id=actor.user_id,
        deposit_id=deposit_id,
        amount=data.amount,
        origin="customer",
        asked_by=actor.user_id,
        reason=None,
    )

    async def effect(connection: Connection) -> RefundAnswer:
        try:
            refund = await reversals.refunds.ask(connection, wish, address=addresses.of(request.scope))
        except DepositNotRefundable:
            # Their own, and not paid so far? Whoever has none with this id learns nothing more.
            await deposits.read(connection, actor.user_id, deposit_id)
            raise DepositNotPaid from None
        return refund_answer(refund)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@get(
    "/api/refunds",
    operation_id="listRefunds",
    summary="Your refunds, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_refunds(
    actor: CurrentActor,
    reversals: Desk,
    database: Where,
    deposit_id: DepositFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[RefundAnswer] | dict[str, Any]:
    """Those that you asked for, and those that were made for you."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await reversals.refunds.search(
            connection, user_id=actor.user_id, deposit_id=deposit_id, before=before, limit=limit + 1
        )
    page = page_of(found, limit, item=refund_answer, key=lambda one: one.id)
    return choose_fields(page, fields, RefundAnswer)


@get(
    "/api/refunds/{refund_id:uuid}",
    operation_id="readRefund",
    summary="One refund",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_refund(
    refund_id: FromPath[UUID], actor: CurrentActor, reversals: Desk, database: Where, fields: Fields = None
) -> RefundAnswer | dict[str, Any]:
    """One of your refunds."""
    async with database.read() as connection:
        found = await reversals.refunds.read(connection, refund_id, user_id=actor.user_id)
    return choose_fields(refund_answer(found), fields, RefundAnswer)


@get(
    "/api/disputes",
    operation_id="listDisputes",
    summary="Your disputed card payments, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_disputes(
    actor: CurrentActor,
    reversals: Desk,
    database: Where,
    deposit_id: DepositFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[DisputeAnswer] | dict[str, Any]:
    """With what is locked in your balance because of each."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await reversals.disputes.search(
            connection, user_id=actor.user_id, deposit_id=deposit_id, before=before, limit=limit + 1
        )
    page = page_of(found, limit, item=dispute_answer, key=lambda one: one.id)
    return choose_fields(page, fields, DisputeAnswer)


@get(
    "/api/debts",
    operation_id="listDebts",
    summary="What you owe, and what you have paid of it",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_debts(
    actor: CurrentActor,
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[DebtAnswer] | dict[str, Any]:
    """Newest first, paid ones too. While anything is open, no money can leave, and new money pays it first."""
    before = read_cursor(cursor, tuple[datetime, UUID])
    async with database.read() as connection:
        found = await provenance.list_debts(connection, actor.user_id, before=before, limit=limit + 1)
    page = page_of(found, limit, item=debt_answer, key=lambda one: (one.created_at, one.id))
    return choose_fields(page, fields, DebtAnswer)


ROUTES = (ask_for_refund, list_refunds, read_refund, list_disputes, list_debts)
