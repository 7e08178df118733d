"""Files in the shapes of OFAC's and the UK's lists, about people who do not exist."""

import csv
import io
from collections.abc import Sequence

NOTHING = "-0- "
HEADINGS = (
    "Last Updated", "Unique ID", "OFSI Group ID", "UN Reference Number", "Name 6", "Name 1", "Name 2", "Name 3",
    "Name 4", "Name 5", "Name type", "Alias strength", "Title", "Name non-latin script", "Non-latin script type",
    "Non-latin script language", "Regime Name", "Designation Type", "Designation source", "Sanctions Imposed",
    "Other Information", "UK Statement of Reasons", "Address Line 1", "Address Postal Code", "Address Country",
    "Date Designated", "D.O.B", "Nationality(/ies)",
)  # fmt: skip


def sdn_row(key: int, name: str, kind: str = "individual", remarks: str = NOTHING, program: str = "SDGT] [SDT") -> str:
    """One row of SDN.CSV: twelve columns, numbers bare, text quoted."""
    rest = ",".join([NOTHING] * 7)
    quoted = remarks if remarks == NOTHING else f'"{remarks}"'
    return f'{key},"{name}","{kind}","{program}",{rest},{quoted}\r\n'


SDN = "".join(
    (
        sdn_row(
            101, "MARZOOK, Mousa Mohamed Abou",
            remarks="DOB 10 Dec 1951; POB Nowhere; nationality Jordan; a.k.a. 'ABU OMAR'; Passport 92/1 (Egypt).",
        ),
        sdn_row(102, "SHCHERBAKOV, Sergei Ivanovich", remarks="DOB 1968 to 1970; citizen Russia."),
        sdn_row(103, "GUZMANTE LOERIAS, Joaqu\u00edn", remarks="DOB circa 1961; alt. DOB Jan 1963."),
        sdn_row(104, "NOWHERE SHIPPING LLC", kind=NOTHING),
        sdn_row(105, "SEA LION", kind="vessel"),
    )
).encode("latin-1")  # fmt: skip
ALT = (
    f'101,201,"aka","ABU MARZOUK, Musa",{NOTHING}\r\n102,202,"aka","SCHERBAKOW, Sergej",{NOTHING}\r\n'.encode()
    + b"\x1a"
)
ADD = "".join(
    f'{key},{300 + key},{NOTHING},{NOTHING},{country},{NOTHING}\r\n'
    for key, country in ((101, '"Jordan"'), (102, '"Russia"'), (103, NOTHING), (104, '"Iran"'), (105, NOTHING))
).encode()  # fmt: skip
OFAC = {"SDN.CSV": SDN, "ALT.CSV": ALT, "ADD.CSV": ADD}


def uk_row(
    key: str, family: str, given: str, *, born: str = "", name_type: str = "Primary name", strength: str = "",
    country: str = "", script: str = "", kind: str = "Individual",
) -> dict[str, str]:  # fmt: skip
    """One row of the UK's list, by its headings."""
    names = dict(zip((f"Name {number}" for number in range(1, 6)), given.split(), strict=False))
    return {
        "Last Updated": "20/11/2026",
        "Unique ID": key,
        "Name 6": family,
        **names,
        "Name type": name_type,
        "Alias strength": strength,
        "Name non-latin script": script,
        "Regime Name": "Made up for tests",
        "Designation Type": kind,
        "D.O.B": born,
        "Nationality(/ies)": country,
    }


def uk_file(rows: Sequence[dict[str, str]]) -> bytes:
    """A whole file: the report's date, the headings, the rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["Report Date: 20-Nov-2026"])
    writer.writerow(HEADINGS)
    for row in rows:
        writer.writerow([row.get(name, "") for name in HEADINGS])
    return text.getvalue().encode()


UK_ROWS = (
    uk_row("TST0001", "Darwish", "Yusuf Ibrahim", born="01/06/1980", country="Syria"),
    uk_row("TST0001", "Darvish", "Yousef", name_type="Alias", strength="Good quality a.k.a"),
    uk_row("TST0001", "", "Abu Zayn", name_type="Alias", strength="Low quality a.k.a", script="يوسف إبراهيم درويش"),
    uk_row("TST0002", "Timchenkov", "Aleksandr Petrovich", born="dd/mm/1970", country="Russia"),
    uk_row("TST0003", "Nowhere Bank", "", kind="Entity"),
)
UK = uk_file(UK_ROWS)
