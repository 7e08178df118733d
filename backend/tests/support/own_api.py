"""Our own API's document as a judge: each answer must be one that /api/openapi.json describes, and nothing more."""

import copy
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from jsonschema import Draft202012Validator, FormatChecker

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PROBLEM_TYPE = "application/problem+json"
NOT_MODIFIED = 304
PUBLIC = {
    "HealthLiveLive": "probes have no account",
    "HealthReadyReady": "probes have no account",
    "register": "there is no account yet",
    "logIn": "this is how one gets in",
    "completeLogin": "the challenge of the first step proves who asks",
    "sendLoginText": "the challenge of the first step proves who asks",
    "beginPasskeyLogin": "this is how one gets in",
    "logInByPasskey": "this is how one gets in",
    "reportLostFactor": "whoever lost a factor cannot log in; password and a wait of 72 hours stand instead",
    "cancelLostFactorByLink": "the signed link proves who asks",
    "verifyEmail": "the signed link proves who asks",
    "confirmEmail": "the signed link proves who asks",
    "undoEmail": "the signed link proves who asks",
    "askPasswordReset": "whoever forgot the password cannot log in",
    "resetPassword": "the signed link proves who asks",
    "listMarkets": "prices are everybody's",
    "readMarket": "prices are everybody's",
    "listCandles": "prices are everybody's",
    "readBook": "prices are everybody's",
    "listTrades": "prices are everybody's",
    "confirmWithdrawal": "the signed link proves who asks, and whoever asked for it has shown a second factor",
    "takeProcessorEvent": "the signature over the raw body proves who sends",
    "listWithdrawalNetworks": "which coins leave over which networks is everybody's",
    "unsubscribe": "the signed link proves who asks",
    "unsubscribeByOneClick": "the signed link proves who asks",
    "reportText": "the carrier's signature proves who tells",
    "takeIdentityEvent": "the signature over the raw body proves who sends",
    "readSolvency": "whether we are solvent is everybody's",
    "listSolvencyReports": "whether we were solvent is everybody's",
    "readStatus": "who cannot log in asks it first",
}
"""Operations that need no login, each with the reason."""

RAW = {
    "takeProcessorEvent": "a signed body is taken as the bytes that it is; its form is the processor's",
    "takeIdentityEvent": "a signed body is taken as the bytes that it is; its form is the provider's",
}
"""Operations whose body the document does not describe, each with the reason."""

_formats = FormatChecker(["uuid"])


@_formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document."""

    id: str
    method: str
    path: str
    pattern: re.Pattern[str]
    described: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.id} ({self.method} {self.path})"


@dataclass(slots=True)
class Contract:
    """Checks answers, and counts which operations have succeeded and which have refused."""

    document: dict[str, Any]
    succeeded: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    _closed: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        # A field that the document does not name must not be in an answer either.
        self._closed = _close(copy.deepcopy(self.document))

    def operations(self) -> list[Operation]:
        """Every operation of the document."""
        return [
            Operation(described["operationId"], method.upper(), path, _pattern(path), described)
            for path, item in self.document["paths"].items()
            for method, described in item.items()
            if method in METHODS
        ]

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that a request asks for; a path without parameters is meant before one with them."""
        fitting = [one for one in self.operations() if one.method == method and one.pattern.fullmatch(path)]
        return min(fitting, key=lambda one: one.path.count("{"), default=None)

    async def hook(self, answer: httpx.Response) -> None:
        """For an asynchronous client: `event_hooks={"response": [contract.hook]}`."""
        await answer.aread()
        self.check(answer)

    def check(self, answer: httpx.Response) -> None:
        """Fail with every difference between the answer and the document."""
        request = answer.request
        path = request.url.path
        if not path.startswith(("/api/", "/health/")) or path == "/api/openapi.json":
            return
        operation = self.find(request.method, path)
        if operation is None:
            assert answer.status_code in {404, 405}, f"{request.method} {path} is not in the document"
            self._check_problem(answer)
            return
        if answer.status_code != NOT_MODIFIED:
            (self.succeeded if answer.is_success else self.refused)[operation.id] += 1
        if answer.is_success:
            self._check_asked(operation, request)
        self._check_answer(operation, answer)

    def _check_asked(self, operation: Operation, request: httpx.Request) -> None:
        """What was understood must have been described."""
        parameters = operation.described.get("parameters", [])
        known = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
        unknown = {name for name, _ in request.url.params.multi_items()} - known
        assert not unknown, f"{operation} took {unknown}, which the document does not name"
        if request.content and operation.id not in RAW and "json" in request.headers.get("content-type", ""):
            body = operation.described["requestBody"]["content"]["application/json"]["schema"]
            self._validate(operation, "request", self.document, body, httpx.Response(200, content=request.content))

    def _check_answer(self, operation: Operation, answer: httpx.Response) -> None:
        responses = operation.described["responses"]
        status = str(answer.status_code)
        assert status in responses or answer.is_error, f"{operation} answered {status}, described: {responses}"
        described = responses.get(status, responses.get("default"))
        assert described is not None, f"{operation} answered {status}, which the document does not describe"
        content = described.get("content", {})
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if not answer.content:
            assert not content or status in {"204", "304"}, f"{operation} answered {status} without its body"
            return
        assert kind in content, f"{operation} answered {status} as {kind}, described: {list(content)}"
        if kind == PROBLEM_TYPE:
            self._check_problem(answer)
        elif kind.endswith("json"):
            schema = self._closed_response(operation, status, kind)
            if "fields" not in answer.request.url.params:
                schema = _whole(schema)
            self._validate(operation, status, self._closed, schema, answer)

    def _closed_response(self, operation: Operation, status: str, kind: str) -> dict[str, Any]:
        responses = self._closed["paths"][operation.path][operation.method.lower()]["responses"]
        schema: dict[str, Any] = responses[status if status in responses else "default"]["content"][kind]["schema"]
        return schema

    def _check_problem(self, answer: httpx.Response) -> None:
        """Every refusal has the same form, a stable code, and says what to do."""
        where = f"{answer.request.method} {answer.request.url.path}"
        assert answer.headers["content-type"].startswith(PROBLEM_TYPE), f"{where}: {answer.headers['content-type']}"
        schema = {"$ref": "#/components/schemas/Problem"}
        faults = list(_faults(self._closed, schema, answer.json()))
        assert not faults, f"{where}: {faults}"
        problem = answer.json()
        assert problem["status"] == answer.status_code, where
        assert problem["type"].endswith(problem["code"]), where
        assert re.fullmatch(r"[a-z][a-z0-9_]+", problem["code"]), where
        assert problem["detail"].strip(), where

    def _validate(
        self, operation: Operation, what: str, document: dict[str, Any], schema: dict[str, Any], answer: httpx.Response
    ) -> None:
        faults = list(_faults(document, schema, answer.json()))
        assert not faults, f"{operation} {what}: " + "; ".join(faults[:10])

    def missing(self, *, cannot_refuse: frozenset[str] = frozenset()) -> list[str]:
        """Operations that were never seen to succeed, or never to refuse."""
        lines = []
        for operation in self.operations():
            if not self.succeeded[operation.id]:
                lines.append(f"no success: {operation}")
            if not self.refused[operation.id] and operation.id not in cannot_refuse:
                lines.append(f"no refusal: {operation}")
        return lines


def read_contract(url: str) -> Contract:
    """The contract of a running API."""
    answer = httpx.get(f"{url}/api/openapi.json", timeout=10)
    assert answer.status_code == 200
    return Contract(answer.json())


def _faults(document: dict[str, Any], schema: dict[str, Any], value: Any) -> Iterator[str]:
    whole = {"components": document["components"], **schema}
    for error in Draft202012Validator(whole, format_checker=_formats).iter_errors(value):
        yield f"{list(error.absolute_path)}: {error.message[:300]}"


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the alternative of chosen fields, which any object fits."""
    ways = [way for way in schema.get("anyOf", []) if way.get("additionalProperties") != {}]
    return {**schema, "anyOf": ways} if ways else schema


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(path)))


def _close(part: Any) -> Any:
    """The same document with every described object closed against fields that it does not name."""
    if isinstance(part, dict):
        if part.get("type") == "object" and "properties" in part:
            part.setdefault("additionalProperties", False)
        for value in part.values():
            _close(value)
    elif isinstance(part, list):
        for value in part:
            _close(value)
    return part
