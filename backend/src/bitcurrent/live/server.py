"""The live server's port: WebSocket upgrades and health checks, told apart by path, on picows and uvloop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog
import uvloop
from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from bitcurrent.kernel.errors import Forbidden, NotFound, Refusal, Unavailable
from bitcurrent.kernel.logs import configure_logs
from bitcurrent.kernel.tasks import stop
from bitcurrent.live.model import FRAME_BYTES_MAX, ForeignOrigin, NothingHere, ParametersRefused
from bitcurrent.live.service import Live
from bitcurrent.settings import Settings
from bitcurrent.web.origins import Origins

GOODBYE_SECONDS: Final = 1.0
HANDSHAKE_SECONDS: Final = 5
READ_BUFFER_BYTES: Final = 2 * 1024
"""To begin with; it grows with the frames that come. Most clients send next to nothing."""

STATUSES: Final = ((Forbidden, 403), (NotFound, 404), (Unavailable, 503))
Answer = WSListener | WSUpgradeResponseWithListener
Handler = Callable[[WSUpgradeRequest], Answer]

log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Serve the live streams until SIGTERM or SIGINT."""
    configure_logs(settings.log_level)
    # A line for each connection that comes and goes is nobody's news.
    logging.getLogger("picows").setLevel(logging.ERROR)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with serving(settings) as live:
        log.info("live_ready", host=settings.host, port=settings.live_port)
        work = asyncio.create_task(live.run(), name="live")
        stopping = asyncio.create_task(told.wait(), name="stopping")
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()  # it never ends by itself: whatever ended it ends the process, which is started again
        await stop(work, stopping)
    log.info("live_stopped")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Live]:
    """Listen on the live port; at the end take no more, and send everybody away with 1001 (1 s at most)."""
    async with Live.open(settings) as live:
        door = Door(settings, live)
        server = await ws_create_server(
            door.open,
            settings.host,
            settings.live_port,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
            enable_auto_pong=False,
            max_frame_size=FRAME_BYTES_MAX,
            read_buffer_init_size=READ_BUFFER_BYTES,
            backlog=1024,
        )
        try:
            yield live
        finally:
            server.close()
            await live.close_all(GOODBYE_SECONDS)


class Door:
    """Decides by path what a request gets. Other rooms' streams become further entries of `handlers`."""

    def __init__(self, settings: Settings, live: Live) -> None:
        self._live = live
        self._origins = Origins(settings)
        self.handlers: Mapping[str, Handler] = {
            "/ws": self._stream,
            "/health": self._alive,
            "/health/live": self._alive,
            "/health/ready": self._ready,
        }

    def open(self, request: WSUpgradeRequest) -> Answer:
        """Answer a request. Called by picows, which would show the text of an exception to the client."""
        try:
            handler = self.handlers.get(request.path.partition(b"?")[0].decode("latin-1"))
            if handler is None:
                raise NothingHere
            return handler(request)
        except Refusal as refusal:
            return _refuse(refusal)
        except Exception:
            log.exception("live_request_failed")
            return _json(500, {"title": "Internal error", "status": 500, "code": "internal_error"}, problem=True)

    def _stream(self, request: WSUpgradeRequest) -> Answer:
        if b"?" in request.path:
            raise ParametersRefused
        if self._live.is_full:
            raise Unavailable("No more connections fit. Try again in a moment.")
        headers = request.headers
        origin = headers.get("origin")
        if origin is not None and not self._origins.allows(origin.encode(), headers.get("host", "").encode()):
            raise ForeignOrigin
        # Firefox asks for "keep-alive, Upgrade", which picows does not take for an upgrade.
        if "upgrade" in headers.get("connection", "").lower().replace(" ", "").split(","):
            headers["Connection"] = "Upgrade"
        cookie = headers.get("cookie", "").encode()
        forwarded = ",".join(headers.getall("x-forwarded-for", []))
        return self._live.welcome(cookie if self._live.cookie_name.encode() + b"=" in cookie else None, forwarded)

    def _alive(self, _: WSUpgradeRequest) -> Answer:
        return _json(200, {"status": "ok"})

    def _ready(self, _: WSUpgradeRequest) -> Answer:
        """Ready while the log is being read. Redis is told of, not asked for: without it the poll goes on."""
        reader = self._live.reader
        body = {
            "status": "ok" if reader.is_well else "down",
            "postgresql": "ok" if reader.is_well else "down",
            "redis": "ok" if reader.hears_redis else "down",
            "sockets": self._live.sockets,
        }
        return _json(200 if reader.is_well else 503, body)


def _refuse(refusal: Refusal) -> Answer:
    status = next((status for kind, status in STATUSES if isinstance(refusal, kind)), 400)
    problem = {
        "type": "about:blank",
        "title": refusal.title,
        "status": status,
        "detail": refusal.message,
        "code": refusal.code,
    }
    return _json(status, problem, problem=True)


def _json(status: int, body: object, *, problem: bool = False) -> WSUpgradeResponseWithListener:
    headers = {
        "Content-Type": "application/problem+json" if problem else "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    content = msgspec.json.encode(body)
    if status < 400:
        response = WSUpgradeResponse.create_ok_response(content, headers)
    else:
        response = WSUpgradeResponse.create_error_response(status, content, headers)
    return WSUpgradeResponseWithListener(response, None)
