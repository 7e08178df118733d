"""Whatever is asked of the engine, in whatever order, its books follow from its fills."""

import asyncio
import random
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca.errors import VenueError
from bitcurrent_sandbox.alpaca.venue import Venue, VenueOptions
from bitcurrent_sandbox.money import use_exact_arithmetic

CASH = Decimal(300_000)
SYMBOLS = ("BTC/USD", "SHIB/USD")
STEPS = 120


def wish(rng: random.Random, venue: Venue) -> dict[str, Any]:
    """An order that may or may not be acceptable."""
    symbol, side = rng.choice(SYMBOLS), rng.choice(("buy", "sell"))
    market = venue.market[symbol]
    last = market.last(clock.now())
    order = {"symbol": symbol, "side": side, "time_in_force": rng.choice(("gtc", "ioc"))}
    dollars = Decimal(rng.randint(5, 60_000))
    if rng.random() < 0.5:
        order["notional"] = str(dollars)
    else:
        order["qty"] = str(dollars / last // market.coin.size_step * market.coin.size_step)
    kind = rng.choice(("market", "limit", "stop_limit"))
    near = [
        str(last * rng.randint(970, 1030) / 1000 // market.coin.price_step * market.coin.price_step) for _ in range(2)
    ]
    if kind != "market":
        order["limit_price"] = near[0]
    if kind == "stop_limit":
        order |= {"stop_price": near[1], "time_in_force": "gtc"}
    return order | {"type": kind}


def act(rng: random.Random, venue: Venue) -> None:
    """One thing that a client or the market does."""
    engine, open_orders = venue.engine, venue.engine.open_orders
    match rng.randrange(8):
        case 0 | 1 | 2:
            engine.submit(wish(rng, venue))
        case 3 if open_orders:
            engine.cancel(rng.choice(open_orders).id)
        case 4 if open_orders:
            order = rng.choice(open_orders)
            engine.replace(order.id, {"qty": str(order.qty * 2)} if order.qty else {})
        case 5 if open_orders:
            engine.expire(rng.choice(open_orders).id)
        case 6:
            market = venue.market[rng.choice(SYMBOLS)]
            market.jump(Decimal(rng.randint(-4, 4)), clock.now())
            engine.tick()
        case _:
            engine.tick()


def assert_books(venue: Venue) -> None:
    cash, held = CASH, dict.fromkeys(SYMBOLS, Decimal(0))
    for fill in venue.store.fills():
        cost = fill.qty * fill.price
        if fill.side == "buy":
            cash -= cost
            held[fill.symbol] += fill.qty - fill.fee
        else:
            cash += cost - fill.fee
            held[fill.symbol] -= fill.qty
    assert venue.account.cash == cash >= 0
    for symbol, quantity in held.items():
        assert venue.account.quantity(symbol) == quantity >= 0
    for order in venue.store.orders(limit=10_000):
        fills = venue.store.fills(order.id)
        assert sum((fill.qty for fill in fills), Decimal(0)) == order.filled_qty
        assert sum((fill.qty * fill.price for fill in fills), Decimal(0)) == order.filled_cost
        assert order.qty is None or order.filled_qty <= order.qty
        assert order.notional is None or order.filled_cost <= order.notional
        assert all(order.within_limit(fill.price) for fill in fills)
        assert (order.status == "filled") == (order.filled_at is not None)


@pytest.mark.parametrize("seed", range(8))
async def test_cash_and_coins_follow_from_the_fills(seed: int) -> None:
    use_exact_arithmetic()
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        options = VenueOptions(
            folder=Path(folder), key_id="k", secret="s", seed=seed, cash=CASH, still=True, requests_per_minute=1
        )
        venue = Venue(options)
        venue.settings.fill_latency_ms = 0
        for symbol in SYMBOLS:
            venue.market[symbol].deepen(15_000)
        accepted, refused = 0, list[int]()
        for _ in range(STEPS):
            try:
                act(rng, venue)
                accepted += 1
            except VenueError as refusal:
                refused.append(refusal.status)
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert_books(venue)
        assert set(refused) <= {403, 422}
        assert accepted > STEPS // 3
        assert len(venue.store.fills()) > 10
        venue.store.close()
