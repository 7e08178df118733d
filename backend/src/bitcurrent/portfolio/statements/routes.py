"""/api/statements."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter
from litestar.types import ControllerRouterHandler

from bitcurrent.identity.guards import CurrentActor, requires_scope
from bitcurrent.kernel.clock import now
from bitcurrent.portfolio.statements.model import SCHEMA, Month
from bitcurrent.portfolio.statements.schemas import MonthAnswer, month_answer
from bitcurrent.portfolio.statements.service import Statements
from bitcurrent.web.csv import MEDIA_TYPE
from bitcurrent.web.pages import Fields, choose_fields
from bitcurrent.web.schemas import Page

Desk = NamedDependency[Statements]
MonthPath = Annotated[str, PathParameter(max_length=7, description="A month, such as 2026-01.")]

TAGS = ["Statements"]
PDF = "application/pdf"


@get(
    "/api/statements",
    operation_id="listStatements",
    summary="The months that you can have statements of",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_statements(
    actor: CurrentActor, statements: Desk, fields: Fields = None
) -> Page[MonthAnswer] | dict[str, Any]:
    """Newest first; the month that runs is among them, so far."""
    moment = now()
    months = await statements.months(actor.user_id)
    return choose_fields(Page(items=[month_answer(month, moment) for month in months]), fields, MonthAnswer)


@get(
    "/api/statements/{month:str}/pdf",
    operation_id="readStatementPdf",
    summary="A month's statement to print",
    tags=TAGS,
    guards=[requires_scope("read")],
    media_type=PDF,
)
async def read_pdf(month: MonthPath, actor: CurrentActor, statements: Desk) -> Response[bytes]:
    """Opening, what moved, closing, fees and worth at the month's end. 409 when it is too long: ask for an export."""
    wanted = Month.parse(month)
    body = await statements.pdf(actor.user_id, wanted)
    return _file(body, PDF, f"bitcurrent-statement-{wanted}.pdf")


@get(
    "/api/statements/{month:str}/csv",
    operation_id="readStatementCsv",
    summary="A month's statement as a list",
    tags=TAGS,
    guards=[requires_scope("read")],
    media_type=MEDIA_TYPE,
)
async def read_csv(month: MonthPath, actor: CurrentActor, statements: Desk) -> Response[bytes]:
    """Every line of the books between opening and closing; the first column names the schema."""
    wanted = Month.parse(month)
    body = await statements.csv(actor.user_id, wanted)
    version = SCHEMA.rpartition(".")[2]
    return _file(body, MEDIA_TYPE, f"bitcurrent-statement-{version}-{wanted}.csv")


def _file(body: bytes, media_type: str, name: str) -> Response[bytes]:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(body, media_type=media_type, headers=headers)


ROUTES: tuple[ControllerRouterHandler, ...] = (list_statements, read_pdf, read_csv)
