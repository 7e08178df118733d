"""The circuit breaker at work: hears every price, stops by rule, and lets run again what has calmed down."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from bitcurrent.compliance.breakers import repository
from bitcurrent.compliance.breakers.model import CAUSES, Jump, Kind, Rule, Tape, choose, reason_of, words_of
from bitcurrent.compliance.stops.model import Stop, StopEnded, StopNotFound
from bitcurrent.compliance.stops.service import Stops
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.market_data.model import Quote
from bitcurrent.market_data.service import MarketData

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5
RULES_SECONDS: Final = 5.0
DOLLAR: Final = "USD"
TROUBLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
StopKey = tuple[Kind, str | None]


class CircuitBreaker:
    """One in each worker; only the leader's runs. An asset is judged by its price in USD.

    Rules are read again every few seconds.
    """

    def __init__(self, *, database: Database, market_data: MarketData, stops: Stops, counts: Counter[str]) -> None:
        self._database = database
        self._stops = stops
        self._counts = counts
        self._rules: Sequence[Rule] = ()
        self._rules_at: float | None = None
        self._tapes: dict[str, Tape] = {}
        self._jumps: dict[str, Jump] = {}
        self._standing: dict[StopKey, Stop] = {}
        self._heard = asyncio.Event()
        self._troubled = False
        market_data.on_prices(self._hear)

    def _hear(self, quotes: Sequence[Quote]) -> None:
        for quote in quotes:
            asset, currency = quote.symbol.split("/")
            price = quote.mid or quote.last
            if currency != DOLLAR or price is None or price <= 0:
                continue
            tape = self._tapes.setdefault(asset, Tape())
            tape.hear(quote.seen_at, price)
            rule = choose(self._rules, kind="jump", asset=asset)
            jump = tape.jump(rule) if rule is not None else None
            if jump is not None:
                self._jumps[asset] = jump
                self._heard.set()

    async def run(self) -> None:
        """Judge at every jump and twice a second until cancelled. Trouble with the database is said once."""
        self._jumps.clear()
        while True:
            try:
                await self.look()
            except TROUBLE as error:
                self._counts["breaker_trouble"] += 1
                if not self._troubled:
                    log.warning("breaker_interrupted", cause=type(error).__name__)
                self._troubled = True
            else:
                self._troubled = False
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._heard.wait()
            except TimeoutError:
                pass  # nothing jumped: time to look whether something is stale or has calmed down
            self._heard.clear()

    async def look(self) -> None:
        """Judge every asset now."""
        await self._read()
        moment = now()
        await self._stop_jumps()
        stale = await self._stop_stale(moment)
        for (kind, asset), stop in tuple(self._standing.items()):
            rule = choose(self._rules, kind=kind, asset=asset)
            if rule is None or (rule.resume == "calm" and self._is_over(rule, stop, asset, stale, moment)):
                await self._resume(kind, asset, stop, rule)

    async def _read(self) -> None:
        async with self._database.read() as connection:
            if self._rules_at is None or time.monotonic() - self._rules_at > RULES_SECONDS:
                self._rules = await repository.read_rules(connection)
                self._rules_at = time.monotonic()
            standing = await self._stops.standing(connection)
        kinds = {cause: kind for kind, cause in CAUSES.items()}
        ours = {(kinds[each.cause], each.asset): each for each in standing if each.cause in kinds}
        for kind, asset in self._standing.keys() - ours.keys():
            # Somebody let it run again: what was usual before does not count any more.
            for name, tape in self._tapes.items():
                if asset in (None, name):
                    tape.forget()
            log.info("breaker_overruled", kind=kind, asset=asset)
        self._standing = ours

    async def _stop_jumps(self) -> None:
        jumps, self._jumps = self._jumps, {}
        for asset, jump in jumps.items():
            rule = choose(self._rules, kind="jump", asset=asset)
            if rule is not None and ("jump", asset) not in self._standing:
                try:
                    await self._stop(rule, asset, jump)
                except TROUBLE:
                    self._jumps[asset] = jump  # not forgotten: the next look stops it
                    raise

    async def _stop_stale(self, moment: datetime) -> set[str]:
        found: dict[str, Rule] = {}
        for asset, tape in self._tapes.items():
            rule = choose(self._rules, kind="stale", asset=asset)
            if rule is not None and tape.is_stale(rule, moment):
                found[asset] = rule
        if not found or ("stale", None) in self._standing:
            return set(found)
        general = choose(self._rules, kind="stale", asset=None)
        silent = moment - max(tape.confirmed_at for tape in self._tapes.values() if tape.confirmed_at is not None)
        if general is not None and len(self._tapes) > 1 and silent > general.within / 2:
            # The venue says nothing at all: one stop will say so, once it is due, and not one for each asset.
            if silent > general.within:
                await self._stop(general, None, None)
            return set(found)
        for asset, rule in found.items():
            if ("stale", asset) not in self._standing:
                await self._stop(rule, asset, None)
        return set(found)

    def _is_over(self, rule: Rule, stop: Stop, asset: str | None, stale: set[str], moment: datetime) -> bool:
        if asset is None:
            # Enough that one asset is fresh for long: those that are not get a stop of their own.
            return any(
                name not in stale and tape.has_freshened(rule, moment, since=stop.started_at)
                for name, tape in self._tapes.items()
            )
        tape = self._tapes.get(asset)
        if tape is None or asset in stale:
            return False
        judge = tape.has_calmed if rule.kind == "jump" else tape.has_freshened
        return judge(rule, moment, since=stop.started_at)

    async def _stop(self, rule: Rule, asset: str | None, jump: Jump | None) -> None:
        async with self._database.transaction() as connection:
            stop = await self._stops.stop(
                connection,
                product=rule.stops,
                asset=asset,
                reason=reason_of(rule, jump),
                words=words_of(rule, asset),
                cause=CAUSES[rule.kind],
            )
        self._standing[rule.kind, asset] = stop
        self._counts[f"breaker_{rule.kind}"] += 1
        log.warning("breaker_stopped", kind=rule.kind, asset=asset or "all", rule=rule.version)

    async def _resume(self, kind: Kind, asset: str | None, stop: Stop, rule: Rule | None) -> None:
        why = f"Calm for {rule.calm_seconds} s (rule {rule.version})" if rule else "No rule stops it any more"
        try:
            async with self._database.transaction() as connection:
                await self._stops.resume_by_house(connection, stop.id, reason=why)
        except (StopNotFound, StopEnded):
            log.info("breaker_already_ended", kind=kind, asset=asset or "all")
        del self._standing[kind, asset]
        self._counts["breaker_resumed"] += 1
