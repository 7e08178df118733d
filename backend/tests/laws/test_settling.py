"""Whatever a venue says, in whatever order and however often: the books end where a plain model says.

Partial fills, duplicates, reorders, ends that name fills we have not heard of, fills after the end, replacements whose
fills come before their predecessor's end.
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Side
from bitcurrent.trading.ports import VenueFill
from tests.support import books
from tests.support.book_model import BookModel, ModelOrder
from tests.support.books import Ticket

EXAMPLES = int(os.environ.get("BITCURRENT_LAW_EXAMPLES", "200"))
MONEY = {"USD": Decimal(200), "BTC": Decimal(6), "ETH": Decimal(6)}
# In a long run the books grow: asking every law after every case would take the time of most cases.
LAWS_EVERY = 1 + EXAMPLES // 400
ran = 0

quantities = st.sampled_from([Decimal(text) for text in ("0.000000001", "0.3", "1", "1.123456789", "2", "5")])
prices = st.sampled_from([Decimal(text) for text in ("0.000000007", "9.99", "10", "10.000000001", "12.5", "40")])
tickets = st.builds(
    Ticket,
    side=st.sampled_from(Side),
    quantity=quantities,
    price=prices,
    market=st.sampled_from(["BTC/USD", "ETH/USD"]),
    fee_bps=st.sampled_from([Decimal(0), Decimal(25), Decimal("12.3456"), Decimal(1000)]),
)
which = st.integers(0, 5)
# The share of what an order still lacks that a fill brings; more than one is an overfill.
shares = st.sampled_from([Decimal(text) for text in ("0.1", "0.5", "1", "1", "1", "1.5")])
steps = st.one_of(
    st.tuples(st.just("place"), tickets),
    st.tuples(st.just("submit"), which),
    st.tuples(st.just("fill"), which, shares, prices),
    st.tuples(st.just("fill"), which, shares, prices),
    st.tuples(st.just("fills"), st.lists(st.tuples(which, shares, prices), min_size=1, max_size=4)),
    st.tuples(st.just("repeat"), which),
    st.tuples(
        st.just("finish"),
        which,
        st.sampled_from(["canceled", "expired", "rejected", "replaced"]),
        st.sampled_from([None, Decimal(0), Decimal("0.5"), Decimal(1)]),
    ),
    st.tuples(st.just("cancel"), which),
    st.tuples(st.just("replace"), which, quantities, prices),
)


@dataclass(slots=True)
class World:
    """The model beside the real books, and the real ids of the model's orders."""

    connection: Connection
    user_id: UserId
    model: BookModel = field(default_factory=BookModel)
    ids: list[OrderId] = field(default_factory=list)
    told: list[tuple[ModelOrder, VenueFill]] = field(default_factory=list)
    heard: int = 0

    def id_of(self, order: ModelOrder) -> OrderId:
        return self.ids[self.model.orders.index(order)]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def connection(runner: asyncio.Runner, module_database_urls: DatabaseUrls) -> Iterator[Connection]:
    opened = runner.run(books.connect(module_database_urls.app))
    yield opened
    runner.run(opened.close())


@settings(
    max_examples=EXAMPLES, deadline=None, database=None, print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(first=tickets, history=st.lists(steps, min_size=4, max_size=24))
def test_a_history_ends_where_the_model_says(
    runner: asyncio.Runner, connection: Connection, first: Ticket, history: list[tuple[Any, ...]]
) -> None:
    global ran
    runner.run(_live(connection, [("place", first), ("submit", 0), *history]))
    ran += 1


def test_enough_histories_were_really_run(runner: asyncio.Runner, connection: Connection) -> None:
    print(f"settling: {ran} histories")
    assert ran >= EXAMPLES
    assert runner.run(books.broken_laws(connection)) == []


async def _live(connection: Connection, history: list[tuple[Any, ...]]) -> None:
    world = World(connection, await books.customer(connection, **MONEY))
    world.model.available.update(MONEY)
    for kind, *arguments in history:
        if kind == "place":
            await _place(world, *arguments)
        elif world.model.orders:
            await STEPS[kind](world, *arguments)
    await _compare(world)
    # The venue falls silent and its last word is that everything has ended: nothing may stay behind.
    for order in world.model.orders:
        assert await books.finish(connection, world.id_of(order), "canceled") == world.model.finish(order, "canceled")
    await _compare(world)
    assert set(world.model.held.values()) <= {Decimal(0)}
    if ran % LAWS_EVERY == 0:
        assert await books.broken_laws(connection) == []
        assert await books.sequence_gaps(connection) == []


async def _place(world: World, ticket: Ticket) -> None:
    new = ticket.order(world.user_id)
    outcome = await repository.place_one(world.connection, new)
    assert outcome.outcome == world.model.place(ticket)
    if outcome.outcome == "accepted":
        world.ids.append(new.id)


async def _submit(world: World, n: int) -> None:
    order = _pick(world, n)
    first = await venue_repository.mark_submitted(world.connection, world.id_of(order), "venue-1")
    assert first == world.model.submit(order)


async def _fill(world: World, n: int, share: Decimal, price: Decimal) -> None:
    order, told = _pick(world, n), _execution(world, n, share, price)
    await _hear(world, order, told)


async def _repeat(world: World, n: int) -> None:
    if world.told:
        await _hear(world, *world.told[n % len(world.told)])


async def _hear(world: World, order: ModelOrder, told: VenueFill) -> None:
    late = " after the end" if order.ended else ""
    outcome = await venue_repository.settle_fill(world.connection, world.id_of(order), told)
    assert outcome == world.model.fill(order, told.execution_id, told.quantity, told.price)
    event(f"fill {outcome}{late}")
    world.told.append((order, told))


async def _fills(world: World, fills: list[tuple[int, Decimal, Decimal]]) -> None:
    told = [(_pick(world, n), _execution(world, n, share, price)) for n, share, price in fills]
    outcomes = await venue_repository.settle_fills(
        world.connection, [(world.id_of(order), execution) for order, execution in told]
    )
    assert outcomes == [world.model.fill(o, e.execution_id, e.quantity, e.price) for o, e in told]
    world.told += told


async def _finish(world: World, n: int, state: str, share: Decimal | None) -> None:
    order = _pick(world, n)
    missing = order.ticket.quantity - order.filled
    filled = None if share is None else order.filled + (missing * share).quantize(Decimal("1e-9"))
    outcome = await books.finish(world.connection, world.id_of(order), state, filled)
    assert outcome == world.model.finish(order, state, filled)
    event(f"finish {outcome}")


async def _cancel(world: World, n: int) -> None:
    order = _pick(world, n)
    outcome = await repository.request_cancel(world.connection, world.user_id, world.id_of(order))
    assert outcome == world.model.cancel(order)


async def _replace(world: World, n: int, quantity: Decimal, price: Decimal) -> None:
    old = _pick(world, n)
    ticket = Ticket(
        side=old.ticket.side, market=old.ticket.market, quantity=quantity, price=price, fee_bps=old.ticket.fee_bps
    )
    new = ticket.replacement(world.user_id, world.id_of(old))
    outcome = await repository.request_replace(world.connection, new)
    assert outcome.outcome == world.model.replace(old, ticket)
    event(f"replace {outcome.outcome}")
    if outcome.outcome == "accepted":
        world.ids.append(new.id)


STEPS: dict[str, Any] = {
    "submit": _submit,
    "fill": _fill,
    "fills": _fills,
    "repeat": _repeat,
    "finish": _finish,
    "cancel": _cancel,
    "replace": _replace,
}


def _pick(world: World, n: int) -> ModelOrder:
    # Counted from the newest: what happens next mostly concerns what was placed last.
    return world.model.orders[-1 - n % len(world.model.orders)]


def _execution(world: World, n: int, share: Decimal, price: Decimal) -> VenueFill:
    order = _pick(world, n)
    lacking = max(order.ticket.quantity - order.filled, Decimal("0.000000001"))
    quantity = max((lacking * share).quantize(Decimal("1e-9")), Decimal("0.000000001"))
    world.heard += 1
    return books.execution(f"{world.user_id}:{world.heard}", quantity, price)


async def _compare(world: World) -> None:
    """Balances, every order, positions, and what the house laid out."""
    model, connection = world.model, world.connection
    for currency in MONEY:
        found = await books.balance(connection, world.user_id, currency)
        assert found == (model.available[currency], model.held[currency]), currency
    for order, order_id in zip(model.orders, world.ids, strict=True):
        row = await books.order_row(connection, order_id)
        closing = (row["closing_state"], row["closing_filled"]) if row["closing_state"] else None
        assert (row["state"], row["held"], row["filled_quantity"], row["filled_cost"], row["fee"], closing) == (
            order.state, order.held, order.filled, order.cost, order.fee, order.closing,
        )  # fmt: skip
        replaced_by = world.id_of(order.replaced_by) if order.replaced_by else None
        assert (row["replaced_by"], row["cancel_requested_at"] is not None) == (replaced_by, order.cancel_requested)
    lent = await connection.fetch(
        "SELECT e.currency, -sum(e.amount) AS amount FROM entries e JOIN fills f ON f.id = e.journal_id "
        "WHERE f.user_id = $1 AND e.account = 'suspense' GROUP BY 1",
        world.user_id,
    )
    assert {row["currency"]: row["amount"] for row in lent} == {
        currency: amount for currency, amount in model.suspense.items() if amount
    }
    rows = await connection.fetch("SELECT * FROM positions WHERE user_id = $1", world.user_id)
    assert {row["currency"]: (row["quantity"], row["cost"], row["realized"]) for row in rows} == {
        coin: (position.quantity, position.cost, position.realized) for coin, position in model.positions.items()
    }
