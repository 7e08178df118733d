"""Alpaca's shapes as BitCurrent relies on them, for the sandbox's answers and for our own bot API's."""

import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator, FormatChecker

_FOLDER = Path(__file__).parent.parent / "contract" / "alpaca"
_formats = FormatChecker(["uuid", "date"])


@_formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@lru_cache
def _validator(document: str, name: str) -> Draft202012Validator:
    described: dict[str, Any] = json.loads((_FOLDER / f"{document}.json").read_text())
    assert name in described["$defs"], f"{document}.json does not describe {name}"
    return Draft202012Validator({**described, "$ref": f"#/$defs/{name}"}, format_checker=_formats)


def assert_shape(document: Literal["trading", "market_data"], name: str, value: Any) -> None:
    """Fail with every difference between the value and the named shape."""
    faults = [f"{list(e.absolute_path)}: {e.message[:300]}" for e in _validator(document, name).iter_errors(value)]
    assert not faults, f"not a {name}: " + "; ".join(faults[:10])
