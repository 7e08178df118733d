"""A venue that misbehaves on the wire while customers trade: the real worker, the sandbox outside, faults ordered."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bitcurrent.kernel.errors import Conflict
from bitcurrent.kernel.ids import OrderId, UserId, new_id
from bitcurrent.trading.model import OrderState, Side
from tests.support.desk import MARKET, PRICE, Floor
from tests.support.laws import _assert_same_fills

SUBMIT: dict[str, Any] = {"method": "POST", "path": "/v2/orders"}
CANCEL: dict[str, Any] = {"method": "DELETE", "path": "/v2/orders"}
REPLACE: dict[str, Any] = {"method": "PATCH", "path": "/v2/orders"}
ASK: dict[str, Any] = {"method": "GET", "path": "/v2/orders*"}
DRAIN_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: an ordered fault of the sandbox, or a control verb."""

    kind: str
    options: dict[str, Any]

    def __init__(self, kind: str, **options: Any) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "options", options)

    def __str__(self) -> str:
        return " ".join([self.kind, *(str(value) for value in self.options.values())])


FAULTS = (
    Fault("drop_before", **SUBMIT),
    Fault("drop_after", **SUBMIT),
    Fault("cut_after", **SUBMIT),
    Fault("error_after", **SUBMIT, status=500),
    Fault("error_before", **SUBMIT, status=503),
    Fault("error_before", **SUBMIT, status=429),
    Fault("delay_before", **SUBMIT, ms=900),
    Fault("delay_after", **SUBMIT, ms=900),
    Fault("drop_before", **CANCEL),
    Fault("drop_after", **CANCEL),
    Fault("error_after", **CANCEL, status=502),
    Fault("drop_after", **REPLACE),
    Fault("error_before", **REPLACE, status=429),
    Fault("error_before", **ASK, status=503, count=3),
    Fault("cut_after", **ASK, count=2),
    Fault("drop_event", event="fill"),
    Fault("drop_event", event="partial_fill"),
    Fault("drop_event", event="canceled"),
    Fault("drop_event", event="replaced"),
    Fault("delay_event", event="fill", ms=1500),
    Fault("delay_event", event="partial_fill", ms=1500),
    Fault("reorder_event"),
    Fault("duplicate_event", count=0),
    Fault("reject_order"),
    Fault("silence"),
    Fault("closed socket"),
)


@dataclass(slots=True)
class Round:
    """Customers trade while these faults strike; then the venue is itself again, and all must end right."""

    floor: Floor
    seed: int
    faults: list[Fault]
    placed: list[tuple[UserId, OrderId]] = field(default_factory=list)

    async def run(self, *, settle_fees: bool = True) -> int:
        """The number of orders; raises AssertionError when something is not as it must be."""
        rng = random.Random(self.seed)
        traffic = [asyncio.create_task(self._trade(rng.random())) for _ in range(3)]
        for fault in self.faults:
            await self._strike(fault)
            await asyncio.sleep(rng.uniform(0, 0.15))
        await asyncio.gather(*traffic)
        await self._calm()
        await self._drain()
        await self._same_as_there()
        if settle_fees:
            await self.floor.laws()
        return len(self.placed)

    async def _strike(self, fault: Fault) -> None:
        if fault.kind == "silence":
            await self.floor.control("settings", trading_silent=True)
        elif fault.kind == "closed socket":
            await self.floor.control("streams/close", stream="trading")
        else:
            await self.floor.fault(fault.kind, **fault.options)

    async def _trade(self, seed: float) -> None:
        """One customer: buys at the market, sells some of it, rests, replaces, cancels, is filled in parts."""
        rng, floor = random.Random(seed), self.floor
        who = await floor.customer(USD="5000")
        self.placed.append((who, await floor.order(who, notional="60")))
        first = await self._rest(who)
        second = await self._rest(who)
        await asyncio.sleep(rng.uniform(0, 0.3))
        await self._fill(first, rng.choice(["0.004", "0.01"]))
        await self._attempt(floor.brokerage.trading.cancel_order(who, first))
        await self._replace(who, second)
        bought = await floor.read(self.placed[0][1])
        if bought.net > 0 and bought.user_id == who:
            coins = f"{bought.net:f}"
            self.placed.append((who, await floor.order(who, Side.SELL, quantity=coins)))
        await self._fill(second, "0.003")

    async def _rest(self, who: UserId) -> OrderId:
        order_id = await self.floor.order(who, quantity="0.01", limit="40000")
        self.placed.append((who, order_id))
        return order_id

    async def _replace(self, who: UserId, order_id: OrderId) -> None:
        wish = self.floor.brokerage.trading.replace_order(
            who,
            order_id,
            quantity=None,
            limit_price=Decimal(41_000),
            stop_price=None,
            source="test",
            request_hash=new_id().bytes,
        )
        if (answer := await self._attempt(wish)) is not None:
            self.placed.append((who, answer[0].id))

    async def _fill(self, order_id: OrderId, quantity: str) -> None:
        """The venue fills a part, if it has the order and it is still open there."""
        truth = await self.floor.at_venue(order_id)
        if truth is not None and truth["order"]["status"] in {"new", "partially_filled"}:
            left = Decimal(truth["order"]["qty"]) - Decimal(truth["order"]["filled_qty"])
            size = f"{min(left, Decimal(quantity)):f}"
            with contextlib.suppress(AssertionError):  # it may have ended there in this very moment
                await self.floor.control("fill", client_order_id=str(order_id), qty=size, price="40000")

    @staticmethod
    async def _attempt(wish: Any) -> Any:
        """A customer's wish that may come too early or too late."""
        try:
            return await wish
        except Conflict:
            return None

    async def _calm(self) -> None:
        await self.floor.control("reset")
        await self.floor.control(
            "settings", requests_per_minute=100_000, fees_paused=True, tick_ms=50, depth_usd=100_000
        )
        await self.floor.control("price", symbol=MARKET, price=str(PRICE))

    async def _drain(self) -> None:
        """Everybody cancels what is open; it must all end by itself."""

        async def ended() -> bool:
            for who in {who for who, _ in self.placed}:
                await self.floor.brokerage.trading.cancel_all(who)
            return bool(await self.floor.count("SELECT count(*) = 0 FROM orders WHERE finished_at IS NULL"))

        await self.floor.until_true(ended, seconds=DRAIN_SECONDS)

    async def _same_as_there(self) -> None:
        """I5: one order there for one of ours, with the same fills, and the same end as we told our customer."""

        async def fills_are_booked() -> bool:
            state = await asyncio.to_thread(self.floor.sandbox.state)
            there = sum(len(truth["fills"]) for truth in state["orders"].values())
            return bool(await self.floor.count("SELECT count(*) = $1 FROM fills", there))

        with contextlib.suppress(AssertionError):  # which of them differ is said below
            await self.floor.until_true(fills_are_booked, seconds=8)
        state = await asyncio.to_thread(self.floor.sandbox.state)
        async with self.floor.brokerage.database.read() as connection:
            await _assert_same_fills(connection, state)
            rows = await connection.fetch("SELECT id, state FROM orders WHERE venue_order_id IS NOT NULL")
            ours = {str(row["id"]): row["state"] for row in await connection.fetch("SELECT id, state FROM orders")}
        for order_id, truth in state["orders"].items():
            status = truth["order"]["status"]
            assert ours[order_id] == status, f"{order_id} is {status} at the venue, and {ours[order_id]} here"
        missing = {str(row["id"]) for row in rows if row["state"] != OrderState.REJECTED} - set(state["orders"])
        assert not missing, f"the venue does not have {missing}"
