"""API keys over HTTP: for people who have logged in; a key never makes or changes keys."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from bitcurrent.identity import key_schemas as schemas
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

AnyRequest = Request[Any, Any, Any]
Who = NamedDependency[Identity]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]

TAGS = ["identity"]


@post(
    "/api/api-keys",
    summary="Make an API key",
    tags=TAGS,
    operation_id="createApiKey",
    guards=[requires_session, requires_fresh_factor],
    opt={IDEMPOTENT: True},
)
async def create_api_key(
    request: AnyRequest,
    data: JSONBody[schemas.CreateApiKey],
    actor: CurrentActor,
    identity: Who,
    database: Where,
    addresses: Origin,
) -> Response[schemas.ApiKeyCreated]:
    """The secret is in this answer and nowhere else. A key reads and trades; it never withdraws."""
    actor.require_scope("trade")

    async def effect(connection: Connection) -> schemas.ApiKeyCreated:
        made = await identity.create_key(
            connection,
            actor,
            label=data.label,
            scopes=data.scopes,
            expires_at=data.expires_at,
            networks=data.networks,
            symbols=data.symbols,
            daily_notional=data.daily_notional,
            require_signature=data.require_signature,
            address=addresses.of(request.scope),
        )
        return schemas.api_key_created(made)

    # What is remembered for a replay lacks the secret: it is stored nowhere but as a hash.
    return await answer_once(request, database, actor.user_id, effect, status=201, remember=_without_secret)


@get("/api/api-keys", summary="My API keys", tags=TAGS, operation_id="listApiKeys", guards=[requires_session])
async def list_api_keys(
    actor: CurrentActor,
    identity: Who,
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.ApiKey] | dict[str, Any]:
    """Newest first, revoked ones too."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        rows = await identity.keys(connection, actor, before=before, limit=limit + 1)
    page = page_of(rows, limit, item=schemas.api_key, key=lambda row: row.id)
    return choose_fields(page, fields, schemas.ApiKey)


@get(
    "/api/api-keys/{key_id:str}",
    summary="One of my API keys",
    tags=TAGS,
    operation_id="readApiKey",
    guards=[requires_session],
)
async def read_api_key(
    key_id: FromPath[str], actor: CurrentActor, identity: Who, database: Where, fields: Fields = None
) -> schemas.ApiKey | dict[str, Any]:
    """With what it has used of today's cap, and when and from where it was last used."""
    async with database.read() as connection:
        found = await identity.key(connection, actor, key_id)
    return choose_fields(schemas.api_key(found), fields, schemas.ApiKey)


@patch(
    "/api/api-keys/{key_id:str}",
    summary="Change an API key",
    tags=TAGS,
    operation_id="changeApiKey",
    guards=[requires_session, requires_fresh_factor],
    opt={IDEMPOTENT: True},
)
async def change_api_key(
    request: AnyRequest,
    key_id: FromPath[str],
    data: JSONBody[schemas.ChangeApiKey],
    actor: CurrentActor,
    identity: Who,
    database: Where,
    addresses: Origin,
) -> Response[schemas.ApiKey]:
    """What is left out stays. Counts at once, here and in every other process in a moment."""
    actor.require_scope("trade")

    async def effect(connection: Connection) -> schemas.ApiKey:
        changed = await identity.change_key(
            connection, actor, key_id, data.changes(), address=addresses.of(request.scope)
        )
        return schemas.api_key(changed)

    answer = await answer_once(request, database, actor.user_id, effect)
    await identity.announce(keys=[key_id])
    return answer


@delete(
    "/api/api-keys/{key_id:str}",
    summary="Revoke an API key",
    tags=TAGS,
    operation_id="revokeApiKey",
    guards=[requires_session],
    opt={REPEATABLE: "A key that is revoked stays revoked."},
)
async def revoke_api_key(
    request: AnyRequest, key_id: FromPath[str], actor: CurrentActor, identity: Who, database: Where, addresses: Origin
) -> None:
    """Revoking it again is no error."""
    async with database.transaction() as connection:
        await identity.revoke_key(connection, actor, key_id, address=addresses.of(request.scope))
    await identity.announce(keys=[key_id])


ROUTES = (create_api_key, list_api_keys, read_api_key, change_api_key, revoke_api_key)


def _without_secret(made: schemas.ApiKeyCreated) -> schemas.ApiKeyCreated:
    return msgspec.structs.replace(made, secret_key=None)
