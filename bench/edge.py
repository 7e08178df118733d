"""What the whole edge costs a request, beside the bare framework; and what it costs to know a session again.

In one process and without sockets, so that nothing but the edge is measured: the same small answer from a handler of
the real application, behind every layer and guard, and from a Litestar application that has none.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Litestar, get
from litestar.di import NamedDependency

from bitcurrent.app import ROUTES, build_app
from bitcurrent.identity import repository
from bitcurrent.identity.guards import requires_scope
from bitcurrent.identity.model import Actor
from bitcurrent.identity.tokens import Tokens
from bitcurrent.kernel.ids import SessionId, UserId
from bitcurrent.kernel.logs import configure_logs
from bitcurrent.settings import Settings
from bitcurrent.web.schemas import Answer

WARM = 300
CALLS = 3_000


class Small(Answer, frozen=True, kw_only=True):
    """The answer that both give."""

    status: str = "ok"


@get("/bench/bare")
async def bare() -> Small:
    """Nothing before it."""
    return Small()


@get("/bench/guarded", guards=[requires_scope("read")])
async def guarded(actor: NamedDependency[Actor]) -> Small:
    """Behind the whole chain."""
    return Small()


@dataclass(frozen=True, slots=True)
class Edge:
    """One round, in microseconds."""

    chain: float
    bare: float
    session: float
    session_in_postgresql: float
    redis_round_trips: float
    """For each request through the chain."""


def measure(settings: Settings, token: str) -> Edge:
    """One round of everything, in turn."""
    return asyncio.run(_measure(settings, token))


async def _measure(settings: Settings, token: str) -> Edge:
    configure_logs(settings.log_level)
    app = build_app(settings, (*ROUTES, guarded))
    plain = Litestar([bare], openapi_config=None, logging_config=None)
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"host", b"127.0.0.1")]
    async with app.lifespan(), plain.lifespan():
        rates, identity, database = app.state["rates"], app.state["identity"], app.state["database"]
        await _repeat(lambda: _ask(plain, "/bench/bare", headers), WARM)
        await _repeat(lambda: _ask(app, "/bench/guarded", headers), WARM)
        bare_time = await _repeat(lambda: _ask(plain, "/bench/bare", headers), CALLS)
        asked = rates.round_trips
        chain_time = await _repeat(lambda: _ask(app, "/bench/guarded", headers), CALLS)
        asked = rates.round_trips - asked
        session_time = await _repeat(lambda: identity.authenticate(headers), CALLS)
        claims = Tokens(settings.secret_key).read(token)
        session_id, user_id = SessionId(UUID(str(claims.session_id))), UserId(UUID(str(claims.user_id)))

        async def from_postgresql() -> None:
            Tokens(settings.secret_key).read(token)
            async with database.read() as connection:
                assert await repository.session_actor(connection, session_id, user_id)

        postgresql_time = await _repeat(from_postgresql, CALLS // 3)
    return Edge(chain_time, bare_time, session_time, postgresql_time, asked / CALLS)


async def _repeat(call: Callable[[], Awaitable[Any]], times: int) -> float:
    """Microseconds of one call."""
    started = time.perf_counter()
    for _ in range(times):
        await call()
    return (time.perf_counter() - started) / times * 1_000_000


async def _ask(app: Litestar, path: str, headers: list[tuple[bytes, bytes]]) -> None:
    status = 0

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8_000),
    }  # fmt: skip
    await app(scope, receive, send)  # type: ignore[arg-type]  # Litestar types ASGI with its own dictionaries
    if status != 200:
        raise SystemExit(f"{path} answered {status}")
