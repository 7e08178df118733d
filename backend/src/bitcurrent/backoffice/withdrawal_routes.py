"""/api/admin: withdrawals that wait for people, batches for the bank, and the bank's files."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.backoffice import withdrawal_schemas as schemas
from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.funding.payouts.service import Payouts
from bitcurrent.funding.withdrawals.deciding import KIND, Deciding
from bitcurrent.funding.withdrawals.model import RailName, State, Withdrawal, WithdrawalFilter
from bitcurrent.funding.withdrawals.schemas import StateName, WithdrawalAnswer, withdrawal_answer
from bitcurrent.funding.withdrawals.service import Withdrawals
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Keeper = NamedDependency[Withdrawals]
Decisions = NamedDependency[Deciding]
Bank = NamedDependency[Payouts]
Book = NamedDependency[Approvals]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
StateFilter = Annotated[StateName | None, QueryParameter(name="state", description="Only these; `review` waits.")]
AssetFilter = Annotated[str | None, QueryParameter(name="asset", max_length=20, description="Only of this asset.")]


@get(
    "/api/admin/withdrawals",
    operation_id="listAllWithdrawals",
    summary="Everybody's withdrawals",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_all_withdrawals(
    withdrawals: Keeper,
    approvals: Book,
    database: Where,
    state_is: StateFilter = None,
    asset: AssetFilter = None,
    rail: FromQuery[RailName | None] = None,
    user_id: FromQuery[UUID | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.AdminWithdrawal] | dict[str, Any]:
    """Newest first, with who has proposed each: somebody else of finance may grant it."""
    which = WithdrawalFilter(
        user_id=UserId(user_id) if user_id else None,
        state=State(state_is) if state_is else None,
        asset=asset,
        rail=rail,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    found = await withdrawals.search(which)
    asked = await _asked(approvals, database, found)
    page = page_of(found, limit, item=lambda one: schemas.admin_withdrawal(one, asked), key=lambda one: one.id)
    return choose_fields(page, fields, schemas.AdminWithdrawal)


@get(
    "/api/admin/withdrawals/{withdrawal_id:uuid}",
    operation_id="readAnyWithdrawal",
    summary="One withdrawal of anybody's",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def read_any_withdrawal(
    withdrawal_id: FromPath[UUID], withdrawals: Keeper, approvals: Book, database: Where, fields: Fields = None
) -> schemas.AdminWithdrawalDetail | dict[str, Any]:
    """With its steps, its screening, and the version of the limits that it passed."""
    found, steps = await withdrawals.read(None, withdrawal_id)
    asked = await _asked(approvals, database, [found])
    return choose_fields(schemas.admin_detail(found, steps, asked), fields, schemas.AdminWithdrawalDetail)


@post(
    "/api/admin/withdrawals/{withdrawal_id:uuid}/propose",
    operation_id="proposeWithdrawal",
    summary="Propose a withdrawal that you have looked at",
    tags=TAGS,
    guards=[requires_permission("money.read"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def propose_withdrawal(
    request: AnyRequest,
    withdrawal_id: FromPath[UUID],
    data: JSONBody[schemas.Reason],
    actor: CurrentActor,
    deciding: Decisions,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that somebody else of finance has to grant (POST /api/admin/approvals/{id}/grant)."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await deciding.propose(
            connection, actor, withdrawal_id, reason=data.reason, address=addresses.of(request.scope)
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


@post(
    "/api/admin/withdrawals/{withdrawal_id:uuid}/refuse",
    operation_id="refuseWithdrawal",
    summary="Refuse a withdrawal that has not been sent",
    tags=TAGS,
    guards=[requires_permission("money.read"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def refuse_withdrawal(
    request: AnyRequest,
    withdrawal_id: FromPath[UUID],
    data: JSONBody[schemas.Reason],
    actor: CurrentActor,
    deciding: Decisions,
    database: Where,
    addresses: Origin,
) -> Response[schemas.AdminWithdrawal]:
    """The money goes back at once. One person is enough; the customer is not told the reason."""

    async def effect(connection: Connection) -> schemas.AdminWithdrawal:
        refused = await deciding.refuse(
            connection, actor, withdrawal_id, reason=data.reason, address=addresses.of(request.scope)
        )
        return schemas.admin_withdrawal(refused, {})

    return await answer_once(request, database, actor.user_id, effect)


@get(
    "/api/admin/payouts/waiting",
    operation_id="listWaitingPayouts",
    summary="What waits for a batch",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_waiting_payouts(payouts: Bank, database: Where) -> list[schemas.WaitingAnswer]:
    """Approved withdrawals to bank accounts, by currency."""
    async with database.read() as connection:
        return [schemas.waiting_answer(each) for each in await payouts.waiting(connection)]


@get(
    "/api/admin/payouts",
    operation_id="listPayouts",
    summary="Batches of payouts",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_payouts(
    payouts: Bank, database: Where, limit: Limit = LIMIT_DEFAULT, cursor: CursorText = None, fields: Fields = None
) -> Page[schemas.BatchAnswer] | dict[str, Any]:
    """Newest first."""
    async with database.read() as connection:
        found = await payouts.batches(connection, before=read_cursor(cursor, UUID), limit=limit + 1)
    page = page_of(found, limit, item=schemas.batch_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.BatchAnswer)


@get(
    "/api/admin/payouts/{batch_id:uuid}",
    operation_id="readPayout",
    summary="One batch and its withdrawals",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def read_payout(
    batch_id: FromPath[UUID], payouts: Bank, database: Where, fields: Fields = None
) -> schemas.BatchDetail | dict[str, Any]:
    """Where each of its withdrawals stands."""
    async with database.read() as connection:
        batch, members = await payouts.read(connection, batch_id)
    found: list[WithdrawalAnswer] = [withdrawal_answer(each) for each in members]
    shown = schemas.batch_answer(batch)
    detail = schemas.BatchDetail(**{name: getattr(shown, name) for name in shown.__struct_fields__}, withdrawals=found)
    return choose_fields(detail, fields, schemas.BatchDetail)


@post(
    "/api/admin/payouts",
    operation_id="askPayout",
    summary="Ask for a batch of all that waits in a currency",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def ask_payout(
    request: AnyRequest,
    data: JSONBody[schemas.AskBatch],
    actor: CurrentActor,
    payouts: Bank,
    approvals: Book,
    database: Where,
    addresses: Origin,
) -> Response[ApprovalAnswer]:
    """Answers the approval that somebody else of finance has to grant; exactly what waits now is then taken."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await payouts.ask(
            connection, actor, data.currency, reason=data.reason, address=addresses.of(request.scope)
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


@post(
    "/api/admin/payouts/{batch_id:uuid}/file",
    operation_id="takePayoutFile",
    summary="Take a batch's file for the bank",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={REPEATABLE: "The file is the same each time; that it was taken is written down each time."},
    status_code=200,
)
async def take_payout_file(
    request: AnyRequest,
    batch_id: FromPath[UUID],
    actor: CurrentActor,
    payouts: Bank,
    database: Where,
    addresses: Origin,
) -> schemas.PayoutFile:
    """ISO 20022 pain.001.001.09. Hand it to the bank once: banks refuse the same message a second time."""

    async def work(connection: Connection) -> bytes:
        return await payouts.file(connection, batch_id, actor=actor, address=addresses.of(request.scope))

    content = await database.in_transaction(work)
    return schemas.PayoutFile(file_name=f"payout-{batch_id}.xml", content=content.decode())


@post(
    "/api/admin/payouts/files",
    operation_id="readBankFile",
    summary="Read a file of the bank in",
    tags=TAGS,
    guards=[requires_permission("money.approve"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def read_bank_file(
    request: AnyRequest,
    data: JSONBody[schemas.TakeFile],
    actor: CurrentActor,
    payouts: Bank,
    database: Where,
    addresses: Origin,
) -> Response[schemas.ImportAnswer]:
    """pain.002, camt.053 or CSV: all of it is taken, or nothing; the same file again does nothing."""

    async def effect(connection: Connection) -> schemas.ImportAnswer:
        taken = await payouts.take_file(
            connection, data.content.encode(), actor=actor, address=addresses.of(request.scope)
        )
        return schemas.import_answer(taken)

    return await answer_once(request, database, actor.user_id, effect)


async def _asked(approvals: Approvals, database: Database, found: Sequence[Withdrawal]) -> schemas.Asked:
    """Who has proposed which of these, by the newest approval of each."""
    if not found:
        return {}
    async with database.read() as connection:
        newest = await approvals.newest_about(connection, KIND, [f"withdrawal:{each.id}" for each in found])
    return {UUID(one.subject.partition(":")[2]): (one.id, one.asked_by) for one in newest}


ROUTES = (
    list_all_withdrawals,
    read_any_withdrawal,
    propose_withdrawal,
    refuse_withdrawal,
    list_waiting_payouts,
    list_payouts,
    read_payout,
    ask_payout,
    take_payout_file,
    read_bank_file,
)
