"""Text that comes in is normalised (NFC) and holds no control characters, wherever it comes from.

Two texts that look the same are then the same, and nothing that is stored can steer a terminal, a log or the direction
of somebody else's page. Line breaks and tabs may stay: a field that is one line says so itself. Markup is not touched:
whoever shows a text escapes it.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

import msgspec

from bitcurrent.kernel.errors import Invalid

# Controls but tab and line breaks; line and paragraph separators; what turns the direction of text; noncharacters.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff\ufeff]"
)
_CONTROL_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
QUERY_FIELDS_MAX = 100


class ForbiddenCharacter(Invalid):
    """A text holds a character that nobody types."""

    code = "invalid_field"

    def __init__(self, character: str, field: str | None) -> None:
        where = f"`{field}` holds" if field else "The request holds"
        super().__init__(
            f"{where} the control character U+{ord(character):04X}. Nothing was done; leave it out.", field=field
        )


def clean_text(text: str, *, field: str | None = None) -> str:
    """The text in its normal form; raises ForbiddenCharacter."""
    if text.isascii() and text.isprintable():
        return text
    if found := _FORBIDDEN.search(text):
        raise ForbiddenCharacter(found[0], field)
    return unicodedata.normalize("NFC", text)


def clean_line(text: str, *, field: str) -> str:
    """The same for what is one line: a path, a query."""
    if found := _CONTROL_IN_LINE.search(text):
        raise ForbiddenCharacter(found[0], field)
    return clean_text(text, field=field)


def clean_json(body: bytes) -> bytes:
    """The body with every string in it in its normal form; numbers and the rest stay as they were written.

    Raises ForbiddenCharacter naming the field. What is not JSON is left to the decoder to refuse.
    """
    # Plain ASCII without escapes is normal already, and a raw control character in a string is no JSON.
    if body.isascii() and b"\\" not in body and b"\x7f" not in body:
        return body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    return _STRING.sub(lambda token: _clean_token(token[0], body), text).encode()


def _clean_token(token: str, body: bytes) -> str:
    try:
        text = msgspec.json.decode(token, type=str)
    except msgspec.MsgspecError:
        return token
    if found := _FORBIDDEN.search(text):
        raise ForbiddenCharacter(found[0], _where(body))
    normal = unicodedata.normalize("NFC", text)
    return token if normal == text else msgspec.json.encode(normal).decode()


def _where(body: bytes) -> str | None:
    """The path of the first field that holds something forbidden."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return None
    return next(_forbidden_fields(value, ""), None)


def _forbidden_fields(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            yield path
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _forbidden_fields(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _forbidden_fields(part, f"{path}[{number}]")


def clean_query(query: bytes) -> bytes:
    """A query string with its values in their normal form; raises ForbiddenCharacter."""
    if b"%" not in query and query.isascii():
        return query
    text = unquote_plus(query.decode("latin-1"))
    if clean_line(text, field="query") == text:
        return query
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    return urlencode([(clean_text(name), clean_text(value)) for name, value in pairs]).encode()
