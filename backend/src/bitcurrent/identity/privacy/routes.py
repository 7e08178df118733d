"""Privacy over HTTP. Only people in a session: no API key reads or changes who somebody is."""

from collections.abc import AsyncIterator
from typing import IO, Any

from litestar import Request, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Stream

from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.identity.privacy import schemas
from bitcurrent.identity.privacy.service import Privacy, chunks
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import NotFound
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE

AnyRequest = Request[Any, Any, Any]
Keeper = NamedDependency[Privacy]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]

TAGS = ["privacy"]
ZIP = "application/zip"


@get("/api/profile", summary="My profile", tags=TAGS, operation_id="readProfile", guards=[requires_session])
async def read_profile(actor: CurrentActor, privacy: Keeper, database: Where) -> schemas.Profile:
    """Who you are in law; 404 until you have said so."""
    async with database.read() as connection:
        kept = await privacy.profile(connection, actor.user_id)
    if kept is None:
        raise NotFound("There is no profile yet.")
    return schemas.profile(kept)


@put(
    "/api/profile",
    summary="Set my profile",
    tags=TAGS,
    operation_id="putProfile",
    guards=[requires_session],
    opt={REPEATABLE: "The same again changes nothing, and neither the answer nor a hash of the body is kept."},
)
async def put_profile(
    request: AnyRequest,
    data: JSONBody[schemas.PutProfile],
    actor: CurrentActor,
    privacy: Keeper,
    database: Where,
    addresses: Origin,
) -> schemas.Profile:
    """Replaces the whole profile."""
    actor.require_scope("trade")
    address = addresses.of(request.scope)

    async def save(connection: Connection) -> schemas.Profile:
        return schemas.profile(
            await privacy.save_profile(connection, actor, schemas.read_profile(data), address=address)
        )

    return await database.in_transaction(save)


@get(
    "/api/me/export",
    summary="Everything about me",
    tags=TAGS,
    operation_id="exportMe",
    guards=[requires_session],
    media_type=ZIP,
    opt={"exclude_from_compression": True},
)
async def export_me(request: AnyRequest, actor: CurrentActor, privacy: Keeper, addresses: Origin) -> Stream:
    """A zip of JSON files: account, profile, sessions, keys, acts, events, balances, ledger, orders, fills."""
    name = f"bitcurrent-export-{now().date().isoformat()}.zip"
    file = await privacy.export(actor, address=addresses.of(request.scope))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Stream(_sent(file), media_type=ZIP, headers=headers)


async def _sent(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        for chunk in chunks(file):
            yield chunk


@post(
    "/api/me/erasure",
    summary="Forget me",
    tags=TAGS,
    operation_id="askErasure",
    guards=[requires_session],
    status_code=202,
    opt={REPEATABLE: "Afterwards there is no session to ask again with, and no hash of a password is kept."},
)
async def ask_erasure(
    request: AnyRequest,
    data: JSONBody[schemas.AskErasure],
    actor: CurrentActor,
    identity: NamedDependency[Identity],
    privacy: Keeper,
    database: Where,
    addresses: Origin,
) -> schemas.Erasure:
    """The account closes now; personal data is erased when the law allows it."""
    await identity.confirm_password(actor, data.password)
    address = addresses.of(request.scope)
    farewell = await database.in_transaction(lambda connection: privacy.ask_erasure(connection, actor, address=address))
    await identity.announce(sessions=farewell.sessions, keys=farewell.keys)
    return schemas.erasure(farewell.erasure)


ROUTES = (read_profile, put_profile, export_me, ask_erasure)
