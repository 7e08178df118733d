"""The outermost layer of HTTP: request ids, origins, security headers, metrics and the access log, for every answer.

It is plain ASGI around the whole application, so that raw handlers, unknown addresses and errors get them too.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Send

from bitcurrent.kernel.errors import Forbidden
from bitcurrent.settings import Settings
from bitcurrent.web.metrics import REQUEST_SECONDS
from bitcurrent.web.origins import Origins
from bitcurrent.web.problems import BODY_BYTES_MAX
from bitcurrent.web.raw import send_problem

log = structlog.get_logger("access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9-]{8,64}")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_YEAR_SECONDS = 31_536_000
TOO_LARGE = 413
DISCARD_BYTES_MAX = 16 * 1024 * 1024
DISCARD_SECONDS_MAX = 10.0

HEADERS: dict[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    # An answer is private until its handler says otherwise.
    b"cache-control": b"no-store",
}
"""Headers that every answer carries unless its handler set its own."""


class ForeignOrigin(Forbidden):
    """A browser sends this write on behalf of another site."""

    code = "foreign_origin"
    title = "Foreign origin"

    def __init__(self) -> None:
        super().__init__("This write comes from a page of another site, so it was not done.")


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, settings: Settings, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._origins = Origins(settings)
        self._clock = clock
        self._headers = dict(HEADERS)
        if settings.secure_cookies:
            value = f"max-age={_YEAR_SECONDS}; includeSubDomains"
            self._headers[b"strict-transport-security"] = value.encode()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = self._clock()
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500
        extra = [*self._headers.items(), (b"x-request-id", request_id.encode())]
        if _may_be_too_large(headers):
            receive = _Remainder(receive)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == TOO_LARGE and isinstance(receive, _Remainder):
                    await receive.discard()
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in present)]
            await send(message)

        try:
            if scope["method"] not in _SAFE and self._origins.is_foreign(headers):
                await send_problem(send_with_headers, ForeignOrigin())
            else:
                await self._app(scope, receive, send_with_headers)
        finally:
            self._note(scope, status, self._clock() - started)

    def _note(self, scope: Any, status: int, seconds: float) -> None:
        route = scope.get("path_template") or "unmatched"
        REQUEST_SECONDS.labels(scope["method"], route, str(status)).observe(seconds)
        # The path only: a query may hold what is nobody's business.
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"][:200],
            status=status,
            milliseconds=round(seconds * 1000, 2),
        )


class _Remainder:
    """A large body that is refused is still read to its end, and thrown away, before the refusal is sent.

    Somebody who is still sending when the connection closes sees a broken connection and never the reason.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Any:
        """The next message."""
        message = await self._receive()
        self._ended = not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Read on, for so many bytes and seconds at most."""
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS_MAX):
                while not self._ended and size < DISCARD_BYTES_MAX:
                    size += len((await self()).get("body", b""))


def _may_be_too_large(headers: dict[bytes, bytes]) -> bool:
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > BODY_BYTES_MAX


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else uuid4().hex
