"""Puts the sandbox on a port: one process, one event loop, plain ASGI on uvicorn."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from importlib import resources
from typing import Any, Final

import psutil
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bitcurrent_sandbox.alpaca.venue import PREFIX, Venue, VenueOptions
from bitcurrent_sandbox.control import Control
from bitcurrent_sandbox.http import (
    BadBody,
    Hangup,
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    Socket,
    json_reply,
    read_request,
    send_half,
    send_reply,
)
from bitcurrent_sandbox.idcheck import API as IDCHECK
from bitcurrent_sandbox.idcheck import PREFIX as IDCHECK_CONTROL
from bitcurrent_sandbox.idcheck import IdentityChecks
from bitcurrent_sandbox.mailbox import PREFIX as MAILBOX
from bitcurrent_sandbox.mailbox import Mailbox
from bitcurrent_sandbox.phone import API as TWILIO
from bitcurrent_sandbox.phone import PREFIX as PHONE
from bitcurrent_sandbox.phone import Phone
from bitcurrent_sandbox.rates import API as RATES_FILE
from bitcurrent_sandbox.rates import PREFIX as RATES
from bitcurrent_sandbox.rates import Rates
from bitcurrent_sandbox.stripe.control import PREFIX as STRIPE_CONTROL
from bitcurrent_sandbox.stripe.control import ProcessorControl
from bitcurrent_sandbox.stripe.pages import Pages
from bitcurrent_sandbox.stripe.processor import API as STRIPE
from bitcurrent_sandbox.stripe.processor import PAGES as STRIPE_PAGES
from bitcurrent_sandbox.stripe.processor import Processor, ProcessorOptions

_STOP_SECONDS: Final = 1
_IDLE_SECONDS: Final = 75
Answer = Callable[[Request], Reply | Awaitable[Reply]]
log = logging.getLogger("bitcurrent_sandbox")


class Lines:
    """The open connections by the client's address, so that a fault can hang up on one."""

    def __init__(self) -> None:
        self._transports: dict[Any, asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """uvicorn's HTTP protocol, which also keeps this list."""
        transports = self._transports

        class Listed(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
                transports[transport.get_extra_info("peername")] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self.client, None)
                super().connection_lost(exc)

        return Listed

    def cut(self, client: Any) -> None:
        """Close that client's connection at once, after what was written."""
        transport = self._transports.pop(tuple(client), None)
        if transport is not None:
            transport.close()

    def forget(self, client: Any) -> None:
        """A WebSocket's connection has ended."""
        self._transports.pop(tuple(client), None)


class Site:
    """The ASGI application: the venue below /alpaca, the processor below /stripe, all pages below /sandbox."""

    def __init__(self, venue: Venue, lines: Lines, mailbox: Mailbox, processor: Processor) -> None:
        self._venue = venue
        self._lines = lines
        phone, rates, identities = Phone(venue.options.secret), Rates(), IdentityChecks(venue.options.secret)
        pages = Pages(
            store=processor.store,
            payments=processor.payments,
            prefix=STRIPE_PAGES,
            merchant=processor.options.merchant,
        )
        # The first that fits answers.
        self._places: tuple[tuple[str, Answer], ...] = (
            (PREFIX + "/", venue.answer),
            (STRIPE + "/", processor.answer),
            (STRIPE_CONTROL, ProcessorControl(processor).answer),
            (STRIPE_PAGES, pages.answer),
            ("/sandbox/control/", Control(venue).answer),
            (MAILBOX, mailbox.answer),
            (RATES_FILE, rates.give),
            (RATES, rates.answer),
            (PHONE, phone.answer),
            (TWILIO + "/", phone.take),
            (IDCHECK + "/", identities.take),
            (IDCHECK_CONTROL, identities.answer),
        )
        self._page = resources.files("bitcurrent_sandbox").joinpath("page.html").read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of either kind."""
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve_request(scope, receive, send)

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            try:
                request = await read_request(scope, receive)
                answer = self._handler_of(request.path)(request)
                reply = answer if isinstance(answer, Reply) else await answer
            except (BadBody, TimeoutError) as error:
                reply = json_reply({"code": 40010000, "message": str(error) or "request took too long"}, 400)
            await send_reply(reply, receive, send)
        except Hangup as hangup:
            if hangup.cut is not None:
                await send_half(hangup.cut, send)
            self._lines.cut(scope["client"])
            while (await receive())["type"] != "http.disconnect":
                continue

    def _handler_of(self, path: str) -> Answer:
        return next((answer for prefix, answer in self._places if path.startswith(prefix)), self._plain)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(scope, receive, send)
        try:
            if not await self._venue.connect(socket, scope["path"]):
                await socket.deny(404, b'{"code":40410000,"message":"endpoint not found"}')
        finally:
            self._lines.forget(scope["client"])

    def _plain(self, request: Request) -> Reply:
        path = request.path
        if path == "/sandbox/health":
            return json_reply({"status": "ok", "pid": os.getpid(), "memory_mb": _memory_mb()})
        if path in ("/", "/sandbox", "/sandbox/"):
            return Reply(body=self._page, content_type="text/html; charset=utf-8", headers=_PAGE_HEADERS)
        return json_reply({"code": 40410000, "message": "not found"}, 404)


_PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


def _memory_mb() -> int:
    """Resident memory of this process."""
    return int(psutil.Process().memory_info().rss // 1024**2)


class _Server(uvicorn.Server):
    """Closes the streams before it waits for connections to end."""

    def __init__(self, config: uvicorn.Config, venue: Venue) -> None:
        super().__init__(config)
        self._venue = venue

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and Ctrl-C, and then end as a program that did as it was told."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the venue's pulse and streams, then the server."""
        await self._venue.stop()
        await super().shutdown(sockets)


async def serve(
    options: VenueOptions, *, host: str, port: int, smtp_port: int | None = None, webhook_url: str = ""
) -> None:
    """Run until SIGTERM or Ctrl-C; without a port for SMTP the mailbox stays empty, without an address no webhooks."""
    venue, lines, mailbox = Venue(options), Lines(), Mailbox()
    processor = Processor(ProcessorOptions(folder=options.folder, secret=options.secret, webhook_url=webhook_url))
    config = uvicorn.Config(
        Site(venue, lines, mailbox, processor),
        host=host,
        port=port,
        http=lines.protocol(),
        ws="websockets-sansio",
        ws_max_size=1024 * 1024,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    server = _Server(config, venue)
    await venue.start()
    await processor.start()
    if smtp_port is not None:
        await mailbox.listen(host, smtp_port)
        log.info("sandbox mailbox: smtp://%s:%d", host, smtp_port)
    log.info("sandbox venue on http://%s:%d%s, processor on %s", host, port, PREFIX, STRIPE)
    try:
        await server.serve()
    finally:
        await mailbox.stop()
        await processor.stop()
        processor.store.close()
        await venue.stop()
        venue.store.close()
