"""/api/withdrawals: quote, ask, confirm by mail, cancel, follow."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from bitcurrent.funding.withdrawals.model import RailName, State, WithdrawalFilter
from bitcurrent.funding.withdrawals.schemas import (
    Confirmation,
    QuoteAnswer,
    QuoteRequest,
    StateName,
    WithdrawalAnswer,
    WithdrawalDetail,
    WithdrawalRequest,
    WithdrawalTermsAnswer,
    WithdrawalTermsList,
    quote_answer,
    terms_answer,
    withdrawal_answer,
    withdrawal_detail,
)
from bitcurrent.funding.withdrawals.service import Withdrawals
from bitcurrent.funding.withdrawals.terms import WithdrawalTerms
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor, requires_scope, requires_session
from bitcurrent.identity.kyc import kyc_level_of, requires_kyc
from bitcurrent.identity.verified import requires_verified_email
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import RATE, REPEATABLE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Withdrawals"]
AnyRequest = Request[Any, Any, Any]
Keeper = NamedDependency[Withdrawals]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
StateFilter = Annotated[StateName | None, QueryParameter(name="state", description="Only these.")]
AssetFilter = Annotated[str | None, QueryParameter(name="asset", max_length=20, description="Only of this asset.")]


@post(
    "/api/withdrawals/quote",
    operation_id="quoteWithdrawal",
    summary="What a withdrawal would cost",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade")],
    opt={RATE: "read", REPEATABLE: "It changes nothing."},
    status_code=200,
)
async def quote_withdrawal(data: JSONBody[QuoteRequest], actor: CurrentActor, withdrawals: Keeper) -> QuoteAnswer:
    """Fees come on top of the amount. A coin's network fee changes: send what you saw as `fee_max`."""
    return quote_answer(await withdrawals.plan(actor.user_id, data.wish()))


@post(
    "/api/withdrawals",
    operation_id="askWithdrawal",
    summary="Withdraw money or coins",
    tags=TAGS,
    guards=[
        requires_session,
        requires_scope("trade"),
        requires_verified_email,
        requires_kyc("basic"),
        requires_fresh_factor,
    ],
    opt={IDEMPOTENT: True, RATE: "money"},
    status_code=201,
)
async def ask_withdrawal(
    request: AnyRequest,
    data: JSONBody[WithdrawalRequest],
    actor: CurrentActor,
    withdrawals: Keeper,
    database: Where,
    addresses: Origin,
) -> Response[WithdrawalAnswer]:
    """Sets the money aside at once; confirm it with the link that is mailed. Until it is sent you can cancel it."""
    plan = await withdrawals.plan(actor.user_id, data.wish())

    async def effect(connection: Connection) -> WithdrawalAnswer:
        level = await kyc_level_of(connection, actor.user_id)
        asked = await withdrawals.ask(
            connection, actor.user_id, plan, kyc_level=level, address=addresses.of(request.scope)
        )
        return withdrawal_answer(asked)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@post(
    "/api/withdrawals/confirm",
    operation_id="confirmWithdrawal",
    summary="Confirm a withdrawal by the link from the mail",
    tags=TAGS,
    opt={RATE: "login", REPEATABLE: "A link works once."},
    status_code=200,
)
async def confirm_withdrawal(
    request: AnyRequest, data: JSONBody[Confirmation], withdrawals: Keeper, database: Where, addresses: Origin
) -> WithdrawalAnswer:
    """Needs no login: whoever asked has shown a second factor, and the link proves their mailbox."""

    async def work(connection: Connection) -> WithdrawalAnswer:
        return withdrawal_answer(await withdrawals.confirm(connection, data.token, address=addresses.of(request.scope)))

    confirmed = await database.in_transaction(work)
    withdrawals.wake()
    return confirmed


@post(
    "/api/withdrawals/{withdrawal_id:uuid}/cancel",
    operation_id="cancelWithdrawal",
    summary="Cancel a withdrawal that has not been sent",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade")],
    opt={IDEMPOTENT: True, RATE: "money"},
    status_code=200,
)
async def cancel_withdrawal(
    request: AnyRequest,
    withdrawal_id: FromPath[UUID],
    actor: CurrentActor,
    withdrawals: Keeper,
    database: Where,
    addresses: Origin,
) -> Response[WithdrawalAnswer]:
    """Everything that was set aside comes back at once."""

    async def effect(connection: Connection) -> WithdrawalAnswer:
        canceled = await withdrawals.cancel(
            connection, actor.user_id, withdrawal_id, address=addresses.of(request.scope)
        )
        return withdrawal_answer(canceled)

    return await answer_once(request, database, actor.user_id, effect)


@get(
    "/api/withdrawals",
    operation_id="listWithdrawals",
    summary="Your withdrawals, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_withdrawals(
    actor: CurrentActor,
    withdrawals: Keeper,
    state_is: StateFilter = None,
    asset: AssetFilter = None,
    rail: FromQuery[RailName | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[WithdrawalAnswer] | dict[str, Any]:
    """Keyset pages: pass `next` of a page as `cursor` for the one behind it."""
    which = WithdrawalFilter(
        user_id=actor.user_id,
        state=State(state_is) if state_is else None,
        asset=asset,
        rail=rail,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    page = page_of(await withdrawals.search(which), limit, item=withdrawal_answer, key=lambda one: one.id)
    return choose_fields(page, fields, WithdrawalAnswer)


@get(
    "/api/withdrawals/terms",
    operation_id="readWithdrawalTerms",
    summary="What withdrawals cost, and how much may leave at once",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_withdrawal_terms(
    withdrawal_terms: NamedDependency[WithdrawalTerms], database: Where, fields: Fields = None
) -> WithdrawalTermsList | dict[str, Any]:
    """In force, and announced: an asset's own terms go before those of its rail. Your limits stand beside them."""
    async with database.read() as connection:
        found = await withdrawal_terms.announced(connection)
    moment = now()
    return choose_fields(
        WithdrawalTermsList(items=[terms_answer(terms, moment) for terms in found]), fields, WithdrawalTermsAnswer
    )


@get(
    "/api/withdrawals/{withdrawal_id:uuid}",
    operation_id="readWithdrawal",
    summary="One withdrawal with its steps",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_withdrawal(
    withdrawal_id: FromPath[UUID], actor: CurrentActor, withdrawals: Keeper, fields: Fields = None
) -> WithdrawalDetail | dict[str, Any]:
    """When it reached each state, and why, in plain words."""
    found, steps = await withdrawals.read(actor.user_id, withdrawal_id)
    return choose_fields(withdrawal_detail(found, steps), fields, WithdrawalDetail)


ROUTES = (
    quote_withdrawal,
    ask_withdrawal,
    confirm_withdrawal,
    cancel_withdrawal,
    list_withdrawals,
    read_withdrawal_terms,
    read_withdrawal,
)
