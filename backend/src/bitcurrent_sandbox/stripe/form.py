"""Stripe's encoding of parameters: forms whose names nest with brackets, as in line_items[0][price_data][currency]."""

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from bitcurrent_sandbox.stripe.errors import StripeError, invalid, missing, unknown

PAIRS_MAX: Final = 500
DEPTH_MAX: Final = 6
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")
Params = dict[str, Any]


def read_form(text: str) -> Params:
    """The nested parameters of a body or of a query. Raises StripeError for what is none."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=PAIRS_MAX)
    except ValueError as error:
        raise StripeError(400, "Invalid request (form parameters could not be read).") from error
    return nest(pairs)


def nest(pairs: Iterable[tuple[str, str]]) -> Params:
    """Names with brackets become objects; objects whose names are 0, 1, 2… (or empty) become lists."""
    tree: Params = {}
    for name, value in pairs:
        found = _NAME.fullmatch(name)
        if found is None:
            raise unknown(name)
        path = [found[1], *_PART.findall(found[2])]
        if len(path) > DEPTH_MAX:
            raise unknown(name)
        place = tree
        for part in path[:-1]:
            below = place.setdefault(part, {})
            if not isinstance(below, dict):
                raise invalid(found[1], f"Invalid {found[1]}: it is both a value and an object.")
            place = below
        last = path[-1] or str(len(place))
        place[last] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    below = {name: _listed(each) for name, each in value.items()}
    if below and all(name.isascii() and name.isdigit() for name in below):
        return [below[name] for name in sorted(below, key=int)]
    return below


def only(params: Params, *allowed: str) -> None:
    """Refuse parameters that there are not."""
    for name in params:
        if name not in allowed:
            raise unknown(name)


def text(params: Params, name: str, *, most: int = 5_000) -> str:
    """A string that is needed."""
    value = optional(params, name, most=most)
    if not value:
        raise missing(name)
    return value


def optional(params: Params, name: str, *, most: int = 5_000) -> str | None:
    """A string that may be left out."""
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid(name, f"Invalid string: {name}")
    if len(value) > most:
        raise invalid(name, f"Invalid string: {name} must be at most {most} characters")
    return value


def integer(params: Params, name: str, *, low: int, high: int, default: int | None = None) -> int:
    """A whole number between two bounds."""
    value = params.get(name)
    if value is None and default is not None:
        return default
    if value is None:
        raise missing(name)
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,12}", value):
        raise invalid(name, f"Invalid integer: {str(value)[:40]}", "parameter_invalid_integer")
    number = int(value)
    if number < low:
        raise invalid(name, f"This value must be greater than or equal to {low}.", "parameter_invalid_integer")
    if number > high:
        raise invalid(name, f"This value must be less than or equal to {high}.", "parameter_invalid_integer")
    return number


def below(params: Params, name: str) -> Params:
    """An object; empty when it is left out."""
    value = params.get(name)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise invalid(name, f"Invalid object: {name}")
    return value


def metadata(params: Params, name: str = "metadata") -> dict[str, str]:
    """Up to fifty names with strings."""
    found = below(params, name)
    if len(found) > 50:
        raise invalid(name, "You can set at most 50 metadata keys.")
    for key, value in found.items():
        if not isinstance(value, str) or len(key) > 40 or len(value) > 500:
            raise invalid(name, "Metadata keys hold up to 40, values up to 500 characters.")
    return found
