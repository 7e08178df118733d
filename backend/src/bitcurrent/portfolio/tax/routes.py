"""/api/tax: a tax year as JSON or CSV."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.portfolio.csv import MEDIA_TYPE
from bitcurrent.portfolio.tax.model import Method
from bitcurrent.portfolio.tax.schemas import TaxAnswer, csv_lines, tax_answer
from bitcurrent.portfolio.tax.service import TaxReports

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
    name = f"bitcurrent-tax-{report.year.method}-{report.year.name}.csv"
    return Stream(
        csv_lines(report),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


ROUTES: tuple[ControllerRouterHandler, ...] = (read_tax_report, read_tax_csv)
