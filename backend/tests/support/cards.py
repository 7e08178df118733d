"""Card payments in tests: customers who may pay in, the sandbox's processor, and its webhooks carried by hand."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar

from bitcurrent.funding.deposits.tasks import DepositKeeper
from bitcurrent.funding.inbox.tasks import InboxKeeper
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.wiring import Brokerage
from tests.support import books
from tests.support.customers import Person, register
from tests.support.sandbox import Sandbox

WEBHOOK = "/api/webhooks/stripe"
GOOD_CARD = "4242424242424242"


def signature(body: bytes, secret: str, *, at: float | None = None) -> str:
    """As Stripe signs a webhook."""
    moment = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


@dataclass(slots=True)
class Till:
    """The running application, the processor behind it, and whatever goes between them."""

    app: Litestar
    http: httpx.AsyncClient
    sandbox: Sandbox

    @property
    def brokerage(self) -> Brokerage:
        brokerage: Brokerage = self.app.state.brokerage
        return brokerage

    def keeper(self) -> DepositKeeper:
        """The worker's poll, to be turned by hand."""
        b = self.brokerage
        return DepositKeeper(
            database=b.database, deposits=b.deposits, bonuses=b.bonuses, letters=b.letters, counts=Counter()
        )

    def inbox_keeper(self) -> InboxKeeper:
        """The worker's second try, to be turned by hand."""
        return InboxKeeper(self.brokerage.database, self.brokerage.inbox, Counter())

    async def customer(self, level: str = "full") -> Person:
        """Somebody verified so far, as the compliance room does it."""
        person = await register(self.http)
        await self.books("UPDATE users SET kyc_level = $2 WHERE id = $1", UUID(person.id), level)
        return person

    async def ask(self, who: Person, amount: str, currency: str = "USD", *, key: str | None = None) -> httpx.Response:
        """POST /api/deposits."""
        headers = who.bearer | ({"Idempotency-Key": key} if key else {})
        return await self.http.post("/api/deposits", json={"amount": amount, "currency": currency}, headers=headers)

    async def opened(self, who: Person, amount: str, currency: str = "USD") -> dict[str, Any]:
        """A deposit that waits on its page."""
        answer = await self.ask(who, amount, currency)
        assert answer.status_code == 201, answer.text
        deposit: dict[str, Any] = answer.json()
        assert deposit["state"] == "pending", deposit
        return deposit

    async def read(self, who: Person, deposit_id: str) -> dict[str, Any]:
        """GET /api/deposits/{id}."""
        answer = await self.http.get(f"/api/deposits/{deposit_id}", headers=who.bearer)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def page_of(self, deposit: dict[str, Any]) -> str:
        """The processor's name of a deposit's page."""
        return str(await self.books("SELECT checkout_id FROM deposits WHERE id = $1", UUID(deposit["id"])))

    async def pay(self, deposit: dict[str, Any], **how: Any) -> list[bytes]:
        """Pay on the page as the customer does; the processor's events of it, oldest first."""
        page = await self.page_of(deposit)
        await asyncio.to_thread(lambda: self.sandbox.pay(page, **({"card": GOOD_CARD} | how)))
        return await self.events(page)

    async def abandon(self, deposit: dict[str, Any]) -> None:
        """The page's time is over, as the processor sees it."""
        page = await self.page_of(deposit)
        key = {"Authorization": f"Bearer {self.sandbox.stripe_key}"}
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.post(f"{self.sandbox.stripe_url}/v1/checkout/sessions/{page}/expire", headers=key)
        assert answer.is_success, answer.text

    async def events(self, page: str) -> list[bytes]:
        """The processor's events about a page, as it sends them, oldest first."""
        key = {"Authorization": f"Bearer {self.sandbox.stripe_key}"}
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.get(f"{self.sandbox.stripe_url}/v1/events", params={"limit": 100}, headers=key)
        found = [each for each in answer.json()["data"] if each["data"]["object"].get("id") == page]
        return [json.dumps(each).encode() for each in reversed(found)]

    async def deliver(self, body: bytes, signed: str | None = None) -> httpx.Response:
        """A webhook as it comes in."""
        proof = signature(body, self.sandbox.stripe_webhook_secret) if signed is None else signed
        return await self.http.post(
            WEBHOOK, content=body, headers={"Stripe-Signature": proof, "Content-Type": "application/json"}
        )

    async def deliver_all(self, bodies: Sequence[bytes]) -> None:
        """Webhooks that come at the same time; each is acknowledged."""
        answers = await asyncio.gather(*(self.deliver(body) for body in bodies))
        assert {answer.status_code for answer in answers} <= {200}, [answer.text for answer in answers]

    async def balance(self, who: Person, currency: str = "USD") -> tuple[Decimal | int, Decimal | int]:
        """Available and held."""
        async with self.brokerage.database.read() as connection:
            return await books.balance(connection, UserId(UUID(who.id)), currency)

    async def books(self, statement: str, *arguments: Any) -> Any:
        """One value straight from the books, or a change that another room makes."""
        async with self.brokerage.database.transaction() as connection:
            return await connection.fetchval(statement, *arguments)

    async def broken_laws(self) -> list[str]:
        """What is wrong with the books now."""
        async with self.brokerage.database.read() as connection:
            return await books.broken_laws(connection)


def altered(body: bytes, *, event: str | None = None, kind: str | None = None, **thing: Any) -> bytes:
    """The same event with another id, type, or other words about its object."""
    told = json.loads(body)
    told["id"] = event or f"evt_{new_id().hex}"
    told["type"] = kind or told["type"]
    told["data"]["object"] |= thing
    return json.dumps(told).encode()
