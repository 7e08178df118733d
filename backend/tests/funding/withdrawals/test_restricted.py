"""A customer whose withdrawals are restricted: nothing is asked for, confirmed, sent or carried to the bank."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from bitcurrent.compliance.restrictions import service as restrictions
from bitcurrent.funding.withdrawals.ports import Outcome
from bitcurrent.kernel.ids import UserId
from tests.funding.withdrawals.conftest import Desk
from tests.funding.withdrawals.test_paymaster import Outside, confirmed
from tests.support.customers import Person

OTHER = "DE89370400440532013000"
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def hold(desk: Desk, who: Person) -> UUID:
    async with desk.brokerage.database.transaction() as connection:
        made, _ = await restrictions.restrict(
            connection, user_id=UserId(UUID(who.id)), scope="withdrawals", code="monitoring:test", reason="A test of it"
        )
    return made.id


async def lift(desk: Desk, restriction_id: UUID) -> None:
    async with desk.brokerage.database.transaction() as connection:
        await restrictions.lift(connection, restriction_id, reason="Nothing was in it")


async def test_it_is_refused_when_asked_for_and_when_confirmed_and_goes_on_when_lifted(desk: Desk) -> None:
    ann = await desk.customer(EUR="500")
    asked = await desk.asked(ann)
    held = await hold(desk, ann)
    wish = {"asset": "EUR", "amount": "50", "destination": await desk.account(ann, iban=OTHER)}
    refused = await desk.ask(ann, "POST", "/api/withdrawals", 403, wish)
    assert (refused["code"], refused["details"]["scope"]) == ("restricted", "withdrawals")
    assert "test" not in refused["detail"].lower()
    token = await desk.post.token(ann.email)
    assert (await desk.ask(None, "POST", "/api/withdrawals/confirm", 403, {"token": token}))["code"] == "restricted"
    assert (await desk.read(ann, asked))["state"] == "requested"
    await lift(desk, held)
    confirmed_now = await desk.ask(None, "POST", "/api/withdrawals/confirm", 200, {"token": token})
    assert confirmed_now["state"] == "screening"
    await desk.ask(ann, "POST", f"/api/withdrawals/{asked['id']}/cancel", 200)


async def test_an_approved_one_is_not_sent_and_may_still_be_canceled(desk: Desk) -> None:
    works = await confirmed(desk, Outside(sends=[Outcome(kind="settled")]))
    held = await hold(desk, works.ann)
    await works.round()
    await works.round()
    assert await works.state() == ("approved", None)
    assert works.outside.sent == []
    await lift(desk, held)
    await works.round()
    assert (await works.state())[0] == "settled"
    other = await confirmed(desk, Outside())
    await hold(desk, other.ann)
    await other.round()
    async with desk.brokerage.database.transaction() as connection:
        await other.withdrawals.cancel(connection, UserId(UUID(other.ann.id)), other.id, address="tests")
    assert await other.balance() == (Decimal(2000), Decimal(0))


async def test_a_bank_file_is_made_without_it(desk: Desk) -> None:
    ann, ben = await desk.customer(EUR="500"), await desk.customer(EUR="500")
    waits, goes = await desk.approved(ann), await desk.approved(ben)
    await hold(desk, ann)
    _, batch, _ = await desk.batch()
    assert batch["count"] == 1
    states: list[Any] = [(await desk.read(ann, waits))["state"], (await desk.read(ben, goes))["state"]]
    assert states == ["approved", "sending"]
    assert await desk.broken_laws() == []


async def test_the_event_tells_monitoring_where_it_goes(desk: Desk) -> None:
    ann = await desk.customer(EUR="500")
    await desk.asked(ann, "250")
    async with desk.brokerage.database.read() as connection:
        payload = await connection.fetchval(
            "SELECT payload FROM events WHERE user_id = $1 AND kind = 'withdrawal_requested'", UUID(ann.id)
        )
    assert payload["destination_age_hours"] == "48"
    assert len(bytes.fromhex(payload["destination_mark"])) == 32
    share = Decimal(payload["worth"]) / Decimal(payload["everything"])
    assert share == Decimal("0.5")
