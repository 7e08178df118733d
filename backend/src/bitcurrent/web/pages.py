"""Keyset pages: a limit, an opaque cursor, and the choice of fields."""

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

import msgspec
from litestar.params import QueryParameter

from bitcurrent.kernel.errors import Invalid
from bitcurrent.web import json
from bitcurrent.web.schemas import Page

T = TypeVar("T")
Row = TypeVar("Row")

BIGINT_MAX = 2**63 - 1
"""The largest number that a key in the database can be."""
LIMIT_DEFAULT = 50
LIMIT_MAX = 500
FIELDS = "fields"
FIELDS_LENGTH_MAX = 500

Limit = Annotated[
    int,
    QueryParameter(
        ge=1, le=LIMIT_MAX, description=f"How many at most: {LIMIT_DEFAULT} by default, {LIMIT_MAX} at most."
    ),
]
"""Use it as `limit: Limit = LIMIT_DEFAULT`."""

CursorText = Annotated[
    str | None,
    QueryParameter(name="cursor", max_length=500, description="`next` of the page before; none for the first."),
]
"""Use it as `cursor: CursorText = None`, and read it with `read_cursor(cursor, KeyType)`."""

MomentText = Annotated[str | None, QueryParameter(max_length=40, schema_extra={"format": "date-time"})]
"""A moment in a query: use it as `after: MomentText = None`, and read it with `read_moment("after", after)`."""

Fields = Annotated[
    str | None,
    QueryParameter(
        name=FIELDS, max_length=FIELDS_LENGTH_MAX, description="Only these fields of each item, by name, with commas."
    ),
]
"""Use it as `fields: Fields = None`, and apply it with `choose_fields(value, fields, Schema)`."""


class InvalidCursor(Invalid):
    """The cursor is not one that we gave for this list."""

    code = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__("This cursor does not belong to this list: start without one.", field="cursor")


class UnknownFields(Invalid):
    """A field was asked for that this answer does not have."""

    code = "unknown_fields"

    def __init__(self, unknown: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(
            f"There is no field {', '.join(unknown)} here.", field="fields", details={"known": ",".join(known)}
        )


def write_cursor(key: object) -> str:
    """An opaque cursor that holds a key: a tuple of what the list is ordered by."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def read_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """The key in a cursor, as `kind` (such as tuple[datetime, UUID]); raises InvalidCursor."""
    if cursor is None:
        return None
    try:
        key = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidCursor from None
    if isinstance(key, int) and abs(key) > BIGINT_MAX:
        raise InvalidCursor
    return key


def read_moment(name: str, text: str | None) -> datetime | None:
    """The moment that a query parameter holds; a plain number, or one without its zone, is none."""
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime, strict=True)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(f"`{name}` is a moment with its zone, such as 2026-01-31T12:00:00Z.", field=name)
    return moment


def page_of(rows: Sequence[Row], limit: int, *, item: Callable[[Row], T], key: Callable[[Row], object]) -> Page[T]:
    """A page from up to `limit + 1` rows: the one too many tells that there are more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[item(row) for row in shown], next=write_cursor(key(shown[-1])) if more else None)


def choose_fields(value: T, fields: str | None, schema: type[msgspec.Struct]) -> T | dict[str, Any]:
    """The answer with only the named fields of each item (or of itself); everything when none are named.

    Raises UnknownFields, which lists what there is.
    """
    if not fields:
        return value
    if len(fields) > FIELDS_LENGTH_MAX:
        raise Invalid(f"`{FIELDS}` is too long: at most {FIELDS_LENGTH_MAX} characters.", field=FIELDS)
    known = [field.encode_name for field in msgspec.structs.fields(schema)]
    wanted = [name.strip() for name in fields.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        raise UnknownFields(unknown, known)
    plain = msgspec.to_builtins(value, enc_hook=json.write_part)
    if isinstance(value, Page):
        return {**plain, "items": [_only(item, wanted) for item in plain["items"]]}
    if isinstance(plain, list):
        return cast("T", [_only(item, wanted) for item in plain])
    return _only(plain, wanted)


def _only(item: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    return {name: item[name] for name in wanted if name in item}
