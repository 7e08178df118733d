"""A statement on paper."""

from typing import TYPE_CHECKING, Final

from bitcurrent.kernel.money import plain
from bitcurrent.portfolio.paper import LEFT, RIGHT, cents, header_row, heading, headline, line, new_paper, row
from bitcurrent.portfolio.statements.model import Statement

if TYPE_CHECKING:
    from fpdf import FPDF

SUMMARY: Final = (
    ("Asset", 20, LEFT), ("Opening", 33, RIGHT), ("In", 33, RIGHT), ("Out", 33, RIGHT), ("Closing", 33, RIGHT),
    ("Worth in USD", 28, RIGHT),
)  # fmt: skip
BOOKINGS: Final = (
    ("Time (UTC)", 27, LEFT), ("What", 40, LEFT), ("Reference", 55, LEFT), ("Amount", 29, RIGHT), ("Then", 29, RIGHT),
)  # fmt: skip


def write_pdf(statement: Statement) -> bytes:
    """The statement as the bytes of a PDF. Takes a moment: call it aside from the event loop."""
    pdf = new_paper(f"Account statement {statement.month}", footer=str(statement.month), made_at=statement.made_at)
    _head(pdf, statement)
    _summary(pdf, statement)
    _bookings(pdf, statement)
    return bytes(pdf.output())


def _head(pdf: "FPDF", statement: Statement) -> None:
    headline(pdf, f"Account statement {statement.month}")
    line(pdf, statement.holder)
    line(pdf, statement.account)
    words = "whole month" if statement.is_complete else "the month so far"
    line(pdf, f"{statement.month.start:%Y-%m-%d %H:%M} to {statement.until:%Y-%m-%d %H:%M:%S} UTC, {words}")
    line(pdf, f"Made {statement.made_at:%Y-%m-%d %H:%M:%S} UTC")
    pdf.ln(3)


def _summary(pdf: "FPDF", statement: Statement) -> None:
    heading(pdf, "Summary")
    if not statement.assets:
        line(pdf, "Nothing was there and nothing moved.")
        return
    header_row(pdf, SUMMARY)
    for asset in statement.assets:
        worth = "no price" if asset.worth is None else cents(asset.worth)
        figures = [asset.opening, asset.moved_in, asset.moved_out, asset.closing]
        row(pdf, SUMMARY, [asset.asset, *(plain(figure) for figure in figures), worth])
    pdf.ln(2)
    without = f", without {', '.join(statement.unpriced)}" if statement.unpriced else ""
    line(pdf, f"Worth of all: {cents(statement.worth)} USD{without}.")
    fees = [f"{plain(asset.fees)} {asset.asset}" for asset in statement.assets if asset.fees]
    line(pdf, f"Fees in this month: {', '.join(fees) or 'none'}.")
    pdf.ln(3)


def _bookings(pdf: "FPDF", statement: Statement) -> None:
    bookings = statement.bookings()
    for asset in statement.assets:
        own = [booking for booking in bookings if booking.asset == asset.asset]
        if not own:
            continue
        heading(pdf, asset.asset)
        header_row(pdf, BOOKINGS)
        row(pdf, BOOKINGS, ["", "Opening", "", "", plain(asset.opening)])
        for booking in own:
            at, figures = f"{booking.at:%m-%d %H:%M:%S}", (plain(booking.amount), plain(booking.total_after))
            row(pdf, BOOKINGS, [at, booking.meaning, booking.reference, *figures])
        row(pdf, BOOKINGS, ["", "Closing", "", "", plain(asset.closing)])
        pdf.ln(3)
    line(pdf, "What was set aside for orders or withdrawals, and given back, is still yours: it is no line here.")
