"""A running application with customers who may withdraw, operators who may decide, and the worker's paymaster."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.funding.withdrawals.tasks import Pace, Paymaster
from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.notifications.tasks import Postman
from bitcurrent.wiring import Brokerage
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.callers import OFFICE, client_from
from tests.support.customers import Person, register
from tests.support.operators import operator
from tests.support.post import Bag, Post

IBAN = "DE02120300000000202051"
AT_ONCE = Pace(look_seconds=0.01, first_pause=timedelta(0), pause=timedelta(0))


@dataclass(slots=True)
class Desk:
    """The application, its people, and the worker's hands."""

    app: Litestar
    http: httpx.AsyncClient
    office: httpx.AsyncClient
    post: Post
    paymaster: Paymaster

    @property
    def brokerage(self) -> Brokerage:
        brokerage: Brokerage = self.app.state.brokerage
        return brokerage

    async def ask(
        self, who: Person | None, method: str, path: str, status: int, body: Any = None, *, key: str | None = None
    ) -> Any:
        """A customer's request; the JSON of an answer of this status."""
        return _json(await self.send(who, method, path, body, key=key), status)

    async def send(
        self, who: Person | None, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> httpx.Response:
        """The same, whatever the answer."""
        headers = {**(who.bearer if who else {}), **({"Idempotency-Key": key} if key else {})}
        return await self.http.request(method, path, json=body, headers=headers)

    async def admin(self, who: Person, method: str, path: str, status: int, body: Any = None, **query: Any) -> Any:
        """An operator's request from the office."""
        answer = await self.office.request(method, path, json=body, params=query, headers=who.bearer)
        return _json(answer, status)

    async def customer(self, *, kyc: str = "full", fresh: bool = True, profile: bool = True, **money: str) -> Person:
        """Somebody who may withdraw, with so much of each currency: `customer(EUR="100")`."""
        person = await register(self.http)
        async with self.brokerage.database.transaction() as connection:
            await connection.execute("UPDATE users SET kyc_level = $2 WHERE id = $1", UUID(person.id), kyc)
            for currency, amount in money.items():
                await books.credit(connection, UserId(UUID(person.id)), currency, Decimal(amount))
        if profile:
            await self.ask(person, "PUT", "/api/profile", 200, PROFILE)
        if fresh:
            await self.make_fresh(person)
        return person

    async def make_fresh(self, person: Person) -> None:
        """As if a second factor had been used just now."""
        from bitcurrent.identity.factors.enrolment import ensure_totp

        async with self.brokerage.database.transaction() as connection:
            await ensure_totp(connection, self.brokerage.identity.vault, UserId(UUID(person.id)), "JBSWY3DPEHPK3PXP")
            await connection.execute(
                "UPDATE user_sessions SET stepped_up_at = now() WHERE user_id = $1", UUID(person.id)
            )

    async def account(self, person: Person, *, young: bool = False, **fields: str) -> str:
        """A saved bank account that may be used; its id."""
        body = {"currency": "EUR", "holder": "Ann Archer", "iban": IBAN, **fields}
        saved = await self.ask(person, "POST", "/api/bank-accounts", 201, body)
        if not young:
            await self.owner(
                "UPDATE bank_accounts SET created_at = created_at - interval '2 days', usable_at = usable_at - "
                "interval '2 days' WHERE id = $1",
                UUID(saved["id"]),
            )
        return str(saved["id"])

    async def owner(self, statement: str, *arguments: Any) -> None:
        """What only time, or the database's owner, can do."""
        connection = await books.connect(self.brokerage.settings.owner_database_url)
        try:
            await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    async def asked(self, person: Person, amount: str = "50", **fields: Any) -> dict[str, Any]:
        """A withdrawal to a bank account that waits for its confirmation."""
        if "destination" not in fields:
            fields["destination"] = await self.account(person)
        body = {"asset": "EUR", "amount": amount, **fields}
        found: dict[str, Any] = await self.ask(person, "POST", "/api/withdrawals", 201, body)
        return found

    async def confirmed(self, person: Person, amount: str = "50", **fields: Any) -> dict[str, Any]:
        """One that its owner has confirmed by the mailed link."""
        asked = await self.asked(person, amount, **fields)
        await self.confirm(person)
        return asked

    async def confirm(self, person: Person) -> dict[str, Any]:
        """Use the newest mailed link."""
        token = await self.post.token(person.email)
        found: dict[str, Any] = await self.ask(None, "POST", "/api/withdrawals/confirm", 200, {"token": token})
        return found

    async def work(self) -> None:
        """The worker does all that is due."""
        while await self.paymaster.round():
            continue

    async def read(self, person: Person, withdrawal: dict[str, Any]) -> dict[str, Any]:
        """The withdrawal as its owner sees it now."""
        found: dict[str, Any] = await self.ask(person, "GET", f"/api/withdrawals/{withdrawal['id']}", 200)
        return found

    async def approved(self, person: Person, amount: str = "50", **fields: Any) -> dict[str, Any]:
        """One that two operators have approved."""
        withdrawal = await self.confirmed(person, amount, **fields)
        await self.work()
        clerk, boss = await self.two_of_finance()
        path = f"/api/admin/withdrawals/{withdrawal['id']}/propose"
        approval = await self.admin(clerk, "POST", path, 202, {"reason": "Looked at it."})
        await self.admin(boss, "POST", f"/api/admin/approvals/{approval['id']}/grant", 200)
        return await self.read(person, withdrawal)

    async def batch(self, currency: str = "EUR") -> tuple[Person, dict[str, Any], bytes]:
        """A batch of all that waits: who asked, the batch, its file."""
        clerk, boss = await self.two_of_finance()
        wish = {"currency": currency, "reason": "Bank day."}
        approval = await self.admin(clerk, "POST", "/api/admin/payouts", 202, wish)
        await self.admin(boss, "POST", f"/api/admin/approvals/{approval['id']}/grant", 200)
        (made, *_) = (await self.admin(clerk, "GET", "/api/admin/payouts", 200))["items"]
        file = await self.admin(clerk, "POST", f"/api/admin/payouts/{made['id']}/file", 200)
        return clerk, made, file["content"].encode()

    async def two_of_finance(self) -> tuple[Person, Person]:
        """Two people whose second factors are fresh."""
        return await operator(self.app, "finance"), await operator(self.app, "finance")

    async def balance(self, person: Person, currency: str) -> tuple[Decimal, Decimal]:
        """Available and held."""
        async with self.brokerage.database.read() as connection:
            return await books.balance(connection, UserId(UUID(person.id)), currency)

    async def broken_laws(self) -> list[str]:
        """What is wrong with the books."""
        connection = await books.connect(self.brokerage.settings.database_url)
        try:
            return await books.broken_laws(connection)
        finally:
            await connection.close()


PROFILE = {
    "legal_name": "Ann Mary Archer",
    "birth_date": "1990-05-17",
    "address": {"lines": ["1 High Street"], "city": "London", "postal_code": "N1 1AA", "country": "GB"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[Desk]:
    """One application and database for a module; people are made anew by each test."""
    settings = settings_for(
        module_database_urls,
        redis_server.url,
        bank_holder="BitCurrent Ltd",
        stripe_api_key="sk_test_nobody",
        fx_rates="EUR/USD=1.1,GBP/USD=1.25",
    )
    async with running_api(settings) as (http, app), client_from(app, OFFICE) as office:
        brokerage: Brokerage = app.state.brokerage
        bag = Bag()
        post = Post(Postman(brokerage.database, brokerage.letters.mails, bag, Counter()), bag)
        yield Desk(app, http, office, post, paymaster_of(brokerage))


def paymaster_of(brokerage: Brokerage) -> Paymaster:
    """The worker's part, without waiting."""
    return Paymaster(
        database=brokerage.database,
        rails=brokerage.rails,
        changes=brokerage.withdrawals.changes,
        deciding=brokerage.deciding,
        counts=Counter(),
        pace=AT_ONCE,
    )


@pytest.fixture(autouse=True)
async def laws_hold(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """After every test that used the desk, all laws hold."""
    yield
    if "desk" in request.fixturenames:
        desk: Desk = request.getfixturevalue("desk")
        broken = await asyncio.to_thread(lambda: asyncio.run(_broken(desk.brokerage.settings.database_url)))
        assert broken == []


async def _broken(url: str) -> list[str]:
    connection = await books.connect(url)
    try:
        return await books.broken_laws(connection)
    finally:
        await connection.close()


def _json(answer: httpx.Response, status: int) -> Any:
    request = answer.request
    assert answer.status_code == status, f"{request.method} {request.url}: {answer.status_code} {answer.text[:600]}"
    return answer.json() if answer.content else None
