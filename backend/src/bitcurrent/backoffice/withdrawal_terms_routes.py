"""/api/admin/withdrawal-terms: what withdrawals cost and how much may leave at once, changed by four eyes."""

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from bitcurrent.backoffice import withdrawal_terms_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.funding.withdrawals.model import RailName
from bitcurrent.funding.withdrawals.terms import WithdrawalTerms
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Keeper = NamedDependency[WithdrawalTerms]
Where = NamedDependency[Database]
RailFilter = Annotated[RailName | None, QueryParameter(name="rail", description="Only of this rail.")]


@get(
    "/api/admin/withdrawal-terms",
    operation_id="listWithdrawalTerms",
    summary="Every version of the terms of withdrawals",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_withdrawal_terms(
    withdrawal_terms: Keeper,
    database: Where,
    rail: RailFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.TermsVersion] | dict[str, Any]:
    """The newest version first, with why and by which approval."""
    before = read_cursor(cursor, int)
    async with database.read() as connection:
        found = await withdrawal_terms.versions(connection, rail=rail, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.terms_version, key=lambda one: one.terms.version)
    return choose_fields(page, fields, schemas.TermsVersion)


@post(
    "/api/admin/withdrawal-terms",
    operation_id="askForWithdrawalTerms",
    summary="Ask for other terms of withdrawals",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_for_withdrawal_terms(
    request: AnyRequest,
    data: JSONBody[schemas.AskForTerms],
    actor: CurrentActor,
    withdrawal_terms: Keeper,
    approvals: NamedDependency[Approvals],
    database: Where,
    addresses: NamedDependency[Addresses],
) -> Response[ApprovalAnswer]:
    """Answers the approval that another person has to grant. What was asked for before keeps the fee it was told."""
    if data.effective_from is not None and data.effective_from.tzinfo is None:
        raise Invalid("A moment has its zone, such as 2026-01-31T12:00:00Z.", field="effective_from")

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await withdrawal_terms.ask(
            connection, actor, schemas.wish_of(data), reason=data.reason, address=addresses.of(request.scope)
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


ROUTES = (list_withdrawal_terms, ask_for_withdrawal_terms)
