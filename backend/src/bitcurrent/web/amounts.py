"""Exact amounts on the wire: decimal strings (or JSON numbers) in, plain decimal strings out, never through a float."""

import re
from decimal import Decimal
from typing import Any

from bitcurrent.kernel.money import AMOUNT_MAX, LEDGER_PLACES, places, plain

AMOUNT_PATTERN = r"^-?\d{1,30}(\.\d{1,40})?([eE][+-]?\d{1,2})?$"
_AMOUNT = re.compile(AMOUNT_PATTERN, re.ASCII)
LENGTH_MAX = 80


class Amount(Decimal):
    """A decimal of the wire: finite, below 10^19 in size, at most 18 decimals.

    Use it for every amount, price and quantity in a request or an answer. In an answer wrap what the database gave:
    `Amount(row["price"])`; a bare Decimal there would travel with an exponent ("0E-18").
    """

    __slots__ = ()


def read_amount(value: object) -> Amount:
    """The amount that a JSON string or number says; raises ValueError saying what is wrong with it."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f'Expected an amount as a string such as `"0.25"`, got `{_kind(value)}`')
    text = str(value)
    if len(text) > LENGTH_MAX or not _AMOUNT.match(text):
        raise ValueError('Expected an amount such as `"0.25"`: decimal digits with at most one point')
    amount = Amount(text)
    if abs(amount) >= AMOUNT_MAX:
        raise ValueError(f"Expected an amount below {plain(AMOUNT_MAX)}")
    if places(amount) > LEDGER_PLACES:
        raise ValueError(f"Expected an amount with at most {LEDGER_PLACES} decimals")
    return amount


def write_amount(value: Decimal) -> str:
    """The amount as a plain string, without exponent or trailing zeros."""
    return plain(value)


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", bool: "bool", type(None): "null"}
    return names.get(type(value), type(value).__name__)
