"""Money comes by card, is traded and converted, and leaves by card, bank and coin; at the end all books agree.

The whole system as processes, with a sandbox and a demo's bank outside. Two things are done behind the counter: saying
that an identity was checked, and letting the days pass that card money, bank accounts and addresses have to wait.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from rich.console import Console

from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import ScratchPostgres
from bitcurrent.reconciliation.table_commands import reconcile
from bitcurrent.wiring import open_books
from tests.support import books
from tests.support.customers import Person, enrol, log_in_with
from tests.support.own_api import read_contract
from tests.support.system import System, start_system
from tests.support.visitors import Visitor, client, has

CARD = {"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123", "name": "Ann Archer", "method": "card"}
BITCOIN = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
IBAN = "DE02120300000000202051"
PASSWORD = "a horse of her own"
PROFILE = {
    "legal_name": "Ann Archer",
    "birth_date": "1990-05-17",
    "address": {"lines": ["Unter den Linden 1"], "city": "Berlin", "postal_code": "10117", "country": "DE"},
}
WAIT_SECONDS = 30
ENDED = {"settled", "failed", "refused", "returned", "canceled", "expired"}


@pytest.fixture(scope="module")
def town(postgres: ScratchPostgres, migrated_template: str, request: pytest.FixtureRequest) -> Iterator[System]:
    """A system of its own: at the end its books are compared wholly with everybody else's."""
    with start_system(postgres, migrated_template, keep=lambda _: bool(request.session.testsfailed)) as running:
        yield running


@dataclass(slots=True)
class Street:
    """The system, somebody who has money in it, and two people of finance."""

    town: System
    ann: Visitor
    team: list[Visitor]

    async def pays_in(self, amount: str) -> dict[str, Any]:
        """By card, on the processor's page; the webhook comes by itself."""
        wish = {"amount": amount, "currency": "USD"}
        deposit = await self.ann.ask("POST", "/api/deposits", 201, wish, key=str(new_id()))
        async with httpx.AsyncClient(timeout=10, follow_redirects=False) as browser:
            page = await browser.get(deposit["url"])
            assert page.is_success, page.text
            paid = await browser.post(deposit["url"], data=CARD)
            assert paid.status_code in {200, 302, 303}, paid.text
        return await until(lambda: self.ann.ask("GET", f"/api/deposits/{deposit['id']}", 200), {"paid"})

    async def trades(self, **order: Any) -> dict[str, Any]:
        """An order that is filled at once."""
        placed = await self.ann.place(**order)
        return await self.ann.until(placed["id"], "filled", seconds=WAIT_SECONDS)

    async def withdraws(self, asset: str, amount: str, destination: str) -> dict[str, Any]:
        """Asked for, confirmed by the mailed link, looked at by two people where the house wants that, and settled."""
        wish = {"asset": asset, "amount": amount, "destination": destination}
        asked = await self.ann.ask("POST", "/api/withdrawals", 201, wish, key=str(new_id()))
        path = f"/api/withdrawals/{asked['id']}"
        await self.ann.ask("POST", "/api/withdrawals/confirm", 200, {"token": await self.link()})
        looked = await until(lambda: self.ann.ask("GET", path, 200), {"review", "approved", "sending", "sent"} | ENDED)
        if looked["state"] == "review":
            why = {"reason": "Looked at it well."}
            approval = await self.team[0].ask("POST", f"/api/admin/withdrawals/{asked['id']}/propose", 202, why)
            await self.team[1].ask("POST", f"/api/admin/approvals/{approval['id']}/grant", 200)
        ended = await until(lambda: self.ann.ask("GET", path, 200), ENDED)
        assert (ended["state"], ended["held"]) == ("settled", "0"), ended
        return ended

    async def link(self) -> str:
        """The token of the newest link to confirm a withdrawal, each of which is used once."""

        async def look() -> dict[str, Any]:
            letters = await asyncio.to_thread(self.town.sandbox.letters, self.ann.email)
            links = [link for letter in letters for link in letter["links"] if "#confirm_withdrawal=" in link]
            tokens = [link.partition("=")[2] for link in links]
            fresh = [token for token in tokens if token not in _used]
            return {"state": "came" if fresh else "not yet", "token": fresh[0] if fresh else ""}

        token = str((await until(look, {"came"}))["token"])
        _used.add(token)
        return token

    async def days_pass(self, *statements: str) -> None:
        """What only time, or the database's owner, can do."""
        connection = await books.connect(self.town.database.owner)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


_used: set[str] = set()


async def until(look: Callable[[], Awaitable[dict[str, Any]]], states: set[str]) -> dict[str, Any]:
    """Look until it is in one of these states."""
    seen: dict[str, Any] = {}
    for _ in range(WAIT_SECONDS * 10):
        seen = await look()
        if seen["state"] in states:
            return seen
        await asyncio.sleep(0.1)
    raise AssertionError(f"still {seen}, not {states}")


async def opened(town: System, http: httpx.AsyncClient, name: str, *, role: str = "customer") -> Visitor:
    """Registered over the API, the address confirmed by mail, with an authenticator app; compliance knows them."""
    email = f"{name}-{new_id()}@journeys.test"
    wish = {"email": email, "password": PASSWORD, "display_name": name.title()}
    assert (await http.post("/api/register", json=wish)).status_code == 202
    letter = (await asyncio.to_thread(town.sandbox.letters, email))[0]
    link = letter["links"][0].partition("#verify_email=")[2]
    assert (await http.post("/api/email/verify", json={"token": link})).status_code == 200
    login = (await http.post("/api/login", json={"email": email, "password": PASSWORD})).json()
    http.cookies.clear()
    user_id = login["user"]["id"]
    app = await enrol(http, Person(user_id, email, login["token"]), password=PASSWORD)
    async with town.connection() as connection:
        change = "UPDATE users SET role = $2, kyc_level = 'full' WHERE id = $1"
        await connection.execute(change, UUID(user_id), role)
    token = (await log_in_with(http, email, app, PASSWORD)).json()["token"]
    http.headers["Authorization"] = f"Bearer {token}"
    return Visitor(town, http, UserId(UUID(user_id)), email, token)


@pytest.mark.timeout(300)
async def test_money_comes_trades_leaves_and_everybody_agrees(town: System) -> None:
    contract = read_contract(town.url)
    async with client(town, contract) as hers, client(town, contract) as clerk, client(town, contract) as boss:
        team = [await opened(town, clerk, "clerk", role="finance"), await opened(town, boss, "boss", role="finance")]
        street = Street(town, await opened(town, hers, "ann"), team)
        ann = street.ann
        await ann.ask("PUT", "/api/profile", 200, PROFILE)
        await goes_on(ann)

        credited = await street.pays_in("500")
        came = Decimal(credited["credited"])
        assert await ann.balance("USD") == has(came)
        bought = await street.trades(notional="200")
        sold = await street.trades(side="sell", quantity=f"{Decimal(bought['net']) / 2:.9f}")
        quote = await ann.ask("POST", "/api/conversions/quote", 200, {"from": "USD", "to": "EUR", "give": "100"})
        converted = await ann.ask("POST", "/api/conversions", 201, {"quote_id": quote["id"]}, key=str(new_id()))
        left = came - Decimal(bought["filled_cost"]) + Decimal(sold["net"]) - 100
        assert await ann.balance("USD") == has(left)

        # Back to the card at once; by other ways only when the card money is released and the destinations are old.
        by_card = await street.withdraws("USD", "50", "card")
        assert by_card["rail"] == "card_refund"
        account = await ann.ask(
            "POST", "/api/bank-accounts", 201, {"currency": "EUR", "holder": "Ann Archer", "iban": IBAN}
        )
        address = await ann.ask(
            "POST",
            "/api/withdrawal-addresses",
            201,
            {"asset": "BTC", "network": "bitcoin", "address": BITCOIN, "label": "cold"},
        )
        for asset, place in (("EUR", account), ("BTC", address)):
            young = {"asset": asset, "amount": "0.001" if asset == "BTC" else "30", "destination": place["id"]}
            await ann.refused("/api/withdrawals", 403, "destination_too_young", young)
        await street.days_pass(
            "UPDATE bank_accounts SET created_at = created_at - interval '2 days', usable_at = now()",
            "UPDATE withdrawal_addresses SET created_at = created_at - interval '2 days', usable_at = now()",
            "UPDATE lots SET release_at = now()",
        )
        await approve_addresses(street, address["id"])
        by_bank = await street.withdraws("EUR", "30", account["id"])
        by_coin = await street.withdraws("BTC", "0.001", address["id"])

        euros = Decimal(converted["get"]) - Decimal(by_bank["total"])
        coins = Decimal(bought["net"]) - Decimal(sold["filled_quantity"]) - Decimal(by_coin["total"])
        ends = {"USD": left - Decimal(by_card["total"]), "EUR": euros, "BTC": coins}
        for currency, amount in ends.items():
            assert await ann.balance(currency) == has(amount), currency
        await statement_says(ann, ends)
    assert town.broken_laws() == []
    await everybody_agrees(town)


async def goes_on(ann: Visitor) -> None:
    """She reads what the rules of her country put before money goes in, and goes on."""
    following = (await ann.ask("GET", "/api/conduct", 200))["next"]
    if following is not None:
        body = {name: following[name] for name in ("step", "version", "text_sha256")} | {"choice": "continue"}
        await ann.ask("POST", "/api/conduct/texts", 200, body, key=str(new_id()))


async def approve_addresses(street: Street, address_id: str) -> None:
    """The venue's people have looked at the address; the worker asks at once instead of after minutes."""

    async def look() -> dict[str, Any]:
        await asyncio.to_thread(lambda: street.town.sandbox.control("whitelist"))
        await street.days_pass("UPDATE venue_destinations SET next_at = now() WHERE state = 'pending'")
        found: dict[str, Any] = await street.ann.ask("GET", f"/api/withdrawal-addresses/{address_id}", 200)
        return found

    await until(look, {"ready"})


async def statement_says(ann: Visitor, ends: dict[str, Decimal]) -> None:
    """The month's statement ends with these balances."""
    months = (await ann.ask("GET", "/api/statements", 200))["items"]
    assert months[0]["month"] == f"{datetime.now(UTC):%Y-%m}"
    answer = await ann.http.get(months[0]["csv"])
    assert answer.status_code == 200, answer.text
    paper = await ann.http.get(months[0]["pdf"])
    assert paper.content.startswith(b"%PDF"), paper.text
    for currency, amount in ends.items():
        assert f"{amount.normalize():f}" in answer.text, f"{currency} {amount} is not in {answer.text[-1500:]}"


async def everybody_agrees(town: System) -> None:
    """`bitcurrent reconcile`: nothing differs."""
    said = io.StringIO()
    console = Console(file=said, width=120)
    code = await asyncio.to_thread(lambda: reconcile(lambda: open_books(town.settings), wholly=True, console=console))
    assert code == 0, said.getvalue()
