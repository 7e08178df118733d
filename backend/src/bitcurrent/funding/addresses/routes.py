"""/api/withdrawal-addresses and /api/withdrawal-networks."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from bitcurrent.funding.addresses import schemas
from bitcurrent.funding.addresses.service import NEEDS_TAG, AddressBook
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.identity.verified import requires_verified_email
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.answers import CACHEABLE
from bitcurrent.web.chain import RATE, REPEATABLE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Withdrawals"]
AnyRequest = Request[Any, Any, Any]
Book = NamedDependency[AddressBook]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
AddressId = Annotated[UUID, PathParameter(description="The address's id.")]
AssetFilter = Annotated[str | None, QueryParameter(name="asset", max_length=20, description="Only of this coin.")]


@get(
    "/api/withdrawal-networks",
    operation_id="listWithdrawalNetworks",
    summary="Which coins leave over which networks",
    tags=TAGS,
    opt={CACHEABLE: True},
)
async def list_networks() -> list[schemas.NetworkOfCoin]:
    """A coin that is not here cannot be withdrawn."""
    return schemas.networks(NEEDS_TAG)


@post(
    "/api/withdrawal-addresses",
    operation_id="addWithdrawalAddress",
    summary="Save an address to withdraw coins to",
    tags=TAGS,
    guards=[requires_session, requires_verified_email, requires_fresh_factor],
    opt={IDEMPOTENT: True, RATE: "money"},
)
async def add_address(
    request: AnyRequest,
    data: JSONBody[schemas.SaveAddress],
    actor: CurrentActor,
    address_book: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.SavedAddress]:
    """Network and checksum are looked at now; it can be used after a day. You get a letter about it."""
    actor.require_scope("trade")

    async def effect(connection: Connection) -> schemas.SavedAddress:
        saved = await address_book.add(connection, actor.user_id, data.wish(), address=addresses.of(request.scope))
        return schemas.saved_address(saved, now=now())

    return await answer_once(request, database, actor.user_id, effect, status=201)


@get(
    "/api/withdrawal-addresses",
    operation_id="listWithdrawalAddresses",
    summary="Your saved addresses",
    tags=TAGS,
    guards=[requires_session],
)
async def list_addresses(
    actor: CurrentActor,
    address_book: Book,
    database: Where,
    asset: AssetFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.SavedAddress] | dict[str, Any]:
    """Newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        rows = await address_book.everything(
            connection, actor.user_id, asset=asset.upper() if asset else None, before=before, limit=limit + 1
        )
    moment = now()
    page = page_of(rows, limit, item=lambda row: schemas.saved_address(row, now=moment), key=lambda row: row.id)
    return choose_fields(page, fields, schemas.SavedAddress)


@get(
    "/api/withdrawal-addresses/{address_id:uuid}",
    operation_id="readWithdrawalAddress",
    summary="One of your saved addresses",
    tags=TAGS,
    guards=[requires_session],
)
async def read_address(
    address_id: AddressId, actor: CurrentActor, address_book: Book, database: Where
) -> schemas.SavedAddress:
    """With what it waits for."""
    async with database.read() as connection:
        saved = await address_book.read(connection, actor.user_id, address_id)
    return schemas.saved_address(saved, now=now())


@put(
    "/api/withdrawal-addresses/{address_id:uuid}/beneficiary",
    operation_id="describeWithdrawalAddress",
    summary="Say who receives at an address",
    tags=TAGS,
    guards=[requires_session, requires_verified_email, requires_fresh_factor],
    opt={IDEMPOTENT: True, RATE: "money"},
)
async def describe_address(
    request: AnyRequest,
    address_id: AddressId,
    data: JSONBody[schemas.Beneficiary],
    actor: CurrentActor,
    address_book: Book,
    database: Where,
    addresses: Origin,
) -> Response[schemas.SavedAddress]:
    """The Travel Rule asks for it above a threshold."""
    actor.require_scope("trade")

    async def effect(connection: Connection) -> schemas.SavedAddress:
        saved = await address_book.say_receiver(
            connection, actor.user_id, address_id, data.value(), address=addresses.of(request.scope)
        )
        return schemas.saved_address(saved, now=now())

    return await answer_once(request, database, actor.user_id, effect)


@delete(
    "/api/withdrawal-addresses/{address_id:uuid}",
    operation_id="removeWithdrawalAddress",
    summary="Remove a saved address",
    tags=TAGS,
    guards=[requires_session],
    opt={REPEATABLE: "What is removed stays removed: the second time answers 404.", RATE: "money"},
)
async def remove_address(
    request: AnyRequest,
    address_id: AddressId,
    actor: CurrentActor,
    address_book: Book,
    database: Where,
    addresses: Origin,
) -> None:
    """Withdrawals that were asked for before still go there. You get a letter about it."""
    async with database.transaction() as connection:
        await address_book.remove(connection, actor.user_id, address_id, address=addresses.of(request.scope))


ROUTES = (list_networks, add_address, list_addresses, read_address, describe_address, remove_address)
