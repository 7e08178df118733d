"""/api/deposits and /api/bonuses."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from bitcurrent.compliance.conduct.guards import requires_conduct
from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.deposits.model import DepositFilter, DepositState
from bitcurrent.funding.deposits.schemas import (
    BonusAnswer,
    DepositAnswer,
    DepositRequest,
    TermsList,
    bonus_answer,
    deposit_answer,
    terms_answer,
)
from bitcurrent.funding.deposits.service import Deposits
from bitcurrent.identity.guards import CurrentActor, requires_scope, requires_session
from bitcurrent.identity.kyc import requires_kyc
from bitcurrent.identity.verified import requires_verified_email
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import RATE
from bitcurrent.web.idempotency import REPLAYED, do_once, intent_of
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Deposits"]
AnyRequest = Request[Any, Any, Any]
Desk = NamedDependency[Deposits]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
States = Annotated[
    list[DepositState] | None, QueryParameter(name="state", description="Only these states; may be repeated.")
]


class _Kept(msgspec.Struct, frozen=True):
    """What is kept under an Idempotency-Key: which deposit it was about. Its answer is read anew."""

    id: UUID


@post(
    "/api/deposits",
    operation_id="askForDeposit",
    summary="Pay in by card",
    tags=TAGS,
    guards=[
        requires_session,
        requires_scope("trade"),
        requires_verified_email,
        requires_kyc("basic"),
        requires_conduct("deposit"),
    ],
    opt={IDEMPOTENT: True, RATE: "money"},
)
async def ask_for_deposit(
    request: AnyRequest,
    data: JSONBody[DepositRequest],
    actor: CurrentActor,
    deposits: Desk,
    database: Where,
    addresses: Origin,
) -> Response[DepositAnswer]:
    """Answers the deposit with the `url` of the page to pay on; the money is credited when the processor says `paid`.

    When the processor does not answer at once the deposit is `created` and has no `url` yet: read it again in a moment.
    """
    intent = await intent_of(request, actor.user_id)
    wish = await deposits.weigh(amount=data.amount, currency=data.currency)

    async def effect(connection: Connection) -> _Kept:
        asked = await deposits.ask(connection, actor.user_id, wish, address=addresses.of(request.scope))
        return _Kept(asked.id)

    done = await do_once(database, intent, effect, status=201)
    deposit = await deposits.open(msgspec.json.decode(done.body, type=_Kept).id)
    return Response(deposit_answer(deposit), status_code=201, headers={REPLAYED: "true"} if done.replayed else None)


@get(
    "/api/deposits",
    operation_id="listDeposits",
    summary="Your deposits, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_deposits(
    actor: CurrentActor,
    deposits: Desk,
    database: Where,
    states: States = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[DepositAnswer] | dict[str, Any]:
    """Keyset pages: pass `next` of a page as `cursor` for the one behind it."""
    which = DepositFilter(user_id=actor.user_id, states=states, before=read_cursor(cursor, UUID), limit=limit + 1)
    async with database.read() as connection:
        found = await deposits.search(connection, which)
    page = page_of(found, limit, item=deposit_answer, key=lambda one: one.id)
    return choose_fields(page, fields, DepositAnswer)


@get(
    "/api/deposits/terms",
    operation_id="readDepositTerms",
    summary="What you may pay in, and what it costs",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_deposit_terms(actor: CurrentActor, deposits: Desk, database: Where) -> TermsList:
    """By currency: the fee, the minimum, your limits and what is left of them, and when money may leave again."""
    async with database.read() as connection:
        terms = await deposits.terms(connection, actor.user_id)
    return TermsList(available=deposits.processor.configured, items=[terms_answer(each) for each in terms])


@get(
    "/api/deposits/{deposit_id:uuid}",
    operation_id="readDeposit",
    summary="One deposit",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_deposit(
    deposit_id: FromPath[UUID], actor: CurrentActor, deposits: Desk, database: Where
) -> DepositAnswer:
    """One of your deposits."""
    async with database.read() as connection:
        return deposit_answer(await deposits.read(connection, actor.user_id, deposit_id))


@post(
    "/api/deposits/{deposit_id:uuid}/cancel",
    operation_id="cancelDeposit",
    summary="Cancel a deposit that is not paid",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade")],
    opt={IDEMPOTENT: True, RATE: "money"},
    status_code=200,
)
async def cancel_deposit(
    request: AnyRequest,
    deposit_id: FromPath[UUID],
    actor: CurrentActor,
    deposits: Desk,
    database: Where,
    addresses: Origin,
) -> Response[DepositAnswer]:
    """Ends its page. Who has paid in that very moment has paid: the answer says what became of it."""

    async def effect(connection: Connection) -> _Kept:
        asked = await deposits.request_cancel(
            connection, actor.user_id, deposit_id, address=addresses.of(request.scope)
        )
        return _Kept(asked.id)

    done = await do_once(database, await intent_of(request, actor.user_id), effect)
    deposit = await deposits.close(deposit_id)
    return Response(deposit_answer(deposit), status_code=200, headers={REPLAYED: "true"} if done.replayed else None)


@get(
    "/api/bonuses",
    operation_id="listBonuses",
    summary="Your bonuses, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_bonuses(
    actor: CurrentActor,
    bonuses: NamedDependency[Bonuses],
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[BonusAnswer] | dict[str, Any]:
    """What you earned, when it is released, and what became of it."""
    async with database.read() as connection:
        found = await bonuses.of_customer(connection, actor.user_id, before=read_cursor(cursor, UUID), limit=limit + 1)
    page = page_of(found, limit, item=bonus_answer, key=lambda one: one.id)
    return choose_fields(page, fields, BonusAnswer)


ROUTES = (
    ask_for_deposit,
    list_deposits,
    read_deposit_terms,
    read_deposit,
    cancel_deposit,
    list_bonuses,
)
