"""/api/tax: a tax year as JSON or CSV."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.portfolio.tax.model import Method, TaxYear
from bitcurrent.portfolio.tax.schemas import TaxAnswer, csv_lines, tax_answer
from bitcurrent.portfolio.tax.service import TaxReports
from bitcurrent.web.csv import MEDIA_TYPE

PDF = "application/pdf"
TAGS = ["Tax"]
Reports = NamedDependency[TaxReports]
MethodChoice = Annotated[
    Method,
    QueryParameter(
        name="method",
        description="`uk`: same day, 30 days, section 104 pool, years from 6 April, in GBP. `fifo`: oldest lots first, "
        "calendar years.",
    ),
]
InCurrency = Annotated[
    str | None,
    QueryParameter(name="currency", max_length=3, description="For `fifo`: USD by default, EUR or GBP."),
]
"""The currency of a report."""
Year = FromPath[int]


@get(
    "/api/tax/{year:int}",
    operation_id="readTaxReport",
    summary="What your disposals gained in a tax year",
    tags=TAGS,
    guards=[requires_session],
)
async def read_tax_report(
    year: Year, actor: CurrentActor, tax_reports: Reports, method: MethodChoice = "uk", currency: InCurrency = None
) -> TaxAnswer:
    """Every disposal with the rule that found its cost. `year` is the calendar year in which the tax year begins."""
    return tax_answer(await tax_reports.report(actor.user_id, year, method, currency))


@get(
    "/api/tax/{year:int}/csv",
    operation_id="readTaxReportCsv",
    summary="A tax year as CSV",
    tags=TAGS,
    guards=[requires_session],
    media_type=MEDIA_TYPE,
)
async def read_tax_csv(
    year: Year, actor: CurrentActor, tax_reports: Reports, method: MethodChoice = "uk", currency: InCurrency = None
) -> Response[Any]:
    """One row for each match, under a schema with a version (docs/tax.md)."""
    report = await tax_reports.report(actor.user_id, year, method, currency)
    return Stream(csv_lines(report), media_type=MEDIA_TYPE, headers=_as_file(f"{method}-{report.year.name}.csv"))


@get(
    "/api/tax/{year:int}/pdf",
    operation_id="readTaxReportPdf",
    summary="A tax year to print",
    tags=TAGS,
    guards=[requires_session],
    media_type=PDF,
)
async def read_tax_pdf(
    year: Year, actor: CurrentActor, tax_reports: Reports, method: MethodChoice = "uk", currency: InCurrency = None
) -> Response[bytes]:
    """Totals, every disposal with its rule, and what is carried forward. 409 when it is too long for paper."""
    body = await tax_reports.pdf(actor.user_id, year, method, currency)
    return Response(body, media_type=PDF, headers=_as_file(f"{method}-{TaxYear(year, method).name}.pdf"))


def _as_file(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="bitcurrent-tax-{name}"',
        "Cache-Control": "private, no-store",
    }


ROUTES: tuple[ControllerRouterHandler, ...] = (read_tax_report, read_tax_csv, read_tax_pdf)
