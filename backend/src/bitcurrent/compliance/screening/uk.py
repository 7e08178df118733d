"""Reads the UK Sanctions List (UK-Sanctions-List.csv): a row with the report's date, a row of headings, and then one
or more rows for each Unique ID, a name in each.

The family's name is "Name 6" and stands before "Name 1" to "Name 5". Unknown parts of a birth date are written as
"dd" and "mm".
"""

import re
from collections import defaultdict
from typing import Final

from bitcurrent.compliance.screening.model import BadList, EntryKind, Listed, ListedName, Quality
from bitcurrent.compliance.screening.reading import country_code, in_order, rows_of

FILE: Final = "UK-Sanctions-List.csv"
NEEDED: Final = (
    "unique id", "name 6", "name 1", "name 2", "name 3", "name 4", "name 5", "name type", "alias strength",
    "name non-latin script", "regime name", "designation type", "address country", "d.o.b", "nationality(/ies)",
)  # fmt: skip
_KINDS: Final[dict[str, EntryKind]] = {"individual": "individual", "entity": "entity", "ship": "vessel"}
_QUALITIES: Final[dict[str, Quality]] = {"primary name": "primary", "primary name variation": "alias", "alias": "alias"}
_REPORT = re.compile(r"\s*report date\b", re.IGNORECASE)
_BIRTH = re.compile(r"(?P<day>\d{1,2}|dd)/(?P<month>\d{1,2}|mm)/(?P<year>\d{4})", re.IGNORECASE)
_ID = re.compile(r"[A-Z]{2,12}[0-9]{1,8}")


def read_uk(data: bytes) -> list[Listed]:
    """Everybody on the list, whole; raises BadList for a file of another shape, or one that was cut."""
    rows = rows_of(data, file=FILE)
    first = next(rows, (1, []))[1]
    if not first or not _REPORT.match(first[0]):
        raise BadList("It does not begin with the report's date.", file=FILE, row=1)
    headings = [cell.strip().casefold() for cell in next(rows, (2, []))[1]]
    if missing := [name for name in NEEDED if name not in headings]:
        raise BadList(f"There is no column {missing[0]!r}.", file=FILE, row=2)
    places = {name: headings.index(name) for name in NEEDED}
    by_id: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for number, cells in rows:
        if not any(cells):
            continue
        if len(cells) != len(headings):
            raise BadList(f"It has {len(cells)} columns instead of {len(headings)}.", file=FILE, row=number)
        row = {name: cells[place].strip() for name, place in places.items()}
        if not _ID.fullmatch(row["unique id"]):
            raise BadList("It has no Unique ID.", file=FILE, row=number)
        if row["designation type"].casefold() not in _KINDS:
            raise BadList(f"There is no kind {row['designation type']!r}.", file=FILE, row=number)
        by_id[row["unique id"]].append(row)
    if not by_id:
        raise BadList("It is empty.", file=FILE)
    return [_listed(key, found) for key, found in by_id.items()]


def _listed(key: str, rows: list[dict[str, str]]) -> Listed:
    kind = _KINDS[rows[0]["designation type"].casefold()]
    names: dict[str, Quality] = {}
    for row in rows:
        if name := _name(row, kind):
            names.setdefault(name, _quality(row))
        if row["name non-latin script"]:
            names.setdefault(row["name non-latin script"], "alias")
    if not names:
        raise BadList(f"{key} has no name.", file=FILE)
    countries = [
        code
        for row in rows
        for text in (*row["nationality(/ies)"].split("|"), row["address country"])
        for part in text.split(";")
        if (code := country_code(part))
    ]
    return Listed(
        key=key,
        kind=kind,
        names=tuple(ListedName(text, quality) for text, quality in names.items()),
        births=in_order([_birth(found) for row in rows for found in _BIRTH.finditer(row["d.o.b"])]),
        countries=in_order(countries),
        programs=in_order([row["regime name"] for row in rows if row["regime name"]]),
    )


def _name(row: dict[str, str], kind: EntryKind) -> str:
    given = " ".join(filter(None, (row[f"name {number}"] for number in range(1, 6))))
    family = row["name 6"]
    if kind != "individual" or not (given and family):
        return f"{given} {family}".strip()
    return f"{family}, {given}"


def _quality(row: dict[str, str]) -> Quality:
    if row["alias strength"].casefold().startswith("low"):
        return "weak"
    return _QUALITIES.get(row["name type"].casefold(), "alias")


def _birth(found: re.Match[str]) -> str:
    if not found["month"].isdigit():
        return found["year"]
    month = f"{found['year']}-{int(found['month']):02}"
    return f"{month}-{int(found['day']):02}" if found["day"].isdigit() else month
