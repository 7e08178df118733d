"""Flagged deposits: two operators credit what came, or give it back; nobody else, and once."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.brokerage import running_api, settings_for
from tests.support.callers import OFFICE, client_from
from tests.support.cards import Till, altered
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
async def finance(till: Till) -> list[Person]:
    return [await operator(till.app, "finance"), await operator(till.app, "finance")]


async def office(till: Till, who: Person, path: str, body: Any = None) -> httpx.Response:
    async with client_from(till.app, OFFICE) as http:
        return await http.post(f"/api/admin/{path}", json=body, headers=who.bearer)


async def differing(till: Till) -> tuple[Person, dict[str, Any], bytes]:
    """A deposit of 100 of which a webhook says another amount; the processor really took 100."""
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    (body,) = await till.pay(deposit)
    lie = altered(body, amount_total=9_000)
    await till.deliver_all([lie])
    return ann, deposit, lie


async def resolve(till: Till, finance: list[Person], deposit: dict[str, Any], outcome: str) -> None:
    """One asks, the other grants."""
    wish = {"outcome": outcome, "reason": "Looked at it at the processor."}
    asked = await office(till, finance[0], f"deposits/{deposit['id']}/resolve", wish)
    assert asked.status_code == 202, asked.text
    own = await office(till, finance[0], f"approvals/{asked.json()['id']}/grant")
    assert (own.status_code, own.json()["code"]) == (403, "same_person")
    granted = await office(till, finance[1], f"approvals/{asked.json()['id']}/grant")
    assert granted.status_code == 200, granted.text


async def test_what_came_is_credited_as_it_came_and_only_once(till: Till, finance: list[Person]) -> None:
    ann, deposit, lie = await differing(till)
    await resolve(till, finance, deposit, "credit")
    assert await till.balance(ann) == (Decimal(100), 0)
    found = await till.read(ann, deposit["id"])
    assert (found["state"], found["needs_support"]) == ("failed", False)
    again = await office(
        till, finance[0], f"deposits/{deposit['id']}/resolve", {"outcome": "credit", "reason": "Again."}
    )
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_resolve")
    # The processor says the same again: people have decided.
    await till.deliver_all([altered(lie, amount_total=9_000)])
    assert await till.balance(ann) == (Decimal(100), 0)
    assert await till.books("SELECT problem FROM deposits WHERE id = $1", UUID(deposit["id"])) is None


async def test_what_came_goes_back_wholly(till: Till, finance: list[Person]) -> None:
    ann, deposit, _ = await differing(till)
    await resolve(till, finance, deposit, "refund")
    assert await till.balance(ann) == (0, Decimal(100))
    refunds = (await till.http.get("/api/refunds", headers=ann.bearer)).json()["items"]
    assert [(each["amount"], each["state"]) for each in refunds] == [("100", "requested")]


async def test_a_second_payment_that_the_processor_does_not_have_is_not_credited(
    till: Till, finance: list[Person]
) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    (body,) = await till.pay(deposit)
    await till.deliver_all([body])
    await till.deliver_all([altered(body, payment_intent="pi_another")])
    wish = {"outcome": "credit", "reason": "Looked at it."}
    refused = await office(till, finance[0], f"deposits/{deposit['id']}/resolve", wish)
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_not_there")
    assert await till.balance(ann) == (Decimal("98.5"), 0)


async def test_only_flagged_deposits_and_only_finance(till: Till, finance: list[Person]) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    wish = {"outcome": "credit", "reason": "Looked at it."}
    answer = await office(till, finance[0], f"deposits/{deposit['id']}/resolve", wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_resolve")
    assert (await office(till, finance[0], f"deposits/{new_id()}/resolve", wish)).status_code == 404
    helper = await operator(till.app, "support")
    assert (await office(till, helper, f"deposits/{deposit['id']}/resolve", wish)).status_code == 403
