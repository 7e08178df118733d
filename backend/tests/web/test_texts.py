"""Every text that comes in is in its normal form and free of control characters."""

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.web.json import decode
from bitcurrent.web.schemas import Request
from bitcurrent.web.texts import ForbiddenCharacter, clean_json, clean_line, clean_query, clean_text

DECOMPOSED = "Zoe\u0308"
COMPOSED = "Zo\u00eb"


class Note(Request, frozen=True, kw_only=True):
    text: str
    tags: tuple[str, ...] = ()


@pytest.mark.parametrize("escaped", [True, False])
def test_texts_are_read_in_their_normal_form(escaped: bool) -> None:
    said = r"Zoe\u0308" if escaped else DECOMPOSED
    note = decode(f'{{"text": "{said}", "tags": ["{said}"]}}'.encode(), Note)
    assert (note.text, note.tags) == (COMPOSED, (COMPOSED,))


@pytest.mark.parametrize(
    "said",
    [
        r"a\u0000b",
        r"\u001b[2J",
        r"\u0007",
        "a\x7fb",
        "\u0085",
        "\u202etxt.exe",
        r"\u202e",
        "\u2066x",
        "\ufeff",
        "\uffff",
    ],
)
def test_control_characters_are_refused_by_field(said: str) -> None:
    with pytest.raises(ForbiddenCharacter) as refused:
        decode(f'{{"text": "fine", "tags": ["fine", "{said}"]}}'.encode(), Note)
    assert refused.value.field == "tags[1]"
    assert "U+" in refused.value.message


@pytest.mark.parametrize(
    "said", [r"two\nlines\tand a tab", "👩‍🚀 zero-width joiners belong to emoji", "עברית", "<b>&'\\\""]
)
def test_what_people_write_stays(said: str) -> None:
    body = msgspec.json.encode({"text": said})
    assert decode(body, Note).text == unicodedata.normalize("NFC", said)


def test_a_lone_surrogate_is_no_text() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(rb'{"text": "\ud800"}', Note)


def test_numbers_and_the_rest_stay_as_written() -> None:
    body = ' {"n": 1e400, "m": 0.10, "t": "Zoe\u0308", "l": [null, true]}'.encode()
    assert clean_json(body) == ' {"n": 1e400, "m": 0.10, "t": "Zo\u00eb", "l": [null, true]}'.encode()


@given(st.recursive(st.none() | st.integers(-(10**9), 10**9) | st.text(), lambda inner: st.lists(inner, max_size=4)))
def test_clean_json_changes_texts_only_and_only_once(value: object) -> None:
    body = msgspec.json.encode({"value": value})
    try:
        once = clean_json(body)
    except ForbiddenCharacter:
        return
    assert clean_json(once) == once
    assert msgspec.json.decode(once) == _normal({"value": value})


def _normal(value: object) -> object:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [_normal(part) for part in value]
    if isinstance(value, dict):
        return {name: _normal(part) for name, part in value.items()}
    return value


def test_queries_are_cleaned_value_by_value() -> None:
    assert clean_query(b"symbol=BTC-USD&limit=5") == b"symbol=BTC-USD&limit=5"
    assert clean_query(b"q=Zoe%CC%88&x=1%2B1") == b"q=Zo%C3%AB&x=1%2B1"
    for query in (b"q=a%00b", b"q=%0d%0aSet-Cookie:x", b"q=%E2%80%AE"):
        with pytest.raises(ForbiddenCharacter):
            clean_query(query)


def test_a_line_takes_no_line_breaks() -> None:
    assert clean_text("a\nb") == "a\nb"
    with pytest.raises(ForbiddenCharacter):
        clean_line("a\nb", field="path")
