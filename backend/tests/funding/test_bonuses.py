"""Bonuses: drafted, switched on by two, earned with a deposit, held, released or forfeited."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from bitcurrent.funding.bonuses.model import PaidDeposit, amount_of, earned_by
from bitcurrent.funding.ports import ProcessorDispute
from bitcurrent.funding.reversals.service import Wish
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading.repository import place_one
from tests.support.books import Ticket
from tests.support.brokerage import running_api, settings_for
from tests.support.callers import OFFICE, client_from
from tests.support.cards import Till
from tests.support.conduct_steps import live_in
from tests.support.customers import Person
from tests.support.operators import operator
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def till(module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> AsyncIterator[Till]:
    await asyncio.to_thread(lambda: sandbox.control("stripe/reset", state=True))
    async with running_api(settings_for(module_database_urls, redis_server.url, sandbox)) as (http, app):
        till = Till(app, http, sandbox)
        yield till
        assert await till.broken_laws() == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operators(till: Till) -> list[Person]:
    return [await operator(till.app, "finance"), await operator(till.app, "finance")]


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _nothing_gives(till: Till) -> AsyncIterator[None]:
    yield
    await till.books("UPDATE bonus_campaigns SET state = 'ended', ended_at = now() WHERE state = 'active'")


def wish(**changes: Any) -> dict[str, Any]:
    """A campaign: 10 USD for the first deposit of 50 USD or more, released after 30 days."""
    rules = {
        "code": f"welcome-{new_id().hex[-8:]}",
        "title": "Welcome",
        "currency": "USD",
        "starts_at": (now() - timedelta(days=1)).isoformat(),
        "ends_at": (now() + timedelta(days=30)).isoformat(),
        "minimum": "50",
        "amount": "10",
        "release_days": 30,
    }
    return {name: value for name, value in {**rules, **changes}.items() if value is not None}


async def office(till: Till, who: Person, path: str, body: Any = None) -> httpx.Response:
    """POST from where operators sit."""
    async with client_from(till.app, OFFICE) as http:
        return await http.post(f"/api/admin/{path}", json=body, headers=who.bearer)


async def running(till: Till, operators: list[Person], **changes: Any) -> dict[str, Any]:
    """A campaign that gives."""
    ann, ben = operators
    drafted = await office(till, ann, "campaigns", wish(**changes))
    assert drafted.status_code == 201, drafted.text
    campaign: dict[str, Any] = drafted.json()
    asked = await office(till, ann, f"campaigns/{campaign['id']}/activate", {"reason": "The spring offer"})
    assert asked.status_code == 202, asked.text
    granted = await office(till, ben, f"approvals/{asked.json()['id']}/grant")
    assert granted.status_code == 200, granted.text
    return campaign


async def paid(till: Till, who: Person, amount: str = "100") -> dict[str, Any]:
    """A deposit that was paid."""
    deposit = await till.opened(who, amount)
    await till.deliver_all(await till.pay(deposit))
    return deposit


async def bonuses(till: Till, who: Person) -> list[dict[str, Any]]:
    """GET /api/bonuses."""
    found: list[dict[str, Any]] = (await till.http.get("/api/bonuses", headers=who.bearer)).json()["items"]
    return found


async def settle(till: Till) -> None:
    """One round of the worker in which every bonus is due for a look."""
    await till.books("UPDATE bonuses SET look_at = now()")
    await till.keeper().settle_bonuses()


async def test_a_bonus_is_held_until_its_days_are_over(till: Till, operators: list[Person]) -> None:
    await running(till, operators, release_days=0)
    cat = await till.customer()
    await paid(till, cat)
    assert await till.balance(cat) == (Decimal("98.5"), Decimal(10))
    await settle(till)
    assert await till.balance(cat) == (Decimal("108.5"), 0)
    assert [each["state"] for each in await bonuses(till, cat)] == ["released"]
    await settle(till)
    assert await till.balance(cat) == (Decimal("108.5"), 0)


async def test_a_bonus_waits(till: Till, operators: list[Person]) -> None:
    await running(till, operators)
    cat = await till.customer()
    await paid(till, cat)
    await settle(till)
    assert await till.balance(cat) == (Decimal("98.5"), Decimal(10))


async def test_only_the_first_deposit_and_only_from_the_minimum_on(till: Till, operators: list[Person]) -> None:
    await running(till, operators)
    small, late = await till.customer(), await till.customer()
    await paid(till, small, "49.99")
    await paid(till, small, "100")
    assert await bonuses(till, small) == []
    await paid(till, late)
    await paid(till, late)
    assert len(await bonuses(till, late)) == 1


async def test_nobody_in_the_uk_is_given_money_for_investing(till: Till, operators: list[Person]) -> None:
    await running(till, operators)
    cat, ben = await till.customer(), await till.customer()
    deposit = await till.opened(cat, "100")
    await live_in(till.http, cat, "GB")
    await till.deliver_all(await till.pay(deposit))
    await paid(till, ben)
    assert await till.balance(cat) == (Decimal("98.5"), 0)
    assert await bonuses(till, cat) == []
    assert len(await bonuses(till, ben)) == 1


async def test_a_campaign_gives_once_whatever_its_version(till: Till, operators: list[Person]) -> None:
    first = await running(till, operators, first_deposit_only=False)
    cat = await till.customer()
    await paid(till, cat)
    second = await running(till, operators, first_deposit_only=False, code=first["code"], amount="20")
    assert second["version"] == 2
    await paid(till, cat)
    assert [each["amount"] for each in await bonuses(till, cat)] == ["10"]
    states = await till.books(
        "SELECT array_agg(state ORDER BY version) FROM bonus_campaigns WHERE code = $1", first["code"]
    )
    assert states == ["ended", "active"]


async def test_a_share_has_a_cap(till: Till, operators: list[Person]) -> None:
    await running(till, operators, amount=None, percent="10", cap="15")
    little, much = await till.customer(), await till.customer()
    await paid(till, little, "99.99")
    await paid(till, much, "500")
    assert [each["amount"] for each in await bonuses(till, little)] == ["9.99"]
    assert [each["amount"] for each in await bonuses(till, much)] == ["15"]


async def test_money_that_leaves_takes_the_bonus_with_it(till: Till, operators: list[Person]) -> None:
    await running(till, operators)
    cat = await till.customer()
    deposit = await paid(till, cat)
    # As reversals do when a part of it went back to the card.
    await till.books("UPDATE lots SET refunded = 1 WHERE id = $1", UUID(deposit["id"]))
    await settle(till)
    assert await till.balance(cat) == (Decimal("98.5"), 0)
    gone = (await bonuses(till, cat))[0]
    assert (gone["state"], gone["reason"]) == ("forfeited", "the deposit was refunded or disputed")
    await till.books("UPDATE lots SET refunded = 0 WHERE id = $1", UUID(deposit["id"]))


async def test_a_refund_takes_its_deposits_bonus_in_the_same_transaction(till: Till, operators: list[Person]) -> None:
    await running(till, operators, first_deposit_only=False)
    cat, dan = await till.customer(), await till.customer()
    deposit = await paid(till, cat)
    await paid(till, dan)
    refunds = till.brokerage.reversals.refunds
    async with till.brokerage.database.transaction() as connection:
        asked = Wish(
            user_id=UserId(UUID(cat.id)),
            deposit_id=UUID(deposit["id"]),
            amount=Decimal(1),
            origin="customer",
            asked_by=UUID(cat.id),
            reason=None,
        )
        await refunds.ask(connection, asked)
    (gone,) = await bonuses(till, cat)
    assert (gone["state"], gone["reason"]) == ("forfeited", "the deposit was refunded or disputed")
    assert await till.balance(cat) == (Decimal("97.5"), Decimal(1))
    assert [each["state"] for each in await bonuses(till, dan)] == ["earned"]


async def test_a_dispute_takes_its_deposits_bonus_at_once(till: Till, operators: list[Person]) -> None:
    await running(till, operators)
    cat = await till.customer()
    deposit = await paid(till, cat)
    intent = await till.books("SELECT payment_intent FROM deposits WHERE id = $1", UUID(deposit["id"]))
    async with till.brokerage.database.transaction() as connection:
        truth = ProcessorDispute(
            id=f"dp_{intent}",
            status="needs_response",
            reason="fraudulent",
            amount=Decimal(100),
            currency="USD",
            payment_intent=intent,
            charge_id=None,
            withdrawn=Decimal(0),
            reinstated=Decimal(0),
            fee=Decimal(0),
            respond_by=None,
        )
        await till.brokerage.reversals.disputes.apply(connection, truth)
    assert [each["state"] for each in await bonuses(till, cat)] == ["forfeited"]


async def test_everything_open_is_forfeited_at_once_when_told_so(till: Till, operators: list[Person]) -> None:
    await running(till, operators)
    cat = await till.customer()
    await paid(till, cat)
    async with till.brokerage.database.transaction() as connection:
        gone = await till.brokerage.bonuses.money_leaves(connection, UserId(UUID(cat.id)))
    assert len(gone) == 1
    assert await till.balance(cat) == (Decimal("98.5"), 0)


async def test_trading_releases_early(till: Till, operators: list[Person]) -> None:
    await running(till, operators, release_volume="1")
    cat = await till.customer()
    await paid(till, cat)
    await settle(till)
    assert (await bonuses(till, cat))[0]["state"] == "earned"
    buy = Ticket(quantity=Decimal("0.1"), price=Decimal(50)).order(UserId(UUID(cat.id)))
    async with till.brokerage.database.transaction() as connection:
        assert (await place_one(connection, buy)).outcome == "accepted"
        await connection.fetchval("SELECT mark_submitted($1, $2)", buy.id, f"venue-{buy.id}")
        fill = "SELECT settle_fill($1, $2, $3, 0.1, 50, now())"
        assert await connection.fetchval(fill, new_id(), buy.id, f"x-{buy.id}") == "settled"
    await settle(till)
    assert (await bonuses(till, cat))[0]["state"] == "released"


async def test_nothing_gives_before_two_people_have_said_so(till: Till, operators: list[Person]) -> None:
    ann, _ = operators
    drafted = (await office(till, ann, "campaigns", wish())).json()
    cat = await till.customer()
    await paid(till, cat)
    asked = await office(till, ann, f"campaigns/{drafted['id']}/activate", {"reason": "The spring offer"})
    own = await office(till, ann, f"approvals/{asked.json()['id']}/grant")
    assert (own.status_code, own.json()["code"]) == (403, "same_person")
    await paid(till, cat)
    assert await bonuses(till, cat) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": None}, "amount"),
        ({"percent": "5", "cap": "10"}, "amount"),
        ({"amount": None, "percent": "5"}, "percent"),
        ({"amount": None, "percent": "101", "cap": "10"}, "percent"),
        ({"amount": "0.001"}, "amount"),
        ({"amount": "10000.01"}, "amount"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"release_days": None}, "release_days"),
        ({"currency": "BTC"}, "currency"),
        ({"release_volume": "0"}, "release_volume"),
    ],
)
async def test_rules_that_say_nothing_are_refused(
    till: Till, operators: list[Person], changes: dict[str, Any], field: str
) -> None:
    answer = await office(till, operators[0], "campaigns", wish(**changes))
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_the_dates_of_a_campaign_count(till: Till, operators: list[Person]) -> None:
    campaign = await running(till, operators)
    async with till.brokerage.database.read() as connection:
        kept = await till.brokerage.bonuses.campaign(connection, UUID(campaign["id"]))

    def deposit(at: timedelta) -> PaidDeposit:
        moment = kept.rules.starts_at + at
        return PaidDeposit(
            id=new_id(), user_id=UserId(new_id()), currency="USD", amount=Decimal(50), paid_at=moment, first=True
        )

    assert earned_by(deposit(timedelta(0)), [kept]) == [(kept, Decimal(10))]
    assert earned_by(deposit(timedelta(seconds=-1)), [kept]) == []
    assert earned_by(deposit(kept.rules.ends_at - kept.rules.starts_at), [kept]) == []
    assert amount_of(kept.rules, Decimal(1)) == Decimal(10)
