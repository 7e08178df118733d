"""The document that describes the API, and the page that shows it."""

import re
from decimal import Decimal
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from bitcurrent.app import build_app
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web import openapi
from tests.support.brokerage import settings_for

NOWHERE = DatabaseUrls("postgresql://nobody@127.0.0.1:9/none", "postgresql://nobody@127.0.0.1:9/none")


@pytest.fixture(scope="module")
def app() -> Litestar:
    return build_app(settings_for(NOWHERE, "redis://127.0.0.1:9/0"))


@pytest.fixture(scope="module")
def document(app: Litestar) -> dict[str, Any]:
    return openapi.describe(app)


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in {"get", "post", "put", "patch", "delete"}
    ]


def test_every_operation_has_a_name_a_summary_and_a_problem_answer(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    operations = _operations(document)
    names = [operation["operationId"] for _, operation in operations]
    assert len(names) == len(set(names)) >= 13
    for where, operation in operations:
        assert operation["summary"], where
        assert operation["tags"], where
        assert "application/problem+json" in operation["responses"]["default"]["content"], where


def test_who_may_call_is_said_and_the_ways_are_described(document: dict[str, Any]) -> None:
    protected = {where for where, operation in _operations(document) if operation.get("security")}
    assert {"GET /api/me", "POST /api/logout", "POST /api/api-keys", "DELETE /api/sessions"} <= protected
    assert not protected & {"POST /api/login", "POST /api/register", "GET /health/live", "GET /api/markets"}
    ways = {
        name
        for operation in dict(_operations(document)).values()
        for way in operation.get("security", [])
        for name in way
    }
    assert ways <= set(document["components"]["securitySchemes"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = msgspec.json.encode(document).decode()
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in document["components"]["schemas"], name


def test_no_answer_holds_a_bare_decimal(app: Litestar) -> None:
    """It would travel with an exponent, or as a float: Amount is the type of the wire."""
    seen: set[Any] = set()

    def check(kind: Any, where: str) -> None:
        assert kind is not Decimal, where
        assert kind is not float, where
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
            seen.add(kind)
            for name, part in get_type_hints(kind).items():
                check(part, f"{where}.{name}")
        for part in get_args(kind):
            check(part, where)

    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, _ in route.route_handler_map.values():
                check(handler.parsed_fn_signature.return_type.annotation, str(handler))
    assert len(seen) > 5


@pytest.mark.parametrize("name", ["index.html", "docs.js", "docs.css"])
def test_the_page_asks_no_other_host(name: str) -> None:
    text = openapi._page(name).decode()
    assert not re.search(r"(https?:)?//[a-z]", text.replace("// Renders", ""))
    assert "innerHTML" not in text
