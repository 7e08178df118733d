"""Lists as CSV (RFC 4180): exact amounts, UTC times, and no cell that a spreadsheet would take for a formula.

Every list that comes in pages gives itself as CSV too, for `?format=csv` or `Accept: text/csv`: with the same filters,
whole instead of one page, and streamed. A handler does nothing for it: the page that it answers is the first piece,
and the following ones are asked of the same route, past its guards again.
"""

import csv
import io
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, get_args, get_origin
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import HTTPScope, Message

from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.money import plain
from bitcurrent.web import json
from bitcurrent.web.pages import FIELDS, LIMIT_MAX
from bitcurrent.web.schemas import Page

Cell = str | Decimal | datetime | None
AnyRequest = Request[Any, Any, Any]
MEDIA_TYPE: Final = "text/csv"
FORMAT: Final = "format"
ROWS_MAX: Final = 100_000
CUT_SHORT: Final = f"INCOMPLETE: there are more than {ROWS_MAX} rows. Narrow the filters."
"""The first cell of the last row of a list that was too long."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


class ListBroken(Exception):
    """A further page was refused while its list was on the way: the connection is broken off, so that it shows."""


def encode_row(cells: Sequence[Cell]) -> bytes:
    """One line. Amounts are plain decimals; text that could be a formula gets an apostrophe before it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_written(cell) for cell in cells])
    return line.getvalue().encode()


def gives_csv(handler: Any) -> bool:
    """Whether a handler answers pages, and so gives its list as CSV."""
    return _has_page(handler.parsed_fn_signature.return_type.annotation)


def wants_csv(request: AnyRequest) -> bool:
    """Whether CSV was asked for; raises Invalid for a format that there is none of."""
    asked = request.query_params.get(FORMAT)
    if asked not in {None, "json", "csv"}:
        raise Invalid("A list comes as json or csv.", field=FORMAT, details={"known": "json,csv"})
    return asked == "csv" or (asked is None and request.headers.get("accept", "").strip().lower() == MEDIA_TYPE)


def csv_answer(request: AnyRequest, first: object, schema: type[msgspec.Struct]) -> ASGIStreamingResponse:
    """The list that begins with this page, to its end."""
    wanted = request.query_params.get(FIELDS)
    columns = [field.encode_name for field in msgspec.structs.fields(schema)]
    if wanted:
        columns = [name for part in wanted.split(",") if (name := part.strip())]
    name = request.scope["path"].rstrip("/").rpartition("/")[2]
    return ASGIStreamingResponse(
        iterator=_lines(request, msgspec.to_builtins(first, enc_hook=json.write_part), columns),
        media_type=MEDIA_TYPE,
        headers={
            "Content-Disposition": f'attachment; filename="bitcurrent-{name}.csv"',
            "Cache-Control": "private, no-store",
        },
    )


async def _lines(request: AnyRequest, page: Mapping[str, Any], columns: Sequence[str]) -> AsyncIterator[bytes]:
    """A page's lines at a time, the names of the columns before them."""
    piece = encode_row(columns)
    rows = 0
    while True:
        rows += len(page["items"])
        yield piece + b"".join(encode_row([_cell(item.get(name)) for name in columns]) for item in page["items"])
        following = page["next"]
        if following is None:
            return
        if rows >= ROWS_MAX:
            yield encode_row([CUT_SHORT])
            return
        piece = b""
        page = await _following(request, following)


async def _following(request: AnyRequest, cursor: str) -> Mapping[str, Any]:
    """The next page of the same list, for whoever asked for it: its guards look again, its audit too."""
    query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
    query.pop(FORMAT, None)
    query.update(cursor=cursor, limit=str(LIMIT_MAX))
    kept = [pair for pair in request.scope["headers"] if pair[0] not in {b"accept", b"accept-encoding"}]
    scope: HTTPScope = {
        **request.scope,
        "query_string": urlencode(query).encode(),
        "headers": [*kept, (b"accept", b"application/json")],
        "state": {},
    }
    status, body = 0, bytearray()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            body += message["body"]

    await request.app.asgi_router(scope, receive, send)
    if status != 200:
        raise ListBroken(f"a page of {request.scope['path']} was answered {status}")
    page: Mapping[str, Any] = msgspec.json.decode(body)
    return page


def _has_page(kind: Any) -> bool:
    return get_origin(kind) is Page or any(_has_page(part) for part in get_args(kind))


def _cell(value: object) -> str | None:
    """What JSON says, in one cell: lists and objects as the JSON that they are."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    # An amount below zero is no formula.
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell
