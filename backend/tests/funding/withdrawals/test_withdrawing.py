"""A withdrawal from the request to the bank's statement, and everything that stops it on the way."""

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest

from tests.funding.withdrawals.conftest import Desk
from tests.support.callers import give_key
from tests.support.customers import key_headers

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = Decimal(0)


async def test_money_is_held_with_the_request_and_the_fee_is_told(desk: Desk) -> None:
    ann = await desk.customer(EUR="100")
    account = await desk.account(ann)
    wish = {"asset": "EUR", "amount": "50", "destination": account}
    quote = await desk.ask(ann, "POST", "/api/withdrawals/quote", 200, wish)
    assert (quote["fee"], quote["network_fee"], quote["total"], quote["rail"]) == ("1", "0", "51", "bank")
    asked = await desk.ask(ann, "POST", "/api/withdrawals", 201, wish)
    assert (asked["state"], asked["can_cancel"], asked["held"]) == ("requested", True, "51")
    assert await desk.balance(ann, "EUR") == (Decimal(49), Decimal(51))
    assert "Confirm your withdrawal" in await desk.post.subjects(ann.email)


async def test_a_confirmed_one_waits_for_two_operators_and_leaves_with_the_banks_file(desk: Desk) -> None:
    ann = await desk.customer(EUR="100")
    withdrawal = await desk.approved(ann)
    assert (withdrawal["state"], [step["state"] for step in withdrawal["steps"]]) == (
        "approved",
        ["requested", "screening", "review", "approved"],
    )
    await desk.batch()
    assert (await desk.read(ann, withdrawal))["state"] == "sending"
    assert await desk.balance(ann, "EUR") == (Decimal(49), Decimal(51))


async def test_the_link_works_once(desk: Desk) -> None:
    ann = await desk.customer(EUR="100")
    await desk.confirmed(ann)
    token = await desk.post.token(ann.email)
    again = await desk.ask(None, "POST", "/api/withdrawals/confirm", 409, {"token": token})
    assert again["code"] == "withdrawal_state"
    forged = ("A" if token[0] != "A" else "B") + token[1:]
    for nonsense in (forged, "short", "é" * 64):
        answer = await desk.ask(None, "POST", "/api/withdrawals/confirm", 422, {"token": nonsense})
        assert answer["code"] == "invalid_link"


async def test_one_that_nobody_confirms_expires_and_gives_the_money_back(desk: Desk) -> None:
    ann = await desk.customer(EUR="100")
    asked = await desk.asked(ann)
    await desk.owner("ALTER TABLE withdrawals DISABLE TRIGGER withdrawals_go_forward")
    await desk.owner("UPDATE withdrawals SET expires_at = now() WHERE id = $1", UUID(asked["id"]))
    await desk.owner("ALTER TABLE withdrawals ENABLE ALWAYS TRIGGER withdrawals_go_forward")
    token = await desk.post.token(ann.email)
    late = await desk.ask(None, "POST", "/api/withdrawals/confirm", 409, {"token": token})
    assert late["code"] == "withdrawal_expired"
    await desk.work()
    assert (await desk.read(ann, asked))["state"] == "expired"
    assert await desk.balance(ann, "EUR") == (Decimal(100), NOTHING)


async def test_its_owner_cancels_until_it_is_sent(desk: Desk) -> None:
    ann = await desk.customer(EUR="300")
    early = await desk.asked(ann)
    canceled = await desk.ask(ann, "POST", f"/api/withdrawals/{early['id']}/cancel", 200)
    assert (canceled["state"], canceled["held"]) == ("canceled", "0")
    account = early["destination_id"]
    late = await desk.approved(ann, destination=account)
    await desk.batch()
    refused = await desk.ask(ann, "POST", f"/api/withdrawals/{late['id']}/cancel", 409)
    assert refused["code"] == "withdrawal_state"
    assert await desk.balance(ann, "EUR") == (Decimal(249), Decimal(51))


@pytest.mark.parametrize("amount", ["0", "-5", "0.001", "9.99", "10.001", "100001"])
async def test_amounts_out_of_bounds_move_nothing(desk: Desk, amount: str) -> None:
    ann = await desk.customer(EUR="100")
    account = await desk.account(ann)
    wish = {"asset": "EUR", "amount": amount, "destination": account}
    problem = await desk.ask(ann, "POST", "/api/withdrawals", 422, wish)
    assert problem["code"] == "withdrawal_amount"
    assert problem["field"] == "amount"
    assert problem["details"]["limit"]
    assert await desk.balance(ann, "EUR") == (Decimal(100), NOTHING)


async def test_more_than_there_is_names_what_there_is(desk: Desk) -> None:
    ann = await desk.customer(EUR="100")
    account = await desk.account(ann)
    wish = {"asset": "EUR", "amount": "99.50", "destination": account}
    problem = await desk.ask(ann, "POST", "/api/withdrawals", 409, wish)
    assert problem["code"] == "insufficient_funds"
    assert problem["details"] == {"needed": "100.5", "available": "100", "currency": "EUR"}


async def test_a_higher_fee_than_was_shown_is_refused(desk: Desk) -> None:
    ann = await desk.customer(EUR="100")
    account = await desk.account(ann)
    wish = {"asset": "EUR", "amount": "50", "destination": account, "fee_max": "0.99"}
    problem = await desk.ask(ann, "POST", "/api/withdrawals", 409, wish)
    assert (problem["code"], problem["details"]["fee"]) == ("fee_changed", "1")


async def test_without_verification_a_fresh_factor_or_an_old_enough_destination_nothing_leaves(desk: Desk) -> None:
    wish = {"asset": "EUR", "amount": "50"}
    ann = await desk.customer(EUR="100")
    young = await desk.account(ann, young=True)
    problem = await desk.ask(ann, "POST", "/api/withdrawals", 403, {**wish, "destination": young})
    assert problem["code"] == "destination_too_young"
    nobody = await desk.customer(kyc="none", EUR="100")
    account = await desk.account(nobody)
    problem = await desk.ask(nobody, "POST", "/api/withdrawals", 403, {**wish, "destination": account})
    assert problem["code"] == "kyc_required"
    stale = await desk.customer(EUR="100")
    account = await desk.account(stale)
    await desk.owner(
        "UPDATE user_sessions SET stepped_up_at = now() - interval '6 minutes' WHERE user_id = $1", UUID(stale.id)
    )
    problem = await desk.ask(stale, "POST", "/api/withdrawals", 403, {**wish, "destination": account})
    assert problem["code"] == "second_factor_required"
    without = await desk.customer(fresh=False, EUR="100")
    problem = await desk.ask(without, "POST", "/api/withdrawals", 403, {**wish, "destination": account})
    assert problem["code"] == "second_factor_missing"
    for person in (ann, nobody, stale, without):
        assert await desk.balance(person, "EUR") == (Decimal(100), NOTHING)


async def test_an_api_key_never_withdraws(desk: Desk) -> None:
    ann = await desk.customer(EUR="100")
    account = await desk.account(ann)
    key = key_headers(*await give_key(desk.app, ann, "read", "trade"))
    wish = {"asset": "EUR", "amount": "50", "destination": account}
    answer = await desk.http.post("/api/withdrawals", json=wish, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


async def test_somebody_elses_account_is_no_destination(desk: Desk) -> None:
    ann, bob = await desk.customer(EUR="100"), await desk.customer(EUR="100")
    account = await desk.account(ann)
    wish = {"asset": "EUR", "amount": "50", "destination": account}
    assert (await desk.ask(bob, "POST", "/api/withdrawals", 404, wish))["code"] == "destination_not_found"
    asked = await desk.asked(ann, destination=account)
    await desk.ask(bob, "GET", f"/api/withdrawals/{asked['id']}", 404)
    await desk.ask(bob, "POST", f"/api/withdrawals/{asked['id']}/cancel", 404)
    assert (await desk.ask(bob, "GET", "/api/withdrawals", 200))["items"] == []


async def test_a_stop_holds_withdrawals_up(desk: Desk) -> None:
    ann = await desk.customer(EUR="200")
    account = await desk.account(ann)
    approved = await desk.approved(ann, destination=account)
    stops = desk.brokerage.stops
    async with desk.brokerage.database.transaction() as connection:
        stop = await stops.stop(connection, product="bank_withdrawal", asset="EUR", reason="A break in the books.")
    wish = {"asset": "EUR", "amount": "50", "destination": account}
    assert (await desk.ask(ann, "POST", "/api/withdrawals", 409, wish))["code"] == "stopped"
    clerk, boss = await desk.two_of_finance()
    approval = await desk.admin(clerk, "POST", "/api/admin/payouts", 202, {"currency": "EUR", "reason": "Bank day."})
    refused = await desk.admin(boss, "POST", f"/api/admin/approvals/{approval['id']}/grant", 409)
    assert refused["code"] == "stopped"
    assert (await desk.read(ann, approved))["state"] == "approved"
    async with desk.brokerage.database.transaction() as connection:
        await stops.resume_by_house(connection, stop.id, reason="Found it.")
    await desk.admin(boss, "POST", f"/api/admin/approvals/{approval['id']}/grant", 200)
    assert (await desk.read(ann, approved))["state"] == "sending"


async def test_a_hundred_requests_with_one_key_are_one_withdrawal(desk: Desk) -> None:
    ann = await desk.customer(EUR="5200")
    wish = {"asset": "EUR", "amount": "50", "destination": await desk.account(ann)}
    answers = await asyncio.gather(
        *(desk.send(ann, "POST", "/api/withdrawals", wish, key="just-once-and-no-more") for _ in range(100))
    )
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert {answer.status_code for answer in answers} <= {201, 409, 503}
    assert len(made) == 1
    assert await desk.balance(ann, "EUR") == (Decimal(5149), Decimal(51))
    print(f"withdrawals: 100 requests with one key, {len(made)} effect")


async def test_a_hundred_requests_for_the_money_of_one_are_one_withdrawal(desk: Desk) -> None:
    ann = await desk.customer(EUR="60")
    wish = {"asset": "EUR", "amount": "50", "destination": await desk.account(ann)}
    answers = await asyncio.gather(
        *(desk.send(ann, "POST", "/api/withdrawals", wish, key=f"key-number-{number:03}") for number in range(100))
    )
    made = [answer for answer in answers if answer.status_code == 201]
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} <= {
        "insufficient_funds",
        "limit_exceeded",
        "unavailable",
    }
    assert len(made) == 1
    assert await desk.balance(ann, "EUR") == (Decimal(9), Decimal(51))
    print(f"withdrawals: 100 requests for one's money, {len(made)} effect")
