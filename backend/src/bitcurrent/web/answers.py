"""What every plain answer can do, whatever its handler: show chosen fields, be CSV, say that nothing has changed."""

import hashlib
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from litestar import Request, Response
from litestar.response.base import ASGIResponse

from bitcurrent.web.csv import csv_answer, gives_csv, wants_csv
from bitcurrent.web.pages import FIELDS, choose_fields

T = TypeVar("T")

CACHEABLE = "cacheable"
"""A public read with `opt={CACHEABLE: True}` carries an entity tag and answers 304 to whoever has it already."""
JSON_ONLY = "json_only"
"""A read with `opt={JSON_ONLY: True}` makes its own bytes: its list has no other form."""

_CACHING = {"Cache-Control": "public, no-cache"}


class Answer(Response[T]):
    """The application's response class: what a handler's return value becomes."""

    __slots__ = ()

    def to_asgi_response(  # type: ignore[override]  # `app` is deprecated there; all else is handed on as it is
        self, app: None, request: Request[Any, Any, Any], **more: Any
    ) -> ASGIResponse:
        """Choose the fields that `?fields=` names, write pages as CSV, compare the entity tag where there is one."""
        handler = request.route_handler
        schema = item_schema(handler) if request.method == "GET" else None
        wanted = request.query_params.get(FIELDS)
        if schema is not None and wanted and not isinstance(self.content, dict):
            self.content = choose_fields(self.content, wanted, schema)  # type: ignore[assignment]  # of the same shape
        if request.method == "GET" and offers_csv(handler) and wants_csv(request) and schema is not None:
            return csv_answer(request, self.content, schema)
        answer = super().to_asgi_response(app, request, **more)
        return _with_tag(answer, request) if CACHEABLE in handler.opt else answer


def takes_fields(handler: Any) -> bool:
    """Whether the answer of a handler is an object, or a list or page of objects, whose fields can be chosen."""
    return item_schema(handler) is not None


@lru_cache(maxsize=2_000)
def offers_csv(handler: Any) -> bool:
    """Whether the answer is a list in pages, which can be had as CSV. What caches keep has one form only."""
    return not {CACHEABLE, JSON_ONLY} & set(handler.opt) and gives_csv(handler)


@lru_cache(maxsize=2_000)
def item_schema(handler: Any) -> type[msgspec.Struct] | None:
    """What a handler answers, or what its list or page consists of; None when that is no object."""
    return _struct_in(handler.parsed_fn_signature.return_type.annotation)


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and get_origin(kind) is None:
        return kind
    if get_origin(kind) is dict:
        return None
    return next((found for part in get_args(kind) if (found := _struct_in(part)) is not None), None)


def entity_tag(body: bytes) -> str:
    """A weak tag: compressed or not, it is the same answer."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(request: Request[Any, Any, Any], tag: str) -> bool:
    """Whether the client says that it has this very answer."""
    known = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    return tag in known or "*" in known


def _with_tag(answer: ASGIResponse, request: Request[Any, Any, Any]) -> ASGIResponse:
    tag = entity_tag(answer.body)
    if is_known(request, tag):
        answer = ASGIResponse(status_code=304)
    for name, value in {**_CACHING, "ETag": tag, "Vary": "Accept-Encoding"}.items():
        answer.headers[name] = value
    return answer
