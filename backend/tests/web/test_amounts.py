"""Amounts on the wire: exact, bounded, plain."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.web import json
from bitcurrent.web.amounts import Amount
from bitcurrent.web.problems import problem_of
from bitcurrent.web.schemas import Request


class Wish(Request, frozen=True, kw_only=True):
    quantity: Amount
    limit: Amount | None = None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"0.25"', "0.25"),
        ("0.1", "0.1"),
        ("0.100000000000000005", "0.100000000000000005"),
        ("12345678901234567.123456789012345678", "12345678901234567.123456789012345678"),
        ('"9999999999999999999"', "9999999999999999999"),
        ("1e5", "100000"),
        ('"1.5E-3"', "0.0015"),
        ("-1", "-1"),
        ('"0.50"', "0.5"),
    ],
)
def test_a_string_or_number_arrives_exactly(text: str, value: str) -> None:
    wish = json.decode(b'{"quantity": %s}' % text.encode(), Wish)
    assert wish.quantity == Decimal(value)
    assert json.decode(json.encode(wish), Wish) == wish


@pytest.mark.parametrize(
    "text",
    [
        '"NaN"', '"Infinity"', '"-Infinity"', "1e400", '"1e400"', "1e19", '"10000000000000000000"', '"0x10"', '""',
        '" 1"', '"1_000"', '"1,5"', '"1.2.3"', '"+1"', '"١٢"', "true", "null", "{}", "[]", '"0.0000000000000000001"',
        "9" * 5000, '"' + "9" * 5000 + '"', "1e-400", "1e999999999999999999999",
    ],
)  # fmt: skip
def test_what_is_no_amount_names_the_field(text: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        json.decode(b'{"quantity": %s}' % text.encode(), Wish)
    problem = problem_of(refused.value)
    assert (problem.status, problem.code, problem.field) == (422, "invalid_field", "quantity")


@pytest.mark.parametrize("text", [b"{", b"", b"NaN", b'{"quantity": NaN}', b'{"quantity": 01}', b"\xff\xfe"])
def test_what_is_no_json_is_malformed(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError) as refused:
        json.decode(text, Wish)
    assert (problem_of(refused.value).status, problem_of(refused.value).code) == (400, "malformed_json")


@pytest.mark.parametrize("text", [b"[]", b'"text"', b"1", b"null"])
def test_json_that_is_no_object_is_malformed(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        json.decode(text, Wish)
    assert (problem_of(refused.value).status, problem_of(refused.value).code) == (400, "malformed_json")


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        json.decode(b'{"quantity": "1", "balance": "1000000"}', Wish)
    assert problem_of(refused.value).field == "balance"


@pytest.mark.parametrize(("value", "text"), [("0E-18", "0"), ("1E+3", "1000"), ("1E-18", "0.000000000000000001")])
def test_an_amount_leaves_without_an_exponent(value: str, text: str) -> None:
    assert json.encode([Amount(Decimal(value))]) == b'["%s"]' % text.encode()


@given(st.decimals(min_value=-(10**19) + 1, max_value=10**19 - 1, places=18, allow_nan=False, allow_infinity=False))
def test_every_amount_survives_the_round_trip(value: Decimal) -> None:
    wish = Wish(quantity=Amount(value))
    assert json.decode(json.encode(wish), Wish).quantity == value
