"""A customer converts at a rate that was quoted: once, in time, and never at the house's cost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.funding.conversions.laws import CONVERSION_LAWS
from bitcurrent.funding.conversions.model import Rate, parse_rates, terms_of
from bitcurrent.funding.conversions.tasks import tend_conversions
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.verification import ask
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person, register

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIXED = "EUR/USD=1.25,GBP/USD=1.5"


@dataclass(slots=True)
class Desk:
    """The application with fixed rates, and the books behind it."""

    client: httpx.AsyncClient
    app: Litestar
    connection: Connection
    owner: Connection

    async def customer(self, **money: str) -> Person:
        person = await register(self.client)
        for currency, amount in money.items():
            await books.credit(self.connection, UserId(UUID(person.id)), currency, Decimal(amount))
        return person

    async def post(self, who: Person, path: str, status: int, body: Any, headers: dict[str, str] | None = None) -> Any:
        answer = await self.client.post(path, json=body, headers={**who.bearer, **(headers or {})})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def quote(self, who: Person, wish: dict[str, str], status: int = 200) -> Any:
        return await self.post(who, "/api/conversions/quote", status, wish)

    async def convert(self, who: Person, quote: Any, status: int = 201, *, key: str | None = None) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.post(who, "/api/conversions", status, {"quote_id": quote["id"]}, headers)

    async def available(self, who: Person) -> dict[str, Decimal]:
        answer = await self.client.get("/api/balances", headers=who.bearer)
        return {item["currency"]: Decimal(item["available"]) for item in answer.json()["items"]}

    async def expire(self, quote: Any) -> None:
        """Let a quote's seconds be over, as the owner of the tables alone could."""
        await self.owner.execute(
            "UPDATE conversion_quotes SET created_at = created_at - interval '20 seconds',"
            " expires_at = expires_at - interval '20 seconds' WHERE id = $1",
            UUID(quote["id"]),
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[Desk]:
    settings = settings_for(module_database_urls, redis_server.url, fx_rates=FIXED, fx_spread_bps=50)
    async with running_api(settings) as (client, app):
        connection = await books.connect(module_database_urls.app)
        owner = await books.connect(module_database_urls.owner)
        yield Desk(client, app, connection, owner)
        assert await books.broken_laws(connection) == []
        await connection.close()
        await owner.close()


async def test_what_is_given_becomes_the_other_currency(desk: Desk) -> None:
    ann = await desk.customer(USD="1000")
    quote = await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "100"})
    # 1 USD is 0.8 EUR in the middle; half a percent less is 0.796.
    assert (quote["middle"], quote["rate"], quote["give"], quote["get"], quote["spread"]) == (
        "0.8",
        "0.796",
        "100",
        "79.6",
        "0.4",
    )
    done = await desk.convert(ann, quote)
    assert (done["get"], done["reference"]) == ("79.6", f"convert:{done['id']}")
    assert await desk.available(ann) == {"USD": Decimal(900), "EUR": Decimal("79.6")}
    told = await desk.connection.fetchrow("SELECT kind, payload FROM events WHERE subject = $1", UUID(done["id"]))
    assert told is not None
    assert (told["kind"], told["payload"]["balances"]) == (
        "conversion_done",
        [
            {"currency": "USD", "available": "900", "held": "0"},
            {"currency": "EUR", "available": "79.6", "held": "0"},
        ],
    )
    letters = "SELECT count(*) FROM mails WHERE user_id = $1 AND template = 'conversion_done'"
    assert await desk.connection.fetchval(letters, UUID(ann.id)) == 1
    listed = (await desk.client.get("/api/conversions", headers=ann.bearer)).json()
    assert [item["id"] for item in listed["items"]] == [done["id"]]
    read = (await desk.client.get(f"/api/conversions/{done['id']}", headers=ann.bearer)).json()
    assert read == done


async def test_what_is_wanted_is_got_exactly(desk: Desk) -> None:
    ann = await desk.customer(GBP="1000")
    quote = await desk.quote(ann, {"from": "GBP", "to": "EUR", "get": "99.99"})
    # 1.2 less half a percent is 1.194: 83.7437… is asked for, rounded up.
    assert (quote["rate"], quote["give"], quote["get"]) == ("1.194", "83.75", "99.99")
    await desk.convert(ann, quote)
    assert await desk.available(ann) == {"GBP": Decimal("916.25"), "EUR": Decimal("99.99")}


async def test_a_quote_is_used_once_by_its_owner_and_in_time(desk: Desk) -> None:
    ann, ben = await desk.customer(USD="1000"), await desk.customer(USD="1000")
    quote = await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "100"})
    assert (await desk.convert(ben, quote, 404))["code"] == "not_found"
    await desk.convert(ann, quote)
    assert (await desk.convert(ann, quote, 409))["code"] == "quote_used"
    late = await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "100"})
    await desk.expire(late)
    refused = await desk.convert(ann, late, 409)
    assert (refused["code"], refused["details"]["again"]) == ("quote_expired", "/api/conversions/quote")
    assert await desk.available(ann) == {"USD": Decimal(900), "EUR": Decimal("79.6")}


async def test_the_same_request_again_is_the_same_conversion(desk: Desk) -> None:
    ann = await desk.customer(USD="1000")
    quote = await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "100"})
    key = str(new_id())
    first = await desk.convert(ann, quote, key=key)
    assert await desk.convert(ann, quote, key=key) == first
    assert (await desk.available(ann))["USD"] == 900


async def test_twenty_at_once_convert_what_is_there(desk: Desk) -> None:
    ann = await desk.customer(USD="500")
    quotes = [await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "100"}) for _ in range(20)]

    async def convert(quote: Any) -> int:
        answer = await desk.client.post("/api/conversions", json={"quote_id": quote["id"]}, headers=ann.bearer)
        return answer.status_code

    statuses = await asyncio.gather(*(convert(quote) for quote in quotes))
    assert (statuses.count(201), statuses.count(409)) == (5, 15)
    assert await desk.available(ann) == {"EUR": Decimal(398)}


async def test_bad_wishes_are_refused_and_nothing_moves(desk: Desk) -> None:
    ann = await desk.customer(USD="50")
    wishes = [
        ({"from": "USD", "to": "EUR", "give": "10.001"}, "too_many_decimals"),
        ({"from": "USD", "to": "EUR", "give": "0"}, "below_minimum"),
        ({"from": "USD", "to": "EUR", "give": "-5"}, "below_minimum"),
        ({"from": "USD", "to": "EUR", "give": "5", "get": "5"}, "invalid"),
        ({"from": "USD", "to": "EUR"}, "invalid"),
        ({"from": "USD", "to": "USD", "give": "5"}, "invalid"),
    ]
    for wish, code in wishes:
        assert (await desk.quote(ann, wish, 422))["code"] == code, wish
    for wish in ({"from": "usd", "to": "EUR"}, {"from": "USD", "to": "EUR", "give": "1", "more": "x"}):
        await desk.quote(ann, wish, 422)
    unknown = await desk.quote(ann, {"from": "USD", "to": "JPY", "give": "5"}, 422)
    assert (unknown["code"], unknown["field"]) == ("unknown_currency", "to")
    much = await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "100"})
    poor = await desk.convert(ann, much, 409)
    assert (poor["code"], poor["details"]) == (
        "insufficient_funds",
        {"needed": "100", "available": "50", "currency": "USD"},
    )
    assert await desk.available(ann) == {"USD": Decimal(50)}


async def test_who_is_not_verified_converts_little(desk: Desk) -> None:
    ann = await desk.customer(USD="5000")
    quote = await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "1000.01"})
    refused = await desk.convert(ann, quote, 403)
    assert refused["code"] == "limit_exceeded"
    assert refused["field"] == "quote_id"


async def test_the_application_cannot_change_what_was_quoted(desk: Desk) -> None:
    for statement in ("UPDATE conversion_quotes SET get = get * 2", "DELETE FROM conversions"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await desk.connection.execute(statement)


async def test_the_house_sees_what_it_owns(desk: Desk) -> None:
    conversions = desk.app.state["conversions"]
    before = {one.currency: one for one in await conversions.exposure(desk.connection)}
    ann = await desk.customer(USD="100")
    await desk.convert(ann, await desk.quote(ann, {"from": "USD", "to": "GBP", "give": "100"}))
    after = {one.currency: one for one in await conversions.exposure(desk.connection)}
    earned = after["GBP"].earned - (before["GBP"].earned if "GBP" in before else 0)
    # 100 USD are 66.66 GBP in the middle; she gets 66.33, rounded down.
    assert earned == Decimal("0.33")
    booked = await desk.connection.fetch(
        "SELECT currency, balance FROM house_accounts WHERE account = 'fx' ORDER BY currency"
    )
    assert {row["currency"]: row["balance"] for row in booked} == {
        currency: one.position for currency, one in sorted(after.items())
    }


async def test_the_law_finds_a_conversion_without_its_journal_and_one_that_differs(desk: Desk) -> None:
    ann = await desk.customer(USD="100")
    quote = await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "50"})
    used = await desk.quote(ann, {"from": "USD", "to": "EUR", "give": "10"})
    await desk.convert(ann, used)
    planted = (
        """
        INSERT INTO conversions (id, quote_id, user_id, created_at) SELECT id, $1, $2, uuid_extract_timestamp(id)
        FROM (SELECT uuidv7() AS id) new
        """,
        "UPDATE conversion_quotes SET give = give + 1 WHERE id = $1 AND user_id = $2",
    )
    for statement, about, words in zip(planted, (quote, used), ("has no journal", "booked"), strict=True):
        undo = desk.owner.transaction()
        await undo.start()
        await desk.owner.execute(statement, UUID(about["id"]), UUID(ann.id))
        report = await ask(desk.owner, CONVERSION_LAWS)
        await undo.rollback()
        assert [words in line for finding in report.broken for line in finding.breaks] == [True]


async def test_the_days_rates_are_written_down(desk: Desk) -> None:
    await tend_conversions(desk.app.state["database"], desk.app.state["exchange_rates"])
    await tend_conversions(desk.app.state["database"], desk.app.state["exchange_rates"])
    rows = await desk.connection.fetch("SELECT currency, worth FROM fx_rates ORDER BY currency")
    assert [tuple(row) for row in rows] == [("EUR", Decimal("1.25")), ("GBP", Decimal("1.5"))]


async def test_rounding_is_never_at_the_houses_cost() -> None:
    rate = Rate(base="USD", quote="EUR", middle=Decimal("0.92345678"), at=now(), source="test")
    for cents in range(150, 400):
        amount = Decimal(cents) / 100
        for wish in ({"give": amount, "get": None}, {"give": None, "get": amount}):
            terms = terms_of(from_currency="USD", to_currency="EUR", rate=rate, spread_bps=Decimal("0.5"), **wish)
            assert terms.get <= terms.give * terms.rate
            assert terms.spread >= 0


async def test_fixed_rates_that_are_none_are_refused() -> None:
    for text in ("EUR/USD=0", "EUR=1.2", "EUR/GBP=1.2", "JPY/USD=1", "EUR/USD=1,EUR/USD=2", "EUR/USD=-1"):
        with pytest.raises(ValueError, match=r"/USD|positive"):
            parse_rates(text)
