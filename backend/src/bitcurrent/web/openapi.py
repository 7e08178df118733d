"""The OpenAPI document and the page that renders it.

Litestar describes the handlers; here every operation gets what holds for all of them: who may call it, the problem
document of a refusal, and the Idempotency-Key of a write.
"""

from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, License, Schema, SecurityScheme
from litestar.openapi.spec.enums import OpenAPIType
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from bitcurrent.web import csv
from bitcurrent.web.amounts import AMOUNT_PATTERN, Amount
from bitcurrent.web.answers import CACHEABLE, entity_tag, is_known, offers_csv, takes_fields
from bitcurrent.web.chain import LAYERS, REPEATABLE, Operations
from bitcurrent.web.idempotency import HEADER
from bitcurrent.web.links import add_links
from bitcurrent.web.pages import FIELDS, FIELDS_LENGTH_MAX
from bitcurrent.web.problems import MEDIA_TYPE
from bitcurrent.web.schemas import Problem

CHAIN = "x-bitcurrent-chain"
"""What an operation passes before its handler runs; at the top of the document, the chain itself."""

REPEATABLE_EXTENSION = "x-bitcurrent-repeatable"
"""Why a write takes no Idempotency-Key."""

TAKES_FILES = "takes_files"
"""A handler with `opt={TAKES_FILES: ("image/png",)}` takes the body as the file that it is."""

GIVES_FILES = "gives_files"
"""A handler with `opt={GIVES_FILES: ("image/png",)}` answers files of these kinds."""

IDEMPOTENT = "idempotent"
"""A handler with `opt={IDEMPOTENT: True}` is described as taking an Idempotency-Key."""

AnyRequest = Request[Any, Any, Any]
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}, {"api_key_id": [], "api_secret_key": []}]
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class AmountSchema(OpenAPISchemaPlugin):
    """Describes an Amount as what it is on the wire."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Amounts only."""
        return value is Amount

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """A string of decimal digits."""
        return Schema(
            type=OpenAPIType.STRING,
            pattern=AMOUNT_PATTERN,
            examples=["0.25"],
        )


class _NoPages(Router):
    """Litestar's own pages load scripts from other hosts and show the document without our additions: none is kept."""

    def register(self, value: Any) -> list[BaseRoute]:
        """Leave it out."""
        return []


def openapi_config(version: str, cookie_name: str) -> OpenAPIConfig:
    """What Litestar needs to know."""
    return OpenAPIConfig(
        title="BitCurrent API",
        version=version,
        description="Amounts are decimal strings. Refusals are problem documents (RFC 9457) with a stable `code`.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                "session": SecurityScheme(type="apiKey", name=cookie_name, security_scheme_in="cookie"),
                "api_key_id": SecurityScheme(type="apiKey", name="APCA-API-KEY-ID", security_scheme_in="header"),
                "api_secret_key": SecurityScheme(
                    type="apiKey", name="APCA-API-SECRET-KEY", security_scheme_in="header"
                ),
            }
        ),
        openapi_router=_NoPages(path="/docs", route_handlers=[], include_in_schema=False),
    )


def describe(app: Litestar, factor: int = 1) -> dict[str, Any]:
    """The whole document. `factor` multiplies the budgets of requests, as in the settings."""
    operations = Operations(app)
    document: dict[str, Any] = app.openapi_schema.to_schema()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    (problem,), parts = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schemas.update(parts)
    refusal = {"description": "A refusal or an accident.", "content": {MEDIA_TYPE: {"schema": problem}}}
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            operation = document["paths"].get(route.path_format, {}).get(str(method).lower())
            if operation is None:
                continue
            # Litestar's own form of a validation error is never sent.
            operation["responses"].pop("400", None)
            operation["responses"]["default"] = refusal
            _allow_overlap(operation["responses"])
            known = operations.find(str(method), route.path_format)
            operation[CHAIN] = known.describe(factor)
            if known.guarded:
                operation["security"] = _SECURITY
            _describe_options(operation, str(method), handler)
    _close_requests(document)
    document[CHAIN] = [msgspec.to_builtins(layer) for layer in LAYERS]
    add_links(document)
    return document


def _close_requests(document: dict[str, Any]) -> None:
    """Say of every body, and of every object in one, that it takes no field but those named."""
    waiting: list[Any] = [
        operation["requestBody"] for item in document["paths"].values() for operation in item.values()
        if "requestBody" in operation
    ]  # fmt: skip
    seen: set[str] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = part.get("$ref", "").rpartition("/")[2]
            if name and name not in seen:
                seen.add(name)
                waiting.append(document["components"]["schemas"][name])
            if part.get("type") == "object" and "properties" in part:
                part["additionalProperties"] = False
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _describe_options(operation: dict[str, Any], method: str, handler: Any) -> None:
    """What every read and every write takes beside its own parameters."""
    if handler.opt.get(IDEMPOTENT):
        operation.setdefault("parameters", []).append(_KEY_PARAMETER)
    elif REPEATABLE in handler.opt:
        operation[REPEATABLE_EXTENSION] = handler.opt[REPEATABLE]
    if method == "GET" and takes_fields(handler):
        if not any(each["name"] == FIELDS for each in operation.get("parameters", [])):
            operation.setdefault("parameters", []).append(_FIELDS_PARAMETER)
        content = operation["responses"]["200"]["content"]["application/json"]
        ways = content["schema"].get("anyOf", [content["schema"]])
        chosen = _CHOSEN_LIST if ways[0].get("type") == "array" else _CHOSEN
        if chosen not in ways:
            content["schema"] = {"anyOf": [*ways, chosen]}
    if method == "GET" and offers_csv(handler):
        operation.setdefault("parameters", []).append(_FORMAT_PARAMETER)
        operation["responses"]["200"]["content"][csv.MEDIA_TYPE] = {"schema": {"type": "string"}}
    if TAKES_FILES in handler.opt:
        operation["requestBody"] = {"required": True, "content": _files(handler.opt[TAKES_FILES])}
    if GIVES_FILES in handler.opt:
        operation["responses"]["200"]["content"] = _files(handler.opt[GIVES_FILES])
    if CACHEABLE in handler.opt:
        operation["responses"]["304"] = {"description": "Nothing has changed since the answer with this ETag."}


def _files(kinds: Iterable[str]) -> dict[str, Any]:
    return {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}


def _allow_overlap(responses: dict[str, Any]) -> None:
    """A page whose fields were chosen is an object like others, so the whole page fits both: that is no `oneOf`."""
    for response in responses.values():
        for media in response.get("content", {}).values():
            if "oneOf" in media.get("schema", {}):
                media["schema"]["anyOf"] = media["schema"].pop("oneOf")


_KEY_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Repeating a request with its key does it once and answers the same. Kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


_FIELDS_PARAMETER = {
    "name": FIELDS,
    "in": "query",
    "required": False,
    "description": "Only these fields, by name, with commas.",
    "schema": {"type": "string", "maxLength": FIELDS_LENGTH_MAX},
}
_FORMAT_PARAMETER = {
    "name": csv.FORMAT,
    "in": "query",
    "required": False,
    "description": f"`csv` is the whole list from the cursor on, to {csv.ROWS_MAX} rows; so is `Accept: text/csv`.",
    "schema": {"type": "string", "enum": ["json", "csv"]},
}
_CHOSEN: dict[str, Any] = {"type": "object", "additionalProperties": {}}
_CHOSEN_LIST: dict[str, Any] = {"type": "array", "items": _CHOSEN}


@lru_cache(maxsize=4)
def _document(app: Litestar, factor: int) -> bytes:
    return msgspec.json.encode(describe(app, factor))


@lru_cache(maxsize=8)
def _page(name: str) -> bytes:
    return resources.files("bitcurrent.web.docs").joinpath(name).read_bytes()


@get("/api/openapi.json", include_in_schema=False)
async def openapi_json(request: AnyRequest) -> Response[bytes]:
    """The document."""
    document = _document(request.app, request.app.state["settings"].rate_limit_factor)
    return _tagged(request, document, "application/json", {"Cache-Control": "public, max-age=60"})


@get("/docs", include_in_schema=False)
async def docs(request: AnyRequest) -> Response[bytes]:
    """The rendered reference."""
    return _file(request, "index.html", "text/html; charset=utf-8")


@get("/docs/docs.js", include_in_schema=False)
async def docs_script(request: AnyRequest) -> Response[bytes]:
    """Its script."""
    return _file(request, "docs.js", "text/javascript; charset=utf-8")


@get("/docs/docs.css", include_in_schema=False)
async def docs_style(request: AnyRequest) -> Response[bytes]:
    """Its style."""
    return _file(request, "docs.css", "text/css; charset=utf-8")


def _file(request: AnyRequest, name: str, media_type: str) -> Response[bytes]:
    headers = {"Cache-Control": "public, max-age=300", "Content-Security-Policy": _PAGE_POLICY}
    return _tagged(request, _page(name), media_type, headers)


def _tagged(request: AnyRequest, body: bytes, media_type: str, headers: dict[str, str]) -> Response[bytes]:
    """The body, or 304 for who has it already."""
    headers = {**headers, "ETag": entity_tag(body)}
    if is_known(request, headers["ETag"]):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


ROUTES = (openapi_json, docs, docs_script, docs_style)
