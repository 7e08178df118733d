"""The venue as a whole: builds its parts, answers its requests with the faults in force, keeps its pulse."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca import errors
from bitcurrent_sandbox.alpaca.account import Account
from bitcurrent_sandbox.alpaca.data_api import DataApi
from bitcurrent_sandbox.alpaca.data_stream import DataStream
from bitcurrent_sandbox.alpaca.engine import Engine
from bitcurrent_sandbox.alpaca.keys import Keys
from bitcurrent_sandbox.alpaca.limits import RateLimit
from bitcurrent_sandbox.alpaca.market import Market, Replay, whole_minute
from bitcurrent_sandbox.alpaca.settings import VenueSettings
from bitcurrent_sandbox.alpaca.store import Store
from bitcurrent_sandbox.alpaca.trading_api import TradingApi
from bitcurrent_sandbox.alpaca.trading_stream import TradingStream
from bitcurrent_sandbox.alpaca.wallets import Wallets
from bitcurrent_sandbox.faults import AFTER, BEFORE, Fault, Faults
from bitcurrent_sandbox.http import BadBody, Hangup, Reply, Request, Router, Socket, json_reply

PREFIX: Final = "/alpaca"
_DATA: Final = "/v1beta3/"
_STATUS_CODES: Final = {429: 42910000, 401: 40110000, 403: 40310000, 404: 40410000, 422: 42210000}
log = logging.getLogger("bitcurrent_sandbox")


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """What one venue is started with; `replay` is (file, speed, symbol)."""

    folder: Path
    key_id: str
    secret: str
    seed: int
    cash: Decimal
    still: bool
    requests_per_minute: int
    replay: tuple[Path, float, str] | None = None


class Venue:
    """One account at one venue."""

    def __init__(self, options: VenueOptions) -> None:
        self.options = options
        self.store = Store(options.folder)
        self.faults = Faults()
        self.settings = self.usual_settings()
        self.keys = Keys(key_id=options.key_id, secret=options.secret)
        self.market = self._build_market()
        self.account = Account(self.store, cash=options.cash)
        self.engine = Engine(store=self.store, market=self.market, account=self.account, settings=self.settings)
        self.engine.rejects_next = lambda: self.faults.take_event("reject_order", "") is not None
        self.trading_stream = TradingStream(
            market=self.market, keys=self.keys, settings=self.settings, faults=self.faults
        )
        self.data_stream = DataStream(market=self.market, keys=self.keys, settings=self.settings)
        self.engine.listen(self.trading_stream.publish)
        self._limits = {"trading": RateLimit(), "data": RateLimit()}
        self._router = Router()
        TradingApi(engine=self.engine, market=self.market, store=self.store).route(self._router)
        self.wallets = Wallets(engine=self.engine, store=self.store, settings=self.settings)
        self.wallets.fails_next = lambda: self.faults.take_event("fail_transfer", "") is not None
        self.wallets.route(self._router)
        DataApi(self.market).route(self._router)
        self._router.add("GET", "/v2/events/trades", self._events)
        self._tasks: list[asyncio.Task[None]] = []

    def usual_settings(self) -> VenueSettings:
        """The settings that the venue starts with."""
        return VenueSettings(requests_per_minute=self.options.requests_per_minute)

    def reset_limits(self) -> None:
        """Begin the minute's budgets anew."""
        for limit in self._limits.values():
            limit.reset()

    # Life

    async def start(self) -> None:
        """Take up open orders and begin to pulse."""
        self.engine.recover()
        self._tasks = [asyncio.create_task(self._tick_forever()), asyncio.create_task(self._post_fees_forever())]

    async def stop(self) -> None:
        """Stop pulsing, close the streams, let go of the data."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.trading_stream.close_all()
        self.data_stream.close_all()

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(self.settings.tick_ms / 1000)
            try:
                self.engine.tick()
                self.data_stream.pulse()
                self.wallets.tick()
            except Exception:
                # One bad moment must not stop the market; it is logged with its trace.
                log.exception("the pulse failed")

    async def _post_fees_forever(self) -> None:
        since = clock.now()
        while True:
            await asyncio.sleep(1)
            due = clock.now() - since >= self.settings.fee_seconds * clock.MICROS
            if due and not self.settings.fees_paused:
                since = clock.now()
                self.engine.post_fees()

    # Answers

    async def answer(self, request: Request) -> Reply:
        """Answer one request below /alpaca; raises Hangup when a fault says so."""
        path = request.path.removeprefix(PREFIX)
        before = self.faults.take_request(BEFORE, request.method, path)
        if before is not None and (refusal := await self._strike_before(before)):
            return refusal
        reply = await self._dispatch(request, path)
        after = self.faults.take_request(AFTER, request.method, path)
        return reply if after is None else await self._strike_after(after, reply)

    async def connect(self, socket: Socket, path: str) -> bool:
        """Serve a WebSocket below /alpaca; False when there is none at this path."""
        if path == PREFIX + "/stream":
            await self.trading_stream.serve(socket)
        elif path in (f"{PREFIX}{_DATA}crypto/us", f"{PREFIX}{_DATA}crypto/us-1"):
            await self.data_stream.serve(socket)
        else:
            return False
        return True

    async def _dispatch(self, request: Request, path: str) -> Reply:
        is_data = path.startswith(_DATA)
        budget = self.settings.data_requests_per_minute if is_data else self.settings.requests_per_minute
        within, headers = self._limits["data" if is_data else "trading"].spend(budget)
        try:
            if not within:
                raise errors.rate_limited()
            shown = self.keys.shown(request.headers)
            if shown is False or (shown is None and not is_data):
                raise errors.unauthorized()
            found = self._router.find(request.method, path)
            if found is None:
                raise errors.not_found("endpoint")
            handler, parameters = found
            answer = handler(request, parameters)
            reply = answer if isinstance(answer, Reply) else await answer
        except errors.VenueError as error:
            reply = json_reply(error.body(), error.status)
        except BadBody as error:
            reply = json_reply(errors.malformed(str(error)).body(), 400)
        reply.headers |= headers
        return reply

    def _events(self, _request: Request, _path: dict[str, str]) -> Reply:
        return Reply(content_type="text/event-stream", events=self.trading_stream.events())

    async def _strike_before(self, fault: Fault) -> Reply | None:
        if fault.kind == "drop_before":
            raise Hangup
        if fault.kind == "error_before":
            return _failure(fault.status)
        await asyncio.sleep(fault.ms / 1000)
        return None

    async def _strike_after(self, fault: Fault, reply: Reply) -> Reply:
        if fault.kind == "drop_after":
            raise Hangup
        if fault.kind == "cut_after":
            raise Hangup(reply)
        if fault.kind == "error_after":
            return _failure(fault.status)
        await asyncio.sleep(fault.ms / 1000)
        return reply

    def _build_market(self) -> Market:
        """The market, with every bend that a former process made."""
        now = whole_minute(clock.now())
        still_since = self._since("still_since", now) * clock.MICROS if self.options.still else None
        replay = None
        if self.options.replay is not None:
            path, speed, symbol = self.options.replay
            start = self._since(f"replay {path.name} {symbol} {speed}", now)
            replay = Replay(path=path, symbol=symbol, speed=speed, start=start)
        market = Market(seed=self.options.seed, still_since=still_since, replay=replay)
        for symbol, change in self.store.changes():
            market[symbol].series.bend(change)
        return market

    def _since(self, key: str, now: int) -> int:
        """The second remembered under this key; now, the first time."""
        kept = self.store.setting(key)
        if kept is None:
            self.store.remember(key, str(now))
            return now
        return int(kept)


def _failure(status: int) -> Reply:
    message = "rate limit exceeded" if status == 429 else "internal server error occurred"
    code = _STATUS_CODES.get(status, status * 100_000 + 10_000)
    return json_reply({"code": code, "message": message}, status)
