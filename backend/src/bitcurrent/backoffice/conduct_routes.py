"""/api/admin/customers/{id}/conduct: what a customer was shown and has answered, to read, as a list and on paper."""

import asyncio
from typing import Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.backoffice import conduct_schemas as schemas
from bitcurrent.backoffice.conduct_paper import EVIDENCE_MAX, write_pdf
from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.identity.model import Actor
from bitcurrent.identity.operators import Operators
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import NotFound
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

AnyRequest = Request[Any, Any, Any]
Rules = NamedDependency[Conduct]
People = NamedDependency[Operators]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]

TAGS = ["Back office"]
PDF = "application/pdf"
WORK = requires_permission("compliance.review")


@get(
    "/api/admin/customers/{user_id:uuid}/conduct",
    operation_id="listConductEvidence",
    summary="What a customer was shown and has answered",
    tags=TAGS,
    guards=[WORK],
)
async def list_evidence(
    request: AnyRequest,
    user_id: FromPath[UUID],
    actor: CurrentActor,
    conduct: Rules,
    operators: People,
    database: Where,
    addresses: Origin,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.EvidenceAnswer] | dict[str, Any]:
    """Newest first, with the very words; `format=csv` gives all of it. Who read it is written down."""
    about, before = UserId(user_id), read_cursor(cursor, UUID)
    async with database.transaction() as connection:
        await _opened(connection, actor, operators, about, "conduct.read", addresses.of(request.scope))
        found = await conduct.evidence(connection, about, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.evidence_answer, key=lambda one: one.id)
    return choose_fields(page, fields, schemas.EvidenceAnswer)


@get(
    "/api/admin/customers/{user_id:uuid}/conduct/pdf",
    operation_id="readConductPdf",
    summary="The same on paper",
    tags=TAGS,
    guards=[WORK],
    media_type=PDF,
)
async def read_pdf(
    request: AnyRequest,
    user_id: FromPath[UUID],
    actor: CurrentActor,
    conduct: Rules,
    operators: People,
    database: Where,
    addresses: Origin,
) -> Response[bytes]:
    """The newest five hundred pieces of evidence, the newest first, for whoever asks us to prove it."""
    about = UserId(user_id)
    async with database.transaction() as connection:
        await _opened(connection, actor, operators, about, "conduct.exported", addresses.of(request.scope))
        standing = await conduct.standing(connection, about)
        found = await conduct.evidence(connection, about, before=None, limit=EVIDENCE_MAX + 1)
    body = await asyncio.to_thread(write_pdf, about, standing, found, made_at=now())
    headers = {
        "Content-Disposition": f'attachment; filename="bitcurrent-conduct-{about}.pdf"',
        "Cache-Control": "private, no-store",
    }
    return Response(body, media_type=PDF, headers=headers)


async def _opened(
    connection: Connection, actor: Actor, operators: Operators, about: UserId, action: str, address: str
) -> None:
    """Somebody looks at what a customer has said; raises NotFound for nobody."""
    if await operators.role_of(connection, about) is None:
        raise NotFound("There is nobody with this id.")
    await record(
        connection,
        actor_id=actor.user_id,
        actor_kind=ActorKind.OPERATOR,
        actor_role=actor.role,
        action=action,
        subject=f"user:{about}",
        address=address,
    )


ROUTES = (list_evidence, read_pdf)
