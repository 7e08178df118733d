"""Paper: A4, one typeface for Latin, Greek and Cyrillic; other letters are written in Latin ones."""

from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fpdf import FPDF

FACE: Final = "DejaVu"
LEFT: Final = "L"
RIGHT: Final = "R"
MARGIN: Final = 15
ROW: Final = 5
SHORTENED: Final = "…"
Columns = Sequence[tuple[str, int, str]]
"""Of a table: heading, width in millimetres, side."""


def new_paper(title: str, *, footer: str, made_at: datetime) -> "FPDF":
    """An empty document with its first page; every page ends with the footer and its number."""
    # Late: every process would pay for its memory otherwise.
    from fpdf import FPDF

    class Paper(FPDF):
        def footer(self) -> None:
            """Number each page."""
            self.set_y(-12)
            self.set_font(FACE, size=7)
            self.cell(0, 5, f"BitCurrent · {footer} · page {self.page_no()} of {{nb}}", align="C")

    pdf = Paper(format="A4")
    folder = resources.files("bitcurrent.portfolio.fonts")
    for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        with resources.as_file(folder.joinpath(name)) as path:
            pdf.add_font(FACE, style=style, fname=path)
    pdf.set_margins(MARGIN, MARGIN)
    pdf.set_auto_page_break(True, margin=18)
    pdf.set_title(title)
    pdf.set_creator("BitCurrent")
    pdf.set_creation_date(made_at)
    pdf.set_lang("en")
    pdf.add_page()
    return pdf


def headline(pdf: "FPDF", text: str) -> None:
    """The document's name at its top."""
    pdf.set_font(FACE, "B", 16)
    line(pdf, text, height=9)
    pdf.set_font(FACE, size=9)


def heading(pdf: "FPDF", text: str) -> None:
    """The name of a part."""
    pdf.set_font(FACE, "B", 11)
    line(pdf, text, height=7)
    pdf.set_font(FACE, size=9)


def line(pdf: "FPDF", text: str, *, height: int = ROW) -> None:
    """A sentence, over as many lines as it needs."""
    pdf.multi_cell(0, height, _writable(pdf, text), new_x="LMARGIN", new_y="NEXT")


def row(pdf: "FPDF", columns: Columns, cells: Sequence[str], *, bold: bool = False) -> None:
    """One row of a table."""
    for (_, width, align), cell in zip(columns, cells, strict=True):
        pdf.set_font(FACE, "B" if bold else "", 7)
        pdf.cell(width, ROW, _fitting(pdf, _writable(pdf, cell), width), align=align, border="B" if bold else 0)
    pdf.ln(ROW)


def header_row(pdf: "FPDF", columns: Columns) -> None:
    """A table's headings."""
    row(pdf, columns, [name for name, _, _ in columns], bold=True)


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


def cents(amount: Any) -> str:
    """An amount of money as people read it."""
    return f"{amount:,.2f}"
