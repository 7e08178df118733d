"""The laws of money, checked against our books and against the venue's own truth."""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

import httpx

from bitcurrent.kernel.database import Connection
from tests.support.books import broken_laws, sequence_gaps
from tests.support.sandbox import Sandbox

FEE = "processor_fee"
VENUE_CASH = Decimal(10_000_000)
"""What the sandbox's account starts with."""


async def assert_clearing(connection: Connection, sandbox: Sandbox) -> None:
    """I8: the clearing account is what the processor has. Its fees are ours to book with the next comparison."""
    lines = await asyncio.to_thread(_balance_lines, sandbox)
    booked = {row["reference"] for row in await connection.fetch("SELECT reference FROM journals WHERE kind = $1", FEE)}
    theirs: Counter[str] = Counter()
    for line in lines:
        currency = line["currency"].upper()
        theirs[currency] += line["net"]
        if line["type"] != "adjustment" and f"stripe_fee:{line['id']}" not in booked:
            theirs[currency] += line["fee"]
    rows = await connection.fetch("SELECT currency, balance FROM house_accounts WHERE account = 'processor'")
    ours = {row["currency"]: -row["balance"] * 100 for row in rows if row["balance"]}
    assert ours == {currency: cents for currency, cents in theirs.items() if cents}


def _balance_lines(sandbox: Sandbox) -> list[Any]:
    """Every line of the processor's balance, in its own words."""
    headers = {"Authorization": f"Bearer {sandbox.stripe_key}"}
    found: list[Any] = []
    while True:
        query = {"limit": "100", **({"starting_after": found[-1]["id"]} if found else {})}
        answer = httpx.get(f"{sandbox.stripe_url}/v1/balance_transactions", params=query, headers=headers, timeout=30)
        page = answer.raise_for_status().json()
        found += page["data"]
        if not page["has_more"]:
            return found


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
