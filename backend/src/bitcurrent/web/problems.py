"""Refusals and accidents become problem documents (RFC 9457); only here does a refusal get an HTTP status."""

import re
import socket
from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bitcurrent.kernel import errors
from bitcurrent.web.schemas import Problem

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

BODY_BYTES_MAX = 65_536
"""No request of this API needs a larger body."""


class BodyTooLarge(errors.Refusal):
    """The body is larger than any request needs."""

    code = "body_too_large"
    title = "Body too large"

    def __init__(self, bytes_max: int = BODY_BYTES_MAX) -> None:
        super().__init__(
            f"The body is too large: at most {bytes_max // 1024:,} kB. Nothing was done.",
            details={"bytes_max": str(bytes_max)},
        )


STATUSES: tuple[tuple[type[errors.Refusal], int], ...] = (
    (errors.Invalid, 422),
    (errors.Unproven, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.TooMany, 429),
    (errors.Unavailable, 503),
    (BodyTooLarge, 413),
)

NOT_REACHED = (
    ConnectionError,
    socket.gaierror,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.InterfaceError,
    RedisConnectionError,
    RedisTimeoutError,
)
"""What a call to PostgreSQL or Redis raises when it is not there, going down, or too slow."""

HTTP_CODES = {
    400: ("malformed_request", "Malformed request"),
    404: ("no_such_route", "No such address"),
    405: ("method_not_allowed", "Method not allowed"),
    406: ("not_acceptable", "Not acceptable"),
    415: ("unsupported_media_type", "Unsupported media type"),
}
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NAMED = re.compile(r"(?:unknown|required) field `(?P<name>[^`]+)`")


def problem_of(error: BaseException, *, method: str = "GET") -> Problem:
    """What went wrong, as a problem document without a reference. Pure: it logs nothing."""
    if isinstance(error, errors.Refusal):
        return refusal_problem(error)
    if isinstance(error, msgspec.ValidationError):
        return invalid_body(error)
    if isinstance(error, msgspec.DecodeError):
        return _problem(400, "malformed_json", "Malformed JSON", f"The body is not JSON: {error}. Nothing was done.")
    if isinstance(error, ValidationException):
        return _invalid_parameter(error)
    if isinstance(error, HTTPException):
        return refusal_problem(BodyTooLarge()) if error.status_code == 413 else _http_problem(error)
    if isinstance(error, NOT_REACHED):
        return _unreachable(method)
    return _problem(
        500,
        "internal_error",
        "Unexpected error",
        "Something failed on our side. Ask support with the reference; "
        "if this was a write, repeat it with the same Idempotency-Key to learn whether it was done.",
    )


def refusal_problem(refusal: errors.Refusal) -> Problem:
    """A refusal with the status of its kind."""
    status = next((status for kind, status in STATUSES if isinstance(refusal, kind)), 422)
    return _problem(status, refusal.code, refusal.title, refusal.message, field=refusal.field, details=refusal.details)


def headers_of(problem: Problem, error: BaseException) -> dict[str, str]:
    """The headers that belong to a problem's status."""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="bitcurrent"'
    if problem.status in {429, 503}:
        headers["Retry-After"] = problem.details.get("retry_after_seconds", "1")
    return headers


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Litestar's handler for every exception."""
    problem = referenced(problem_of(error, method=request.method), error)
    return Response(
        content=problem,
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers_of(problem, error),
    )


def referenced(problem: Problem, error: BaseException) -> Problem:
    """The problem with the reference under which our log has the whole story, when it is our fault."""
    if problem.status < 500:
        return problem
    reference = structlog.contextvars.get_contextvars().get("request_id", "")
    if problem.status == 500:
        log.error("unexpected_error", reference=reference, exc_info=error)
    else:
        log.warning("unavailable", reference=reference, cause=type(error).__name__, text=str(error)[:200])
    return msgspec.structs.replace(problem, reference=reference or None)


def invalid_body(error: msgspec.ValidationError) -> Problem:
    """A body of JSON that does not fit; the field's path is given where there is one."""
    text = str(error)
    if text.startswith("Expected `object`") and not _PATH.search(text):
        return _problem(400, "malformed_json", "Malformed JSON", f"The body must be a JSON object: {text}.")
    path = match["path"] if (match := _PATH.search(text)) else ""
    reason = _PATH.sub("", text)
    if named := _NAMED.search(reason):
        path = f"{path}.{named['name']}" if path else named["name"]
    return _invalid_field(path or None, reason)


def _invalid_parameter(error: ValidationException) -> Problem:
    """A query parameter, path part or header that does not fit."""
    extra = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    found: Mapping[str, Any] = extra if isinstance(extra, dict) else {"message": str(extra)}
    if found.get("key") == "data":
        return _problem(400, "malformed_json", "Malformed JSON", "The body is missing: it must be a JSON object.")
    return _invalid_field(found.get("key"), str(found.get("message", error.detail)))


def _invalid_field(field: str | None, reason: str) -> Problem:
    where = f"`{field}`: " if field else ""
    detail = f"{where}{reason.rstrip('.')}. Nothing was done; correct it and send the request again."
    return _problem(422, "invalid_field", "Invalid request", detail, field=field)


def _http_problem(error: HTTPException) -> Problem:
    code, title = HTTP_CODES.get(error.status_code, ("http_error", "Refused"))
    detail = {
        404: "There is nothing at this address. See /docs for what there is.",
        405: "This address does not answer to this method. See /docs.",
    }.get(error.status_code, error.detail if error.status_code < 500 else "Something failed on our side.")
    return _problem(error.status_code, code, title, detail)


def _unreachable(method: str) -> Problem:
    if method in {"GET", "HEAD", "OPTIONS"}:
        detail, outcome = "Something we depend on does not answer. Nothing was changed; try again in a moment.", "none"
    else:
        detail = (
            "Something we depend on stopped answering. It is not known whether this was done: "
            "repeat it with the same Idempotency-Key (or client_order_id), which never does it twice."
        )
        outcome = "unknown"
    return _problem(503, "unavailable", "Temporarily unavailable", detail, details={"outcome": outcome})


def _problem(
    status: int, code: str, title: str, detail: str, *, field: str | None = None, details: dict[str, str] | None = None
) -> Problem:
    return Problem(
        type=f"urn:bitcurrent:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        field=field,
        details=details or {},
    )


REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""What a call to Redis raises when it does not answer as it should: the caller goes on from PostgreSQL."""
