"""The processor's refusals: HTTP status, type, code, words."""

from typing import Any, Final

_DOCS: Final = "https://docs.stripe.com/error-codes"


class StripeError(Exception):
    """An answer that refuses; `extra` are further members of `error`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"message": message, "type": kind, **extra}
        if code is not None:
            self.error |= {"code": code, "doc_url": f"{_DOCS}/{code.replace('_', '-')}"}
        if param is not None:
            self.error["param"] = param

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"error": self.error}


def unauthorized(shown: str | None) -> StripeError:
    """No key, or one that is not this account's."""
    if shown is None:
        return StripeError(401, "You did not provide an API key. Provide it in the Authorization header (Bearer).")
    return StripeError(401, f"Invalid API Key provided: {shown[:8]}{'*' * 8}")


def no_such(kind: str, key: str, param: str = "id") -> StripeError:
    """An id that is nobody's."""
    return StripeError(404, f"No such {kind}: '{key[:80]}'", code="resource_missing", param=param)


def no_endpoint(method: str, path: str) -> StripeError:
    """A path that the sandbox does not know."""
    return StripeError(404, f"Unrecognized request URL ({method}: {path[:120]}).")


def missing(param: str) -> StripeError:
    """A parameter that is needed."""
    return StripeError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def unknown(param: str) -> StripeError:
    """A parameter that there is not."""
    return StripeError(400, f"Received unknown parameter: {param[:80]}", code="parameter_unknown", param=param[:80])


def invalid(param: str, message: str, code: str | None = None) -> StripeError:
    """A parameter that makes no sense."""
    return StripeError(400, message, code=code, param=param)


def key_reused(key: str) -> StripeError:
    """The same idempotency key with other words."""
    return StripeError(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a "
        f"key other than '{key[:80]}' if you meant to execute a different request.",
        kind="idempotency_error",
    )


def key_in_use(key: str) -> StripeError:
    """The first request with the idempotency key has not been answered yet."""
    return StripeError(
        409,
        "There is currently another in-progress request using this Idempotency Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key[:80]}. Please try again later.",
        kind="idempotency_error",
        code="idempotency_key_in_use",
    )
