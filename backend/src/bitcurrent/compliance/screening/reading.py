"""What the readers of lists share: strict rows of CSV, months, countries."""

import csv
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from bitcurrent.compliance.screening.model import BadList

FILE_BYTES_MAX: Final = 200_000_000
ROWS_MAX: Final = 500_000
ENTRIES_MIN: Final = 1

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# What lists call countries, where the ISO register has another name.
_OTHER_NAMES: Final = {
    "burma": "MM",
    "congo, democratic republic of the": "CD",
    "democratic republic of the congo": "CD",
    "czech republic": "CZ",
    "ivory coast": "CI",
    "cote d'ivoire": "CI",
    "korea, north": "KP",
    "north korea": "KP",
    "korea, south": "KR",
    "south korea": "KR",
    "laos": "LA",
    "macau": "MO",
    "palestinian": "PS",
    "region: gaza": "PS",
    "occupied palestinian territories": "PS",
    "region: kafia kingi": "SD",
    "russia": "RU",
    "syria": "SY",
    "the gambia": "GM",
    "turkey": "TR",
    "uk": "GB",
    "united kingdom": "GB",
    "usa": "US",
    "vietnam": "VN",
    "west bank": "PS",
    "kosovo": "XK",
}


def rows_of(data: bytes, *, file: str) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows of a CSV in UTF-8 or Latin-1; raises BadList for what is none, or ends in the middle of a row."""
    if len(data) > FILE_BYTES_MAX:
        raise BadList(f"A list has at most {FILE_BYTES_MAX} bytes.", file=file)
    if b"\0" in data:
        raise BadList("This is not text.", file=file)
    if not data.endswith((b"\n", b"\r")):
        raise BadList("The last row has no end: the file was cut.", file=file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    try:
        for row in reader:
            number += 1
            if number > ROWS_MAX:
                raise BadList(f"A list has at most {ROWS_MAX} rows.", file=file)
            yield number, row
    except csv.Error as error:
        raise BadList(f"This is no row of a list ({error}).", file=file, row=number + 1) from None


@lru_cache(maxsize=2_000)
def country_code(name: str) -> str | None:
    """The two letters of a country by what a list calls it; None for what is no country."""
    import pycountry

    known = name.strip().casefold()
    if not known:
        return None
    if known in _OTHER_NAMES:
        return _OTHER_NAMES[known]
    try:
        return str(pycountry.countries.lookup(known).alpha_2)
    except LookupError:
        return None


def in_order(values: list[str]) -> tuple[str, ...]:
    """Each value once, in the order of their first appearance."""
    return tuple(dict.fromkeys(values))
