"""/api/exports."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from bitcurrent.identity.guards import CurrentActor, requires_scope, requires_session
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.portfolio.exports.schemas import ExportAnswer, ExportRequest, export_answer
from bitcurrent.portfolio.exports.service import Exports
from bitcurrent.web.csv import MEDIA_TYPE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

AnyRequest = Request[Any, Any, Any]
Desk = NamedDependency[Exports]
Where = NamedDependency[Database]

TAGS = ["Statements"]


@post(
    "/api/exports",
    operation_id="askExport",
    summary="Ask for a list as a file",
    tags=TAGS,
    guards=[requires_session],
    status_code=202,
    opt={IDEMPOTENT: True},
)
async def ask_export(
    request: AnyRequest, data: JSONBody[ExportRequest], actor: CurrentActor, exports: Desk, database: Where
) -> Response[ExportAnswer]:
    """However long it is, it is written aside: look how far it is, and fetch it when it is done."""
    for name, moment in (("from", data.from_at), ("until", data.until_at)):
        if moment is not None and moment.tzinfo is None:
            raise Invalid(f"`{name}` is a moment with its zone, such as 2026-01-31T12:00:00Z.", field=name)

    async def effect(connection: Connection) -> ExportAnswer:
        export = await exports.ask(
            connection, actor.user_id, kind=data.kind, from_at=data.from_at, until_at=data.until_at
        )
        return export_answer(export)

    return await answer_once(request, database, actor.user_id, effect, status=202)


@get(
    "/api/exports",
    operation_id="listExports",
    summary="Your exports, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_exports(
    actor: CurrentActor,
    exports: Desk,
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[ExportAnswer] | dict[str, Any]:
    """Those of the last week."""
    before = read_cursor(cursor, tuple[datetime, UUID])
    async with database.read() as connection:
        rows = await exports.search(connection, actor.user_id, before=before, limit=limit + 1)
    page = page_of(rows, limit, item=export_answer, key=lambda row: (row.created_at, row.id))
    return choose_fields(page, fields, ExportAnswer)


@get(
    "/api/exports/{export_id:uuid}",
    operation_id="readExport",
    summary="How far an export is",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_export(export_id: FromPath[UUID], actor: CurrentActor, exports: Desk, database: Where) -> ExportAnswer:
    """Ask every few seconds while `state` is `asked` or `running`."""
    async with database.read() as connection:
        return export_answer(await exports.read(connection, actor.user_id, export_id))


@get(
    "/api/exports/{export_id:uuid}/file",
    operation_id="fetchExport",
    summary="The file of an export",
    tags=TAGS,
    guards=[requires_scope("read")],
    media_type=MEDIA_TYPE,
)
async def fetch_export(export_id: FromPath[UUID], actor: CurrentActor, exports: Desk) -> Stream:
    """CSV whose first column names its schema. 409 until it is done."""
    export, pieces = await exports.file(actor.user_id, export_id)
    headers = {"Content-Disposition": f'attachment; filename="{export.file_name}"'}
    return Stream(pieces, media_type=MEDIA_TYPE, headers=headers)


ROUTES: tuple[ControllerRouterHandler, ...] = (ask_export, list_exports, read_export, fetch_export)
