"""Orders placed together end exactly as the same orders placed one by one."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading import repository
from bitcurrent.trading.model import Side
from bitcurrent.trading.repository import NewOrder
from tests.support import books
from tests.support.books import Ticket

EXAMPLES = int(os.environ.get("BITCURRENT_LAW_EXAMPLES", "200"))
CURRENCIES = ("USD", "BTC", "ETH")
# In a long run the books grow: asking every law after every case would take the time of most cases.
LAWS_EVERY = 1 + EXAMPLES // 400
ran = 0

prices = st.integers(1, 3).map(Decimal)
tickets = st.builds(
    Ticket,
    side=st.sampled_from(Side),
    quantity=prices,
    price=prices,
    market=st.sampled_from(["BTC/USD", "ETH/USD"]),
    client_order_id=st.sampled_from([None, None, None, "a", "b"]),
    idempotency_key=st.sampled_from([None, None, None, "k", "l"]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Customers' money, what they ask for in turn, and where the batches are cut."""

    money: list[dict[str, int]]
    known: list[bool]
    wishes: list[tuple[int, Ticket]]
    cuts: list[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 4))
    purse = st.fixed_dictionaries({currency: st.integers(0, 12) for currency in CURRENCIES})
    wishes = draw(st.lists(st.tuples(st.integers(0, count - 1), tickets), min_size=1, max_size=14))
    return Case(
        money=draw(st.lists(purse, min_size=count, max_size=count)),
        known=draw(st.lists(st.booleans(), min_size=count, max_size=count)),
        wishes=wishes,
        cuts=sorted(draw(st.sets(st.integers(1, len(wishes)), max_size=3))),
    )


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
@given(case=cases())
def test_a_batch_ends_as_its_members_one_by_one(runner: asyncio.Runner, connection: Connection, case: Case) -> None:
    global ran
    runner.run(_compare(connection, case))
    ran += 1


def test_enough_cases_were_really_run(runner: asyncio.Runner, connection: Connection) -> None:
    print(f"placing: {ran} cases")
    assert ran >= EXAMPLES
    assert runner.run(books.broken_laws(connection)) == []


async def _compare(connection: Connection, case: Case) -> None:
    together, alone = await _customers(connection, case), await _customers(connection, case)
    batched = [ticket.order(together[who]) for who, ticket in case.wishes]
    single = [ticket.order(alone[who]) for who, ticket in case.wishes]
    outcomes = []
    for start, end in zip([0, *case.cuts], [*case.cuts, len(batched)], strict=True):
        if batch := batched[start:end]:
            outcomes += await repository.place_many(connection, batch)
    expected = [await repository.place_one(connection, order) for order in single]
    found = [(o.outcome, _index(batched, o.order_id), o.available) for o in outcomes]
    assert found == [(o.outcome, _index(single, o.order_id), o.available) for o in expected]
    for outcome, _, _ in found:
        event(outcome)
    for one, other in zip(together, alone, strict=True):
        assert await _traces(connection, one, batched) == await _traces(connection, other, single)
    if ran % LAWS_EVERY == 0:
        assert await books.broken_laws(connection) == []
        assert await books.sequence_gaps(connection) == []


async def _customers(connection: Connection, case: Case) -> list[UserId]:
    made = []
    for purse, known in zip(case.money, case.known, strict=True):
        money = {currency: Decimal(amount) for currency, amount in purse.items() if amount}
        user_id = await books.customer(connection, **money)
        if known:  # a customer who is new to the event log takes another way
            await connection.fetchval("SELECT append_event($1, 'test', NULL, '{}')", user_id)
        made.append(user_id)
    return made


def _index(orders: list[NewOrder], order_id: UUID | None) -> int | None:
    return next((n for n, order in enumerate(orders) if order.id == order_id), None)


async def _traces(connection: Connection, user_id: UserId, orders: list[NewOrder]) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that placing left behind for one customer, with orders by their number in the case."""
    queries = {
        "balances": "SELECT currency, available, held FROM balances WHERE user_id = $1 ORDER BY currency",
        "orders": """
            SELECT id, client_order_id, source, market, side, type, time_in_force, quantity, notional, limit_price,
                stop_price, collar_price, fee_bps, liquidity, state, hold_currency, hold_amount, held, filled_quantity,
                fee_currency, created_at = uuid_extract_timestamp(id), updated_at = created_at
            FROM orders WHERE user_id = $1""",
        "keys": "SELECT order_id, key, request_hash FROM order_keys WHERE user_id = $1 ORDER BY key",
        "entries": """
            SELECT e.journal_id, j.kind, j.reference = 'hold:' || e.journal_id, e.line, e.account, e.currency, e.amount,
                e.balance_after
            FROM entries e JOIN journals j ON j.id = e.journal_id WHERE e.user_id = $1 AND j.kind = 'hold'""",
        "events": """
            SELECT subject, sequence, kind, payload
            FROM events WHERE user_id = $1 ORDER BY sequence""",
    }
    traces = {}
    for name, query in queries.items():
        rows = await connection.fetch(query, user_id)
        numbered = [tuple(_number(value, orders) for value in row) for row in rows]
        traces[name] = numbered if name in {"events", "keys", "balances"} else sorted(numbered, key=str)
    return traces


def _number(value: Any, orders: list[NewOrder]) -> Any:
    return _index(orders, OrderId(UUID(str(value)))) if isinstance(value, UUID) else value
