"""The document itself: OpenAPI 3.1 as its specification has it, with names that programs can be generated from."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, SchemaError

from bitcurrent.app import build_app
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web.openapi import describe
from tests.support.brokerage import settings_for
from tests.support.own_api import METHODS, PROBLEM_TYPE, PUBLIC, Contract

NOWHERE = DatabaseUrls(owner="postgresql://nobody@127.0.0.1:9/none", app="postgresql://nobody@127.0.0.1:9/none")
PARAMETER = {
    "type": "object",
    "required": ["name", "in", "schema"],
    "properties": {"name": {"type": "string"}, "in": {"enum": ["path", "query", "header", "cookie"]}},
    "if": {"properties": {"in": {"const": "path"}}},
    "then": {"required": ["required"], "properties": {"required": {"const": True}}},
}
MEDIA = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "object", "required": ["schema"]}}
OPERATION = {
    "type": "object",
    "required": ["operationId", "summary", "responses"],
    "properties": {
        "operationId": {"type": "string", "minLength": 1},
        "summary": {"type": "string", "minLength": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "parameters": {"type": "array", "items": PARAMETER},
        "requestBody": {"type": "object", "required": ["content"], "properties": {"content": MEDIA}},
        "responses": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^([1-5](\d\d|XX)|default)$"},
            "additionalProperties": {
                "type": "object",
                "required": ["description"],
                "properties": {"content": {"type": "object"}},
            },
        },
        "security": {"type": "array", "items": {"type": "object"}},
    },
}
DOCUMENT = {
    "type": "object",
    "required": ["openapi", "info", "paths"],
    "properties": {
        "openapi": {"type": "string", "pattern": r"^3\.1\.\d+$"},
        "info": {"type": "object", "required": ["title", "version"]},
        "paths": {
            "type": "object",
            "propertyNames": {"pattern": "^/"},
            "additionalProperties": {
                "type": "object",
                "properties": dict.fromkeys(METHODS, OPERATION),
            },
        },
        "components": {
            "type": "object",
            "additionalProperties": {"type": "object", "propertyNames": {"pattern": r"^[a-zA-Z0-9._-]+$"}},
        },
    },
}
"""What the OpenAPI 3.1 specification asks of the parts that we use."""


@pytest.fixture(scope="module")
def contract() -> Contract:
    """As the application describes itself; nothing needs to run for that."""
    return Contract(describe(build_app(settings_for(NOWHERE, "redis://127.0.0.1:9"))))


def test_the_document_is_openapi_3_1(contract: Contract) -> None:
    faults = [
        f"{e.json_path}: {e.message[:200]}" for e in Draft202012Validator(DOCUMENT).iter_errors(contract.document)
    ]
    assert not faults, faults


def test_every_schema_is_a_schema_and_every_reference_leads_somewhere(contract: Contract) -> None:
    for where, schema in _schemas(contract.document, ""):
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            pytest.fail(f"{where}: {error.message}")
    for reference in _references(contract.document):
        target: Any = contract.document
        assert reference.startswith("#/"), reference
        for part in reference[2:].split("/"):
            assert part in target, f"{reference} leads nowhere"
            target = target[part]


def test_names_are_unique_and_can_become_functions(contract: Contract) -> None:
    ids = Counter(operation.id for operation in contract.operations())
    assert [name for name, count in ids.items() if count > 1] == []
    assert [name for name in ids if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9]*", name)] == []


def test_every_path_names_its_parameters(contract: Contract) -> None:
    for operation in contract.operations():
        parameters = operation.described.get("parameters", [])
        inside = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert inside == set(re.findall(r"\{([^}]+)\}", operation.path)), str(operation)
        names = Counter((parameter["name"], parameter["in"]) for parameter in parameters)
        assert [name for name, count in names.items() if count > 1] == [], str(operation)


def test_every_refusal_is_a_problem_document_and_every_private_operation_says_who_may(contract: Contract) -> None:
    schemes = set(contract.document["components"]["securitySchemes"])
    for operation in contract.operations():
        assert PROBLEM_TYPE in operation.described["responses"]["default"]["content"], str(operation)
        for way in operation.described.get("security", []):
            assert set(way) <= schemes, str(operation)
        if operation.id not in PUBLIC:
            assert operation.described.get("security"), f"{operation} does not say who may"


def _schemas(part: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(part, dict):
        if "schema" in part and isinstance(part["schema"], dict):
            yield where, part["schema"]
        for name, value in part.items():
            if where == "/components/schemas":
                yield f"{where}/{name}", value
            yield from _schemas(value, f"{where}/{name}")
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from _schemas(value, f"{where}/{number}")


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)
