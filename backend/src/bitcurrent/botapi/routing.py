"""The bot API's own small HTTP layer: raw slashes in paths, and Alpaca's errors whatever happens.

It stays below Litestar's routing and error handling: there a wrong path or an accident would be answered with a
problem document, which no SDK of Alpaca's understands.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from bitcurrent.botapi.budget import BudgetSpent, Remaining
from bitcurrent.botapi.refusals import METHOD_NOT_ALLOWED, BotRefusal, error_of, not_found
from bitcurrent.botapi.requests import Query
from bitcurrent.botapi.service import BotApi
from bitcurrent.identity import model as identity
from bitcurrent.identity.key_signing import Approach, target_of
from bitcurrent.kernel.errors import Refusal
from bitcurrent.web import json
from bitcurrent.web.raw import read_body, send_json

log = structlog.get_logger(__name__)

STATE_NAME = "bot_api"
"""Under this name wiring gives the application its `BotApi`."""

_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})
_numbers = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, let in and read."""

    api: BotApi
    actor: identity.Actor
    path: dict[str, str]
    query: Query
    body: bytes


@dataclass(frozen=True, slots=True)
class PublicCall:
    """A request that anybody may send."""

    api: BotApi
    path: dict[str, str]
    query: Query


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: encoded JSON, or nothing at all for 204."""

    body: bytes
    status: int = 200


def reply(value: object, status: int = 200) -> Reply:
    """An answer whose amounts are strings."""
    return Reply(json.encode(value), status)


def reply_numbers(value: object) -> Reply:
    """An answer of market data, whose amounts are JSON numbers (exact: no float is made)."""
    return Reply(_numbers.encode(value))


NOTHING = Reply(b"", 204)

Handler = Callable[[Call], Awaitable[Reply]]
PublicHandler = Callable[[PublicCall], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `{name}` in the template takes a part of the path; `{name...}` takes slashes too.

    `must_count` refuses the call when Redis cannot count it: everything that places an order.
    """

    method: str
    template: str
    handler: Handler
    scope: identity.Scope
    must_count: bool = False


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """One operation of public data; a key that is sent along must still be a good one."""

    method: str
    template: str
    handler: PublicHandler


AnyRoute = Route | PublicRoute


class Routes:
    """Finds and runs operations; an ASGI application."""

    def __init__(self, routes: Sequence[AnyRoute]) -> None:
        self._routes = [(route, _pattern(route.template)) for route in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whatever it is, with an answer in Alpaca's shape."""
        if scope["type"] != ScopeType.HTTP:
            await send({"type": "websocket.close", "code": 1008, "reason": "No stream here."})
            return
        headers: dict[str, str] = {}
        try:
            answer = await self._answer(scope, receive, headers)
        except Exception as error:  # noqa: BLE001  the last line: an SDK must get something that it can read
            await _send_error(send, error, headers)
            return
        await send_json(send, answer.status, answer.body, headers)

    async def _answer(self, scope: Any, receive: Receive, headers: dict[str, str]) -> Reply:
        # The mount cut our prefix off; whoever logs and counts around us shall see the whole path.
        scope["path"] = _path(scope)
        route, path = self._find(scope["method"], scope["path"])
        scope["path_template"] = route.template
        state = scope["litestar_app"].state
        api: BotApi = state[STATE_NAME]
        body = _Body(receive)
        address = state["addresses"].of(scope)
        approach = Approach(address, scope["method"], target_of(scope), body.read)
        api.refuse_spent(address)
        if isinstance(route, PublicRoute):
            _tell_budget(headers, await api.spend(address))
            if any(name in _KEY_HEADERS for name, _ in scope["headers"]):
                await api.recognise(scope["headers"], "read", approach)
            return await route.handler(PublicCall(api, path, Query(scope["query_string"])))
        try:
            actor = await api.recognise(scope["headers"], route.scope, approach)
        except Refusal:
            _tell_budget(headers, await api.spend(address))
            raise
        _tell_budget(headers, await api.spend(address, actor, must_count=route.must_count))
        content = await body.read() if route.method in _WITH_BODY else b""
        return await route.handler(Call(api, actor, path, Query(scope["query_string"]), content))

    def _find(self, method: str, path: str) -> tuple[AnyRoute, dict[str, str]]:
        elsewhere = False
        for route, pattern in self._routes:
            if match := pattern.fullmatch(path):
                if route.method == method:
                    return route, match.groupdict()
                elsewhere = True
        if elsewhere:
            raise BotRefusal(405, METHOD_NOT_ALLOWED, "method not allowed")
        raise not_found("endpoint not found")


_KEY_HEADERS = frozenset({b"authorization", b"apca-api-key-id", b"x-bc-key"})


class _Body:
    """A request's body, read when somebody asks for it, and once."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes: bytes | None = None

    async def read(self) -> bytes:
        """The whole of it; raises BodyTooLarge."""
        if self._bytes is None:
            self._bytes = await read_body(self._receive)
        return self._bytes


def _path(scope: Any) -> str:
    """The path as the client wrote it, decoded once: BTC/USD and BTC%2FUSD are the same."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = unquote(raw.partition(b"?")[0].decode("latin-1"))
    return path.rstrip("/")


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+(?:\.\.\.)?\})", template)
    return re.compile("".join(_group(part) if part.startswith("{") else re.escape(part) for part in parts))


def _group(part: str) -> str:
    name = part.strip("{}.")
    return f"(?P<{name}>.{{1,200}})" if part.endswith("...}") else f"(?P<{name}>[^/]{{1,200}})"


def _tell_budget(headers: dict[str, str], left: Remaining | None) -> None:
    if left is not None:
        headers.update(left.headers())


async def _send_error(send: Send, error: Exception, headers: dict[str, str]) -> None:
    """Answer with any exception; what is our fault goes to the log with the reference that the answer names."""
    reference = structlog.contextvars.get_contextvars().get("request_id", "")
    answer = error_of(error, reference=reference)
    if isinstance(error, BudgetSpent):
        _tell_budget(headers, error.left)
    if answer.status == 500:
        log.error("unexpected_error", reference=reference, exc_info=error)
    elif answer.status > 500:
        log.warning("unavailable", reference=reference, cause=type(error).__name__, text=str(error)[:200])
    if answer.retry_after_seconds is not None:
        headers["Retry-After"] = answer.retry_after_seconds
    await send_json(send, answer.status, json.encode(answer.body), headers)


def as_app(routes: Sequence[AnyRoute]) -> ASGIApp:
    """The routes as an ASGI application."""
    return Routes(routes)
