"""Lists are read as their publishers write them, and refused whole when anything is not as it should be."""

import pytest

from bitcurrent.compliance.screening.lists import read_files
from bitcurrent.compliance.screening.model import BadList
from bitcurrent.compliance.screening.ofac import read_ofac
from bitcurrent.compliance.screening.uk import read_uk
from tests.compliance.list_files import ADD, ALT, OFAC, SDN, UK, UK_ROWS, sdn_row, uk_file


def test_ofacs_three_files_are_one_list() -> None:
    by_key = {one.key: one for one in read_ofac(SDN, ALT, ADD)}
    marzook = by_key["101"]
    assert [(name.text, name.quality) for name in marzook.names] == [
        ("MARZOOK, Mousa Mohamed Abou", "primary"),
        ("ABU MARZOUK, Musa", "alias"),
        ("ABU OMAR", "weak"),
    ]
    assert (marzook.births, marzook.countries, marzook.programs) == (("1951-12-10",), ("JO",), ("SDGT", "SDT"))
    assert by_key["102"].births == ("1968..1970",)
    assert by_key["103"].births == ("1959..1963", "1963-01")
    assert by_key["103"].names[0].text == "GUZMANTE LOERIAS, Joaquín"
    assert [by_key[key].kind for key in ("103", "104", "105")] == ["individual", "entity", "vessel"]


def test_the_uks_rows_of_one_id_are_one_person() -> None:
    by_key = {one.key: one for one in read_uk(UK)}
    darwish = by_key["TST0001"]
    assert [(name.text, name.quality) for name in darwish.names] == [
        ("Darwish, Yusuf Ibrahim", "primary"),
        ("Darvish, Yousef", "alias"),
        ("Abu Zayn", "weak"),
        ("يوسف إبراهيم درويش", "alias"),
    ]
    assert (darwish.births, darwish.countries) == (("1980-06-01",), ("SY",))
    assert by_key["TST0002"].births == ("1970",)
    assert (by_key["TST0003"].kind, by_key["TST0003"].names[0].text) == ("entity", "Nowhere Bank")


def test_files_are_told_apart_by_their_shape() -> None:
    mixed = {"three.csv": ADD, "one.csv": SDN, "two.csv": ALT}
    assert (read_files(mixed).source, len(read_files(mixed).listed)) == ("ofac", 5)
    assert (read_files({"list.csv": UK}).source, read_files({"list.csv": UK}, "demo").source) == ("uk", "demo")
    assert read_files(mixed).sha256 == read_files(OFAC).sha256 != read_files({"list.csv": UK}).sha256


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({**OFAC, "SDN.CSV": SDN[: len(SDN) // 2]}, "the file was cut"),
        ({**OFAC, "SDN.CSV": SDN[: SDN.index(b"103,")]}, "has no number 103"),
        ({**OFAC, "SDN.CSV": SDN[: SDN.index(b"102,")]}, "has no number 102"),
        ({**OFAC, "ALT.CSV": ALT[:-1]}, "was cut"),
        ({**OFAC, "ALT.CSV": ALT[: len(ALT) // 2]}, "was cut"),
        ({**OFAC, "ADD.CSV": ADD[: ADD.index(b"104,")]}, "knows 3 of 5"),
        ({**OFAC, "SDN.CSV": SDN + SDN}, "stands there twice"),
        ({**OFAC, "SDN.CSV": sdn_row(9, "X", kind="ghost").encode()}, "has no number|no kind"),
        ({**OFAC, "SDN.CSV": SDN.replace(b'Ivanovich","individual",', b'Ivanovich",')}, "11 columns instead of 12"),
        ({**OFAC, "SDN.CSV": b"\x00" + SDN}, "not text"),
        ({"SDN.CSV": SDN, "ALT.CSV": ALT}, "together"),
        ({"list.csv": UK[: len(UK) // 2]}, "was cut"),
        ({"list.csv": UK.replace(b"D.O.B", b"Born")}, "no column 'd.o.b'"),
        ({"list.csv": UK.split(b"\r\n", 1)[1]}, "report's date"),
        ({"list.csv": UK.replace(b"TST0002", b"?")}, "no Unique ID"),
        ({"list.csv": uk_file(())}, "empty"),
        ({"list.csv": b"<html>Service unavailable</html>\n"}, "report's date"),
        ({}, "no file"),
    ],
)
def test_what_is_cut_or_something_else_is_refused_whole(files: dict[str, bytes], why: str) -> None:
    with pytest.raises(BadList, match=why) as refused:
        read_files(files)
    assert "the list before stays in force" in refused.value.message


def test_a_row_too_short_is_named_by_its_number() -> None:
    broken = uk_file(UK_ROWS).replace(b"Timchenkov,", b"Timchenkov", 1)
    with pytest.raises(BadList, match="row 6"):
        read_uk(broken)
