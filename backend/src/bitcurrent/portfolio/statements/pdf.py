"""A statement on paper: A4, one typeface for Latin, Greek and Cyrillic; other letters are written in Latin ones."""

from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from bitcurrent.kernel.money import plain
from bitcurrent.portfolio.statements.model import Statement

if TYPE_CHECKING:
    from fpdf import FPDF

FACE: Final = "DejaVu"
LEFT: Final = "L"
RIGHT: Final = "R"
MARGIN: Final = 15
ROW: Final = 5
SUMMARY: Final = (
    ("Asset", 20, LEFT), ("Opening", 33, RIGHT), ("In", 33, RIGHT), ("Out", 33, RIGHT), ("Closing", 33, RIGHT),
    ("Worth in USD", 28, RIGHT),
)  # fmt: skip
BOOKINGS: Final = (
    ("Time (UTC)", 27, LEFT), ("What", 40, LEFT), ("Reference", 55, LEFT), ("Amount", 29, RIGHT), ("Then", 29, RIGHT),
)  # fmt: skip
SHORTENED: Final = "…"
Columns = Sequence[tuple[str, int, str]]


def write_pdf(statement: Statement) -> bytes:
    """The statement as the bytes of a PDF. Takes a moment: call it aside from the event loop."""
    pdf = _paper(statement)
    pdf.add_page()
    _head(pdf, statement)
    _summary(pdf, statement)
    _bookings(pdf, statement)
    return bytes(pdf.output())


def _paper(statement: Statement) -> "FPDF":
    # Late: every process would pay for its memory otherwise.
    from fpdf import FPDF

    class Paper(FPDF):
        def footer(self) -> None:
            """Number each page."""
            self.set_y(-12)
            self.set_font(FACE, size=7)
            self.cell(0, 5, f"BitCurrent · {statement.month} · page {self.page_no()} of {{nb}}", align="C")

    pdf = Paper(format="A4")
    folder = resources.files("bitcurrent.portfolio.statements.fonts")
    for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        with resources.as_file(folder.joinpath(name)) as path:
            pdf.add_font(FACE, style=style, fname=path)
    pdf.set_margins(MARGIN, MARGIN)
    pdf.set_auto_page_break(True, margin=18)
    pdf.set_title(f"Account statement {statement.month}")
    pdf.set_creator("BitCurrent")
    pdf.set_creation_date(statement.made_at)
    pdf.set_lang("en")
    return pdf


def _head(pdf: "FPDF", statement: Statement) -> None:
    pdf.set_font(FACE, "B", 16)
    _line(pdf, f"Account statement {statement.month}", height=9)
    pdf.set_font(FACE, size=9)
    _line(pdf, statement.holder)
    _line(pdf, statement.account)
    words = "whole month" if statement.is_complete else "the month so far"
    _line(pdf, f"{statement.month.start:%Y-%m-%d %H:%M} to {statement.until:%Y-%m-%d %H:%M:%S} UTC, {words}")
    _line(pdf, f"Made {statement.made_at:%Y-%m-%d %H:%M:%S} UTC")
    pdf.ln(3)


def _summary(pdf: "FPDF", statement: Statement) -> None:
    _title(pdf, "Summary")
    if not statement.assets:
        _line(pdf, "Nothing was there and nothing moved.")
        return
    _row(pdf, SUMMARY, [name for name, _, _ in SUMMARY], bold=True)
    for asset in statement.assets:
        worth = "no price" if asset.worth is None else _cents(asset.worth)
        figures = [asset.opening, asset.moved_in, asset.moved_out, asset.closing]
        _row(pdf, SUMMARY, [asset.asset, *(plain(figure) for figure in figures), worth])
    pdf.ln(2)
    without = f", without {', '.join(statement.unpriced)}" if statement.unpriced else ""
    _line(pdf, f"Worth of all: {_cents(statement.worth)} USD{without}.")
    fees = [f"{plain(asset.fees)} {asset.asset}" for asset in statement.assets if asset.fees]
    _line(pdf, f"Fees in this month: {', '.join(fees) or 'none'}.")
    pdf.ln(3)


def _bookings(pdf: "FPDF", statement: Statement) -> None:
    bookings = statement.bookings()
    for asset in statement.assets:
        own = [booking for booking in bookings if booking.asset == asset.asset]
        if not own:
            continue
        _title(pdf, asset.asset)
        _row(pdf, BOOKINGS, [name for name, _, _ in BOOKINGS], bold=True)
        _row(pdf, BOOKINGS, ["", "Opening", "", "", plain(asset.opening)])
        for booking in own:
            at, figures = f"{booking.at:%m-%d %H:%M:%S}", (plain(booking.amount), plain(booking.total_after))
            _row(pdf, BOOKINGS, [at, booking.meaning, booking.reference, *figures])
        _row(pdf, BOOKINGS, ["", "Closing", "", "", plain(asset.closing)])
        pdf.ln(3)
    _line(pdf, "What was set aside for orders or withdrawals, and given back, is still yours: it is no line here.")


def _title(pdf: "FPDF", text: str) -> None:
    pdf.set_font(FACE, "B", 11)
    _line(pdf, text, height=7)
    pdf.set_font(FACE, size=9)


def _line(pdf: "FPDF", text: str, *, height: int = ROW) -> None:
    pdf.multi_cell(0, height, _writable(pdf, text), new_x="LMARGIN", new_y="NEXT")


def _row(pdf: "FPDF", columns: Columns, cells: Sequence[str], *, bold: bool = False) -> None:
    for (_, width, align), cell in zip(columns, cells, strict=True):
        pdf.set_font(FACE, "B" if bold else "", 7)
        pdf.cell(width, ROW, _fitting(pdf, _writable(pdf, cell), width), align=align, border="B" if bold else 0)
    pdf.ln(ROW)


def _fitting(pdf: "FPDF", text: str, width: int) -> str:
    """The text in smaller letters, and, when even those are too wide, shortened. A figure always fits whole."""
    for size in (7.0, 6.0, 5.0, 4.0, 3.5):
        pdf.set_font_size(size)
        if pdf.get_string_width(text) <= width - 2:
            return text
    pdf.set_font_size(5)
    while text and pdf.get_string_width(text + SHORTENED) > width - 2:
        text = text[:-1]
    return text + SHORTENED


def _writable(pdf: "FPDF", text: str) -> str:
    """The text with every letter that the typeface lacks written in Latin ones."""
    from anyascii import anyascii

    face: Any = pdf.current_font
    return "".join(letter if ord(letter) in face.cmap else anyascii(letter) or "?" for letter in text)


def _cents(amount: Any) -> str:
    return f"{amount:,.2f}"
