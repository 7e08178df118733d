"""The OpenAPI document and the page that renders it.

Litestar describes the handlers; here every operation gets what holds for all of them: who may call it, the problem
document of a refusal, and the Idempotency-Key of a write.
"""

from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, License, Schema, SecurityScheme
from litestar.openapi.spec.enums import OpenAPIType
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from bitcurrent.web.amounts import AMOUNT_PATTERN, Amount
from bitcurrent.web.idempotency import HEADER
from bitcurrent.web.problems import MEDIA_TYPE
from bitcurrent.web.schemas import Problem

IDEMPOTENT = "idempotent"
"""A handler with `opt={IDEMPOTENT: True}` is described as taking an Idempotency-Key."""

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


def describe(app: Litestar) -> dict[str, Any]:
    """The whole document."""
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
            if handler.resolve_guards() or "actor" in handler.parsed_fn_signature.parameters:
                operation["security"] = _SECURITY
            if handler.opt.get(IDEMPOTENT):
                operation.setdefault("parameters", []).append(_KEY_PARAMETER)
    return document


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


@lru_cache(maxsize=4)
def _document(app: Litestar) -> bytes:
    return msgspec.json.encode(describe(app))


@lru_cache(maxsize=8)
def _page(name: str) -> bytes:
    return resources.files("bitcurrent.web.docs").joinpath(name).read_bytes()


@get("/api/openapi.json", include_in_schema=False)
async def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The document."""
    return Response(
        _document(request.app),
        media_type=MediaType.JSON,
        headers={"Cache-Control": "public, max-age=60"},
    )


@get("/docs", include_in_schema=False)
async def docs() -> Response[bytes]:
    """The rendered reference."""
    return _file("index.html", "text/html; charset=utf-8")


@get("/docs/docs.js", include_in_schema=False)
async def docs_script() -> Response[bytes]:
    """Its script."""
    return _file("docs.js", "text/javascript; charset=utf-8")


@get("/docs/docs.css", include_in_schema=False)
async def docs_style() -> Response[bytes]:
    """Its style."""
    return _file("docs.css", "text/css; charset=utf-8")


def _file(name: str, media_type: str) -> Response[bytes]:
    headers = {"Cache-Control": "public, max-age=300", "Content-Security-Policy": _PAGE_POLICY}
    return Response(_page(name), media_type=media_type, headers=headers)


ROUTES = (openapi_json, docs, docs_script, docs_style)
