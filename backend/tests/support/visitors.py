"""A customer of the running system as a program sees them: HTTP, the live socket, and patience."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from bitcurrent.identity.service import Login, Registration
from bitcurrent.kernel.ids import UserId
from tests.support import books
from tests.support.live_client import LiveClient, live_client
from tests.support.own_api import Contract
from tests.support.system import System, in_thread

ENDED = ("filled", "canceled", "expired", "rejected", "replaced")
_numbers = itertools.count(1)
Json = dict[str, Any]


@dataclass(slots=True)
class Visitor:
    """Somebody who is logged in; every answer they get is held to our own document."""

    system: System
    http: httpx.AsyncClient
    user_id: UserId
    email: str
    token: str
    told: list[Json] = field(default_factory=list)

    async def ask(self, method: str, path: str, status: int, body: Any = None, *, key: str | None = None) -> Any:
        """The JSON of an answer that must have this status."""
        answer = await self.send(method, path, body, key=key)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:600]}"
        return answer.json() if answer.content else None

    async def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        """One request, whatever its answer."""
        headers = {"Idempotency-Key": key} if key else None
        return await self.http.request(method, path, json=body, headers=headers)

    async def refused(self, path: str, status: int, code: str, body: Any, *, method: str = "POST") -> Json:
        """A request that must be refused so; the problem document."""
        problem: Json = await self.ask(method, path, status, body)
        assert problem["code"] == code, problem
        return problem

    async def place(self, **order: Any) -> Json:
        """Place an order for bitcoin: a market buy unless told otherwise."""
        kind = "market" if "limit_price" not in order else "stop_limit" if "stop_price" in order else "limit"
        placed: Json = await self.ask("POST", "/api/orders", 201, self.wish(type=order.pop("type", kind), **order))
        return placed

    @staticmethod
    def wish(**order: Any) -> Json:
        """An order's body."""
        return {"symbol": "BTC-USD", "side": "buy", **order}

    async def order(self, order_id: str) -> Json:
        """The order now."""
        found: Json = await self.ask("GET", f"/api/orders/{order_id}", 200)
        return found

    async def until(self, order_id: str, *states: str, seconds: float = 15) -> Json:
        """Wait until the order is in one of these states."""
        deadline = time.monotonic() + seconds
        while (order := await self.order(order_id))["state"] not in states:
            assert time.monotonic() < deadline, f"still {order['state']} ({order['reason']}), not {states}"
            await asyncio.sleep(0.03)
        return order

    async def resting(self, **order: Any) -> Json:
        """A limit order that the venue has and nobody fills."""
        placed = await self.place(**{"quantity": "0.01", "limit_price": "40000", **order})
        return await self.until(placed["id"], "submitted")

    async def balance(self, currency: str) -> tuple[Decimal, Decimal]:
        """Available and held, as the API says."""
        for balance in (await self.ask("GET", "/api/balances", 200))["items"]:
            if balance["currency"] == currency:
                return Decimal(balance["available"]), Decimal(balance["held"])
        return Decimal(0), Decimal(0)

    async def credit(self, currency: str, amount: str) -> None:
        """Demo money, through the ledger's own door."""
        async with self.system.connection() as connection, connection.transaction():
            assert await books.credit(connection, self.user_id, currency, Decimal(amount))

    @asynccontextmanager
    async def watching(self, *channels: str) -> AsyncIterator[LiveClient]:
        """A live socket of this customer that takes these channels."""
        async with live_client(f"{self.system.live_url}/ws") as client:
            await client.log_in({"token": self.token})
            await client.subscribe(*channels)
            yield client

    async def heard(self, client: LiveClient, order_id: str, *kinds: str) -> Json:
        """The next message about an order of one of these kinds."""
        while True:
            message = await client.next()
            if message["type"] == "order" and message["order"]["id"] == order_id and message["kind"] in kinds:
                return message

    async def nothing_happened(self, currency: str = "USD", *, available: str) -> None:
        """No order, nothing held, all the money there."""
        assert (await self.ask("GET", "/api/orders", 200))["items"] == []
        assert await self.balance(currency) == (Decimal(available), Decimal(0))


def has(available: Decimal | int, held: Decimal | int = 0) -> tuple[Decimal, Decimal]:
    """A balance, to compare with."""
    return Decimal(available), Decimal(held)


@asynccontextmanager
async def visitor(system: System, contract: Contract, *, name: str = "visitor", **money: str) -> AsyncIterator[Visitor]:
    """A customer with an open session: `visitor(system, contract, USD="1000")` has money. The password is PASSWORD."""
    email = f"{name}{next(_numbers)}-{time.monotonic_ns()}@journeys.test"
    login = await asyncio.to_thread(lambda: in_thread(_open_account(system, email, money)))
    async with client(system, contract) as http:
        http.headers["Authorization"] = f"Bearer {login.token}"
        yield Visitor(system, http, login.user.id, email, login.token)


@asynccontextmanager
async def client(system: System, contract: Contract) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody whom nobody knows yet; every answer they get is held to our own document."""
    async with httpx.AsyncClient(
        base_url=system.url,
        timeout=20,
        event_hooks={"response": [contract.hook]},
        limits=httpx.Limits(max_connections=40),
    ) as http:
        yield http


async def _open_account(system: System, email: str, money: dict[str, str]) -> Login:
    async with system._identity() as (database, identity):
        wish = Registration(email, "A Visitor", await system._password_hash(identity))
        async with database.transaction() as connection:
            user = await identity.register(connection, wish, address="tests")
            login = await identity.open_session(connection, user, address="tests", device="journeys")
            for currency, amount in money.items():
                await books.credit(connection, user.id, currency, Decimal(amount))
    return login
