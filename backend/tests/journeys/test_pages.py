"""Many orders, page by page: none left out, none twice, whatever comes in meanwhile."""

import asyncio
from datetime import datetime
from typing import Any

from tests.support.own_api import Contract
from tests.support.system import System
from tests.support.visitors import Visitor, visitor

COUNT = 120


async def pages(who: Visitor, query: str, limit: int) -> list[dict[str, Any]]:
    """Everything that a query gives, page by page; a new order comes in before each page."""
    found: list[dict[str, Any]] = []
    cursor, rounds = None, 0
    while True:
        rounds += 1
        assert rounds <= COUNT + 2
        behind = f"&cursor={cursor}" if cursor else ""
        page = await who.ask("GET", f"/api/orders?limit={limit}&{query}{behind}", 200)
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found
        assert len(page["items"]) == limit
        await who.place(symbol="LTC-USD", type="limit", quantity="1", limit_price="11")


async def test_120_orders_with_filters_have_no_gap_and_no_repeat(system: System, contract: Contract) -> None:
    async with visitor(system, contract, USD="100000") as ann:
        wishes = [
            ann.wish(
                symbol=("BTC-USD", "ETH-USD", "SOL-USD")[n % 3],
                type="limit",
                quantity="1",
                limit_price=f"{11 + n}",
                client_order_id=f"order-{n}",
            )
            for n in range(COUNT)
        ]
        # In few enough at a time that they have an order among themselves as well.
        for start in range(0, COUNT, 20):
            await asyncio.gather(*(ann.ask("POST", "/api/orders", 201, wish) for wish in wishes[start : start + 20]))
        first = await ann.ask("GET", "/api/orders?limit=500", 200)
        everything = [order["id"] for order in first["items"]]
        assert (len(everything), first["next"]) == (COUNT, None)
        # As moments, not as text: a whole second is written without its fraction.
        times = [datetime.fromisoformat(order["created_at"]) for order in first["items"]]
        assert times == sorted(times, reverse=True)

        for limit in (7, 50, 120):
            # What came in after the first page is newer than all of it, and so belongs to none behind.
            found = [order["id"] for order in await pages(ann, "", limit)]
            assert [order_id for order_id in found if order_id in set(everything)] == everything
            assert len(found) == len(set(found))
        eth = await pages(ann, "symbol=ETHUSD", 11)
        assert {order["client_order_id"] for order in eth} == {f"order-{n}" for n in range(1, COUNT, 3)}
        assert await pages(ann, "side=sell", 10) == []

        gone = {order["id"] for order in eth[:5]}
        for order_id in gone:
            await ann.ask("DELETE", f"/api/orders/{order_id}", 200)
        for order_id in gone:
            await ann.until(order_id, "canceled")
        assert {order["id"] for order in await pages(ann, "state=canceled", 2)} == gone
        assert {order["id"] for order in await pages(ann, "open=false", 3)} == gone
        still = await pages(ann, "open=true&symbol=ETH-USD&state=submitted&state=accepted&state=submitting", 9)
        assert len(still) == COUNT // 3 - 5
        edge = first["items"][60]["created_at"].replace("+", "%2B")
        newer = {order["id"] for order in await pages(ann, f"after={edge}", 25)} & set(everything)
        older = {order["id"] for order in await pages(ann, f"until={edge}", 25)} & set(everything)
        same = {order["id"] for order in first["items"] if order["created_at"] == first["items"][60]["created_at"]}
        assert newer | older | same == set(everything)
        assert not newer & older
        thin = await ann.ask("GET", "/api/orders?limit=2&fields=id,state", 200)
        assert all(set(order) == {"id", "state"} for order in thin["items"])
        await ann.ask("DELETE", "/api/orders", 200)
