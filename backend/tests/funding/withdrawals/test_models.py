"""States, bank accounts and whose they are, as plain values."""

import re
from importlib import resources

import pytest

from bitcurrent.funding.bank_accounts.model import BadAccount, BankDetails, checked, same_person
from bitcurrent.funding.withdrawals.model import CANCELABLE, ENDED, TOLD, TRANSITIONS, State

GIVEN = {
    "currency": "EUR", "holder": "Ann Archer", "iban": None, "bic": None, "sort_code": None, "account_number": None,
    "routing_number": None,
}  # fmt: skip


def details(**fields: str) -> BankDetails:
    return checked(**{**GIVEN, **fields})  # type: ignore[arg-type]  # some of them are None


def test_database_and_model_know_the_same_ways() -> None:
    text = resources.files("bitcurrent.funding.withdrawals").joinpath("functions.sql").read_text()
    ways = {(before, after) for before, after in re.findall(r"'(\w+)>(\w+)'", text)}
    assert ways == {(before.value, after.value) for before, afters in TRANSITIONS.items() for after in afters}


def test_every_state_is_told_and_ends_or_goes_on() -> None:
    assert set(TOLD) == set(TRANSITIONS) == set(State)
    assert {state for state, after in TRANSITIONS.items() if not after} == ENDED - {State.SETTLED}
    assert all(State.CANCELED in TRANSITIONS[state] for state in CANCELABLE)


@pytest.mark.parametrize(
    ("holder", "same"),
    [
        ("Ann Mary Archer", True), ("ann archer", True), ("Archer, Ann", True), ("A. Archer", True),
        ("Änn Archer", True), ("Ann M Archer", True), ("Bob Archer", False), ("Ann", False), ("A A", False),
        ("Ann Archer Bowman", False), ("", False), ("Acme Ltd", False),
    ],
)  # fmt: skip
def test_an_account_is_in_ones_own_name(holder: str, same: bool) -> None:
    assert same_person(holder, "Ann Mary Archer") is same


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "iban"),
        ({"iban": "DE89 3704 0044 0532 0130 01"}, "iban"),
        ({"iban": "DE89 3704 0044 0532 0130 0"}, "iban"),
        ({"iban": "DE89370400440532013000", "bic": "BARCGB22"}, "bic"),
        ({"iban": "DE89370400440532013000", "bic": "nonsense"}, "bic"),
        ({"iban": "DE89370400440532013000", "currency": "USD"}, "currency"),
        ({"iban": "DE89370400440532013000", "currency": "GBP"}, "currency"),
        ({"iban": "DE89370400440532013000", "sort_code": "204514"}, "iban"),
        ({"sort_code": "20451", "account_number": "12345678", "currency": "GBP"}, "sort_code"),
        ({"sort_code": "204514", "account_number": "1234567", "currency": "GBP"}, "account_number"),
        ({"routing_number": "021000022", "account_number": "123456789", "currency": "USD"}, "routing_number"),
        ({"routing_number": "000000000", "account_number": "123456789", "currency": "USD"}, "routing_number"),
        ({"routing_number": "021000021", "account_number": "12-3", "currency": "USD"}, "account_number"),
        ({"holder": "<script>", "iban": "DE89370400440532013000"}, "holder"),
        ({"holder": "A" * 71, "iban": "DE89370400440532013000"}, "holder"),
    ],
)
def test_what_cannot_be_an_account_names_the_field(fields: dict[str, str], field: str) -> None:
    with pytest.raises(BadAccount) as refused:
        details(**fields)
    assert refused.value.field == field


def test_an_account_shows_four_digits_and_prints_nothing() -> None:
    found = details(iban="DE89 3704 0044 0532 0130 00")
    assert (found.account, found.bank, found.label) == ("DE89370400440532013000", "COBADEFFXXX", "DE •••• 3000")
    assert "3704" not in repr(found)
    british = details(sort_code="20-45-14", account_number="1234 5678", currency="GBP")
    assert (british.bank, british.account, british.label) == ("204514", "12345678", "GB •••• 5678")
