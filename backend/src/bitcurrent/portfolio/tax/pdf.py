"""A tax report on paper."""

from typing import TYPE_CHECKING, Final

from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.portfolio.paper import LEFT, RIGHT, cents, header_row, heading, headline, line, new_paper, row
from bitcurrent.portfolio.tax.model import Rule, TaxReport

if TYPE_CHECKING:
    from fpdf import FPDF

MATCHES: Final = (
    ("Disposed", 19, LEFT), ("Asset", 14, LEFT), ("Quantity", 34, RIGHT), ("Rule", 30, LEFT), ("Acquired", 19, LEFT),
    ("Proceeds", 22, RIGHT), ("Cost and fee", 22, RIGHT), ("Gain", 20, RIGHT),
)  # fmt: skip
HOLDINGS: Final = (("Asset", 25, LEFT), ("Quantity", 55, RIGHT), ("Cost", 35, RIGHT))
RULES: Final[dict[Rule, str]] = {
    "same_day": "Same day",
    "thirty_days": "Within 30 days",
    "pool": "Section 104 pool",
    "lot": "Oldest lot",
    "unknown": "Origin unknown",
}
METHODS: Final = {
    "uk": "United Kingdom: same day, 30 days, section 104 pool (TCGA 1992 s104 to s106A)",
    "fifo": "First in, first out: the oldest lots are sold first",
}


def write_pdf(report: TaxReport) -> bytes:
    """The report as the bytes of a PDF. Takes a moment: call it aside from the event loop."""
    title = f"Gains and losses {report.year.name}"
    pdf = new_paper(title, footer=title, made_at=report.made_at)
    headline(pdf, title)
    _head(pdf, report)
    _totals(pdf, report)
    heading(pdf, "Disposals")
    if not report.matches:
        line(pdf, "Nothing was disposed of.")
    else:
        header_row(pdf, MATCHES)
    for one in report.matches:
        acquired = one.acquired_on.isoformat() if one.acquired_on else ""
        figures = (cents(one.proceeds), cents(EXACT.add(one.cost, one.fee)), cents(one.gain))
        row(
            pdf,
            MATCHES,
            [one.disposed_on.isoformat(), one.asset, plain(one.quantity), RULES[one.rule], acquired, *figures],
        )
    pdf.ln(3)
    _holdings(pdf, report)
    line(pdf, "These are records from our books, not advice. Coins bought or sold elsewhere are not in them.")
    return bytes(pdf.output())


def _head(pdf: "FPDF", report: TaxReport) -> None:
    line(pdf, METHODS[report.year.method])
    line(pdf, f"{report.year.first.isoformat()} to {report.year.last.isoformat()}, amounts in {report.currency}")
    line(pdf, f"Made {report.made_at:%Y-%m-%d %H:%M:%S} UTC")
    if not report.final:
        line(pdf, f"Not final: until {report.year.settled_on.isoformat()} new purchases and sales may change it.")
    pdf.ln(3)


def _totals(pdf: "FPDF", report: TaxReport) -> None:
    heading(pdf, "Totals")
    line(pdf, f"Disposals: {report.disposals}")
    line(pdf, f"Proceeds: {cents(report.proceeds)}")
    line(pdf, f"Allowable costs: {cents(report.costs)}")
    line(pdf, f"Gains: {cents(report.gains)}   Losses: {cents(report.losses)}   Net: {cents(report.net)}")
    if report.exempt_amount is not None:
        line(pdf, f"Annual exempt amount of the year: {cents(report.exempt_amount)}")
    if report.unknown:
        line(pdf, "Some of what was disposed of was never bought here: its cost counts as nothing until you add it.")
    pdf.ln(3)


def _holdings(pdf: "FPDF", report: TaxReport) -> None:
    heading(pdf, "Carried forward")
    if not report.holdings:
        line(pdf, "Nothing.")
        return
    header_row(pdf, HOLDINGS)
    for one in report.holdings:
        row(pdf, HOLDINGS, [one.asset, plain(one.quantity), cents(one.cost)])
    pdf.ln(3)
