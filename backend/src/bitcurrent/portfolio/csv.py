"""Lists as CSV (RFC 4180): exact amounts, UTC times, and no cell that a spreadsheet would take for a formula."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from bitcurrent.kernel.money import plain

Cell = str | Decimal | datetime | None
MEDIA_TYPE: Final = "text/csv"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def encode_row(cells: Sequence[Cell]) -> bytes:
    """One line. Amounts are plain decimals; text that could be a formula gets an apostrophe before it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_written(cell) for cell in cells])
    return line.getvalue().encode()


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
