"""/api/bank-accounts: where a customer may be paid to."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from bitcurrent.funding.bank_accounts import schemas
from bitcurrent.funding.bank_accounts.service import BankAccounts
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor, requires_scope, requires_session
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import RATE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT

TAGS = ["Withdrawals"]
AnyRequest = Request[Any, Any, Any]
Book = NamedDependency[BankAccounts]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]


@get(
    "/api/bank-accounts",
    operation_id="listBankAccounts",
    summary="Your saved bank accounts",
    tags=TAGS,
    guards=[requires_session, requires_scope("read")],
)
async def list_bank_accounts(actor: CurrentActor, bank_accounts: Book, database: Where) -> schemas.BankAccounts:
    """Newest first; at most ten."""
    async with database.read() as connection:
        found = await bank_accounts.everything(connection, actor.user_id)
    return schemas.BankAccounts(items=[schemas.account_answer(account) for account in found])


@post(
    "/api/bank-accounts",
    operation_id="addBankAccount",
    summary="Save a bank account to withdraw to",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade"), requires_fresh_factor],
    opt={IDEMPOTENT: True, RATE: "money"},
    status_code=201,
)
async def add_bank_account(
    request: AnyRequest,
    data: JSONBody[schemas.NewBankAccount],
    actor: CurrentActor,
    bank_accounts: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.BankAccountAnswer]:
    """In your own name. It can be used a day later, and you get a mail about it now."""
    details = data.details()

    async def effect(connection: Connection) -> schemas.BankAccountAnswer:
        saved = await bank_accounts.add(connection, actor.user_id, details, address=addresses.of(request.scope))
        return schemas.account_answer(saved)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@delete(
    "/api/bank-accounts/{account_id:uuid}",
    operation_id="removeBankAccount",
    summary="Remove a bank account",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade"), requires_fresh_factor],
    opt={IDEMPOTENT: True, RATE: "money"},
    status_code=204,
)
async def remove_bank_account(
    request: AnyRequest,
    account_id: FromPath[UUID],
    actor: CurrentActor,
    bank_accounts: Book,
    database: Where,
    addresses: Origin,
) -> Response[None]:
    """Withdrawals to it that were asked for before are still paid, unless you cancel them."""

    async def effect(connection: Connection) -> None:
        await bank_accounts.remove(connection, actor.user_id, account_id, address=addresses.of(request.scope))

    return await answer_once(request, database, actor.user_id, effect, status=204)


ROUTES = (list_bank_accounts, add_bank_account, remove_bank_account)
