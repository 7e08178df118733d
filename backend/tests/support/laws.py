"""The laws of money, checked against our books and against the venue's own truth."""

import asyncio
from collections import Counter
from decimal import Decimal

import httpx

from bitcurrent.kernel.database import Connection
from tests.support.books import broken_laws, sequence_gaps
from tests.support.sandbox import Sandbox

VENUE_CASH = Decimal(10_000_000)
"""What the sandbox's account starts with."""


async def assert_laws(connection: Connection, sandbox: Sandbox | None = None) -> None:
    """I1 to I4 in our books; I7 nothing open, nothing held by an order; with a sandbox also I5 and I8.

    For I8 the venue's fees must have been posted and read.
    """
    assert await broken_laws(connection) == []
    assert await sequence_gaps(connection) == []
    assert await connection.fetch("SELECT id, state, held FROM orders WHERE finished_at IS NULL OR held <> 0") == []
    assert await connection.fetch("SELECT user_id, currency, held FROM balances WHERE held <> 0") == []
    suspense = await connection.fetch("SELECT currency, balance FROM house_accounts WHERE account = 'suspense'")
    assert [dict(row) for row in suspense if row["balance"]] == []
    if sandbox is not None:
        answer = await asyncio.to_thread(
            httpx.get, f"{sandbox.url}/sandbox/control/state", params={"limit": "100000"}, timeout=30
        )
        state = answer.raise_for_status().json()
        await _assert_same_fills(connection, state)
        await _assert_same_holdings(connection, state)


async def _assert_same_fills(connection: Connection, state: dict) -> None:  # type: ignore[type-arg]  # plain JSON
    """I5: every venue order is one of ours, and each has the very fills that the venue has."""
    ours = {str(row["id"]) for row in await connection.fetch("SELECT id FROM orders")}
    assert set(state["orders"]) <= ours, "an order at the venue that is not ours"
    booked: dict[str, Counter[tuple[Decimal, Decimal]]] = {}
    for row in await connection.fetch("SELECT order_id, quantity, price FROM fills"):
        booked.setdefault(str(row["order_id"]), Counter())[row["quantity"], row["price"]] += 1
    there = {
        order_id: Counter((Decimal(fill["qty"]), Decimal(fill["price"])) for fill in truth["fills"])
        for order_id, truth in state["orders"].items()
        if truth["fills"]
    }
    assert booked == there


async def _assert_same_holdings(connection: Connection, state: dict) -> None:  # type: ignore[type-arg]  # plain JSON
    """I8: what our books say lies at the venue is what the venue has."""
    rows = await connection.fetch("SELECT currency, balance FROM house_accounts WHERE account = 'venue'")
    ours = {row["currency"]: -row["balance"] for row in rows if row["balance"]}
    cash = Decimal(state["account"]["cash"]) - VENUE_CASH
    theirs = {symbol.partition("/")[0]: Decimal(quantity) for symbol, quantity in state["account"]["positions"].items()}
    if cash:
        theirs["USD"] = cash
    assert ours == theirs
