"""Reads OFAC's list of specially designated nationals: SDN.CSV, ALT.CSV and ADD.CSV, which have no header row.

Source of the shapes: OFAC's own description of its legacy files. Nothing is "-0- "; birth dates and weak aliases stand
in free-text remarks.
"""

import re
from collections import defaultdict
from typing import Final

from bitcurrent.compliance.screening.model import BadList, EntryKind, Listed, ListedName, Quality
from bitcurrent.compliance.screening.reading import MONTHS, country_code, in_order, rows_of

SDN_COLUMNS: Final = 12
ALT_COLUMNS: Final = 5
ADD_COLUMNS: Final = 6
END_OF_FILE: Final = b"\x1a"
WITH_ADDRESS_MIN: Final = 0.95
"""OFAC has a row of addresses for everybody, if only to say that none is known: fewer, and the file was cut."""

_KINDS: Final[dict[str, EntryKind]] = {
    "": "entity",
    "individual": "individual",
    "vessel": "vessel",
    "aircraft": "aircraft",
}
_BIRTH = re.compile(
    r"\bDOB (?P<circa>circa )?(?:(?:(?P<day>\d{1,2}) )?(?P<month>[A-Z][a-z]{2}) )?(?P<year>\d{4})"
    r"(?: to (?:(?:\d{1,2} )?[A-Z][a-z]{2} )?(?P<until>\d{4}))?"
)
_WEAK_ALIAS = re.compile(r"\ba\.k\.a\. ['\"“](?P<name>[^'\"”]{1,200})['\"”]")
_NATIONALITY = re.compile(r"\b(?:nationality|citizen) (?P<country>[A-Z][A-Za-z ,.'()-]{1,60}?)(?=;|\.$|\.\s|$)")


def read_ofac(sdn: bytes, alt: bytes, add: bytes) -> list[Listed]:
    """Everybody on the list, whole; raises BadList for files that are of another shape, cut, or of different days."""
    main = _main_rows(sdn)
    names = _aliases(alt, main)
    countries = _countries(add, main)
    return [_listed(key, row, names.get(key, []), countries.get(key, [])) for key, row in main.items()]


def shape_of(data: bytes, *, file: str) -> str | None:
    """Which of the three files this is, by its first row: sdn, alt, add; None for none of them."""
    for _, row in rows_of(_without_end(data), file=file):
        if row and row[0].strip().isdigit():
            return {SDN_COLUMNS: "sdn", ALT_COLUMNS: "alt", ADD_COLUMNS: "add"}.get(len(row))
        return None
    return None


def _without_end(data: bytes) -> bytes:
    """The file without its mark of the end and what stands behind it."""
    stripped = data.rstrip(b"\r\n \t")
    return stripped[: -len(END_OF_FILE)] if stripped.endswith(END_OF_FILE) else data


def _rows(data: bytes, columns: int, file: str) -> list[tuple[int, str, list[str]]]:
    rows = []
    for number, row in rows_of(_without_end(data), file=file):
        if not row:
            continue
        values = [_value(cell) for cell in row]
        if len(values) != columns:
            raise BadList(f"It has {len(values)} columns instead of {columns}.", file=file, row=number)
        if not values[0].isdigit():
            raise BadList("It does not begin with a number.", file=file, row=number)
        rows.append((number, values[0], values))
    if not rows:
        raise BadList("It is empty.", file=file)
    return rows


def _value(cell: str) -> str:
    text = cell.strip()
    return "" if text == "-0-" else text


def _main_rows(data: bytes) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for number, key, row in _rows(data, SDN_COLUMNS, "SDN.CSV"):
        if key in rows:
            raise BadList(f"The number {key} stands there twice.", file="SDN.CSV", row=number)
        if not row[1]:
            raise BadList("It has no name.", file="SDN.CSV", row=number)
        if row[2].casefold() not in _KINDS:
            raise BadList(f"There is no kind {row[2]!r}.", file="SDN.CSV", row=number)
        rows[key] = row
    return rows


def _aliases(data: bytes, main: dict[str, list[str]]) -> dict[str, list[str]]:
    if not data.rstrip(b"\r\n \t").endswith(END_OF_FILE):
        raise BadList("It does not end with its mark (byte 1A): the file was cut.", file="ALT.CSV")
    names: defaultdict[str, list[str]] = defaultdict(list)
    for number, key, row in _rows(data, ALT_COLUMNS, "ALT.CSV"):
        if key not in main:
            raise BadList(f"SDN.CSV has no number {key}: it was cut, or is of another day.", file="ALT.CSV", row=number)
        if row[3]:
            names[key].append(row[3])
    return names


def _countries(data: bytes, main: dict[str, list[str]]) -> dict[str, list[str]]:
    countries: defaultdict[str, list[str]] = defaultdict(list)
    seen: set[str] = set()
    for number, key, row in _rows(data, ADD_COLUMNS, "ADD.CSV"):
        if key not in main:
            raise BadList(f"SDN.CSV has no number {key}: it was cut, or is of another day.", file="ADD.CSV", row=number)
        seen.add(key)
        if code := country_code(row[4]):
            countries[key].append(code)
    if len(seen) < len(main) * WITH_ADDRESS_MIN:
        raise BadList(f"It knows {len(seen)} of {len(main)} of SDN.CSV: the file was cut.", file="ADD.CSV")
    return countries


def _listed(key: str, row: list[str], aliases: list[str], countries: list[str]) -> Listed:
    remarks = row[11]
    names: dict[str, Quality] = {row[1]: "primary"}
    for alias in aliases:
        names.setdefault(alias, "alias")
    for found in _WEAK_ALIAS.finditer(remarks):
        names.setdefault(found["name"].strip(), "weak")
    known = [code for found in _NATIONALITY.finditer(remarks) if (code := country_code(found["country"]))]
    return Listed(
        key=key,
        kind=_KINDS[row[2].casefold()],
        names=tuple(ListedName(text, quality) for text, quality in names.items()),
        births=in_order([_birth(found) for found in _BIRTH.finditer(remarks)]),
        countries=in_order(known + countries),
        programs=tuple(part.strip(" []") for part in row[3].split("] [") if part.strip(" []")),
    )


def _birth(found: re.Match[str]) -> str:
    year = int(found["year"])
    if found["until"]:
        return f"{year}..{found['until']}"
    if found["circa"]:
        return f"{year - 2}..{year + 2}"
    name = (found["month"] or "").lower()
    if name not in MONTHS:
        return f"{year}"
    month = MONTHS.index(name) + 1
    return f"{year}-{month:02}-{int(found['day']):02}" if found["day"] else f"{year}-{month:02}"
