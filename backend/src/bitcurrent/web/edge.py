"""The outermost layer of HTTP: request ids, security headers, the chain's layers, metrics and the access log.

It is plain ASGI around the whole application, so that raw handlers, unknown addresses and errors get them too.
"""

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import Message, Receive, Send
from prometheus_client import Histogram

from bitcurrent.kernel.errors import Forbidden
from bitcurrent.settings import Settings
from bitcurrent.web.chain import LAYERS, SAFE, LayerName, Operation, Operations
from bitcurrent.web.cors import Cors
from bitcurrent.web.csrf import Csrf
from bitcurrent.web.metrics import REQUEST_SECONDS
from bitcurrent.web.origins import Origins
from bitcurrent.web.problems import BODY_BYTES_MAX, BodyTooLarge
from bitcurrent.web.rates import COUNT, Count, address_subject
from bitcurrent.web.raw import send_nothing, send_problem
from bitcurrent.web.texts import clean_line, clean_query

log = structlog.get_logger("access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9-]{8,64}")
_METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
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
    """Wraps the application: runs the chain's layers before it and completes every answer after it."""

    def __init__(
        self,
        app: Litestar,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app.asgi_handler
        self._state = app.state
        self._operations = Operations(app)
        self._origins = Origins(settings)
        self._cors = Cors(settings)
        self._csrf = Csrf(settings)
        self._clock = clock
        self._series: dict[tuple[str, str, int], Histogram] = {}
        self._headers = dict(HEADERS)
        if settings.secure_cookies:
            value = f"max-age={_YEAR_SECONDS}; includeSubDomains"
            self._headers[b"strict-transport-security"] = value.encode()
        steps: dict[LayerName, Step] = {
            "cors": self._allow_origin,
            "rate_limits": self._count,
            "csrf": self._refuse_foreign_writes,
            "input_rules": self._clean_address,
        }
        self._steps = [steps[layer.name] for layer in LAYERS if layer.name in steps]

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
        exchange = Exchange(scope, headers, self._operations.find(scope["method"], scope["path"]))
        if _may_be_too_large(headers):
            receive = _Remainder(receive)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == TOO_LARGE and isinstance(receive, _Remainder):
                    await receive.discard()
                message["headers"] = self._complete(message["headers"], exchange, request_id)
            await send(message)

        try:
            if await self._may_pass(exchange, send_with_headers):
                await self._app(scope, receive, send_with_headers)
        finally:
            if exchange.count is not None:
                await exchange.count.settle()
            self._note(scope, status, self._clock() - started)

    async def _may_pass(self, exchange: "Exchange", send: Send) -> bool:
        """Run the layers in order; a refusal of any of them is the answer."""
        try:
            for step in self._steps:
                if (waiting := step(exchange)) is not None:
                    await waiting
                if exchange.ends_with is not None:
                    await send_nothing(send, exchange.ends_with)
                    return False
        except Exception as error:  # noqa: BLE001  outside of Litestar nobody else turns it into an answer
            await send_problem(send, error, method=exchange.scope["method"])
            return False
        return True

    def _allow_origin(self, exchange: "Exchange") -> None:
        exchange.answers += self._cors.headers(exchange.headers)
        preflight = self._cors.preflight(exchange.scope["method"], exchange.headers)
        if preflight is not None:
            exchange.answers += preflight
            exchange.ends_with = 204

    def _count(self, exchange: "Exchange") -> Awaitable[None] | None:
        operation, scope = exchange.operation, exchange.scope
        if operation.rate is None:
            return None
        address = address_subject(self._state["addresses"].of(scope))
        count = exchange.count = Count(self._state["rates"], operation.rate, address, exchange.answers)
        if operation.guarded:
            # Completed with account and key as soon as they are known: one question to Redis for all of them.
            scope[COUNT] = count
            return None
        return count.complete()

    def _refuse_foreign_writes(self, exchange: "Exchange") -> None:
        if exchange.scope["method"] in SAFE:
            return
        if self._origins.is_foreign(exchange.headers):
            raise ForeignOrigin
        self._csrf.check_write(exchange.headers)

    def _clean_address(self, exchange: "Exchange") -> None:
        """What the address says, in its normal form. The body follows when its handler reads it (`json.decode`)."""
        if exchange.operation.own_chain:
            return
        scope, headers = exchange.scope, exchange.headers
        scope["path"] = clean_line(scope["path"], field="path")
        scope["query_string"] = clean_query(scope["query_string"])
        length = headers.get(b"content-length", b"0")
        bytes_max = exchange.operation.body_bytes or BODY_BYTES_MAX
        if length.isdigit() and int(length) > bytes_max:
            raise BodyTooLarge(bytes_max)

    def _complete(self, given: Any, exchange: "Exchange", request_id: str) -> list[tuple[bytes, bytes]]:
        """The answer's headers: its own, the chain's, and what every answer carries unless they say otherwise."""
        headers = [*given, *exchange.answers]
        present = {name for name, _ in headers}
        headers += [pair for pair in self._headers.items() if pair[0] not in present]
        headers.append((b"x-request-id", request_id.encode()))
        return headers

    def _note(self, scope: Any, status: int, seconds: float) -> None:
        # Looking a series up costs more than observing it.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        series = (method, scope.get("path_template") or "unmatched", status)
        if (seen := self._series.get(series)) is None:
            seen = self._series[series] = REQUEST_SECONDS.labels(series[0], series[1], str(status))
        seen.observe(seconds)
        # The path only: a query may hold what is nobody's business.
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"][:200],
            status=status,
            milliseconds=round(seconds * 1000, 2),
        )


@dataclass(slots=True)
class Exchange:
    """One request on its way through the layers, and what they add to its answer."""

    scope: Any
    headers: dict[bytes, bytes]
    operation: Operation
    answers: list[tuple[bytes, bytes]] = field(default_factory=list)
    count: Count | None = None
    ends_with: int | None = None
    """A status, when a layer answers by itself."""


Step = Callable[[Exchange], Awaitable[None] | None]


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
                    message = await self()
                    size += len(message.get("body", b""))


def _may_be_too_large(headers: dict[bytes, bytes]) -> bool:
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > BODY_BYTES_MAX


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
