"""Deposits by card through the running application: asked, opened, paid, credited once, whatever the webhooks do."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.cards import Till, altered, signature
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def till(module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> AsyncIterator[Till]:
    await asyncio.to_thread(lambda: sandbox.control("stripe/reset", state=True))
    async with running_api(settings_for(module_database_urls, redis_server.url, sandbox)) as (http, app):
        till = Till(app, http, sandbox)
        yield till
        assert await till.broken_laws() == []


@pytest.fixture(autouse=True)
def _no_faults(sandbox: Sandbox) -> None:
    sandbox.control("stripe/reset")


# ---- the straight way


async def test_a_paid_deposit_is_credited_without_its_fee(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "200.00")
    assert (deposit["fee"], deposit["credited"], deposit["credited"]) == ("3", "197", "197")
    assert "/sandbox/stripe/pay/" in deposit["url"]
    assert await till.balance(ann) == (0, 0)
    await till.deliver_all(await till.pay(deposit))
    paid = await till.read(ann, deposit["id"])
    assert (paid["state"], paid["url"]) == ("paid", None)
    assert await till.balance(ann) == (Decimal(197), 0)
    event = await till.books(
        "SELECT payload FROM events WHERE kind = 'deposit_credited' AND subject = $1", UUID(deposit["id"])
    )
    assert event["balances"] == [{"currency": "USD", "available": "197", "held": "0"}]


async def test_every_currency_is_its_own(till: Till) -> None:
    ann = await till.customer()
    for currency in ("USD", "EUR", "GBP"):
        await till.deliver_all(await till.pay(await till.opened(ann, "100", currency)))
        assert await till.balance(ann, currency) == (Decimal("98.5"), 0)


async def test_the_card_decides_when_money_is_released_and_the_date_only_comes_nearer(till: Till) -> None:
    ann = await till.customer()
    first = await till.opened(ann, "50")
    await till.deliver_all(await till.pay(first))
    careful = await till.books("SELECT release_at - paid_at FROM deposits WHERE id = $1", UUID(first["id"]))
    assert careful.days == 14
    await _turn(till)
    again = await till.opened(ann, "50")
    await till.deliver_all(await till.pay(again, card="4000002500003155"))
    await _turn(till)
    days = await till.books(
        "SELECT array_agg((d.release_at - d.paid_at, l.release_at = d.release_at)::text ORDER BY d.paid_at) "
        "FROM deposits d JOIN lots l ON l.id = d.id WHERE d.user_id = $1",
        UUID(ann.id),
    )
    assert days == ['("7 days",t)', '("3 days",t)']
    card = (await till.read(ann, again["id"]))["card"]
    assert (card["last4"], card["brand"]) == ("3155", "visa")


async def test_a_letter_says_that_money_has_come(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "40")
    await till.deliver_all(await till.pay(deposit))
    await _turn(till)
    await till.keeper().write_letters()
    await till.keeper().write_letters()
    count = await till.books(
        "SELECT count(*) FROM mails WHERE user_id = $1 AND template = 'deposit_credited'", UUID(ann.id)
    )
    assert count == 1


# ---- what is refused before anything happens


@pytest.mark.parametrize(
    ("amount", "currency", "code", "field"),
    [
        ("9.99", "USD", "below_minimum", "amount"),
        ("0", "USD", "below_minimum", "amount"),
        ("-50", "USD", "below_minimum", "amount"),
        ("50.001", "USD", "invalid", "amount"),
        ("1000000", "USD", "above_maximum", "amount"),
        ("50", "CHF", "invalid", "currency"),
        ("50", "usd", "invalid_field", "currency"),
        ("fifty", "USD", "invalid_field", "amount"),
    ],
)
async def test_an_amount_that_cannot_be_is_refused(
    till: Till, amount: str, currency: str, code: str, field: str
) -> None:
    ann = await till.customer()
    answer = await till.ask(ann, amount, currency)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)
    assert await till.books("SELECT count(*) FROM deposits WHERE user_id = $1", UUID(ann.id)) == 0


async def test_nobody_unverified_pays_in(till: Till) -> None:
    answer = await till.ask(await till.customer("none"), "50")
    assert (answer.status_code, answer.json()["code"]) == (403, "kyc_required")
    assert answer.json()["details"] == {"needed": "basic", "reached": "none"}
    assert "Verify your identity" in answer.json()["detail"]


async def test_the_limit_is_named_with_its_value_and_what_is_left(till: Till) -> None:
    ann = await till.customer("basic")
    answer = await till.ask(ann, "900000")
    details = answer.json()["details"]
    assert (answer.status_code, answer.json()["code"]) == (403, "limit_exceeded")
    assert Decimal(details["limit"]) < 900_000
    assert details["left"] == details["limit"]


async def test_requests_at_once_share_one_limit(till: Till) -> None:
    ann = await till.customer("basic")
    terms = (await till.http.get("/api/deposits/terms", headers=ann.bearer)).json()
    dollars = next(each for each in terms["items"] if each["currency"] == "USD")
    day = next(each for each in dollars["limits"] if (each["period"], each["measure"]) == ("day", "worth"))
    most = Decimal(
        min(day["left"], *(each["left"] for each in dollars["limits"] if each["unit"] == "USD"), key=Decimal)
    )
    answers = await asyncio.gather(*(till.ask(ann, str(most)) for _ in range(6)))
    taken = sum(answer.status_code == 201 for answer in answers)
    assert taken * most <= Decimal(day["limit"])
    assert taken == min(5, int(Decimal(day["limit"]) // most))


async def test_five_pages_may_wait_and_no_more(till: Till) -> None:
    ann = await till.customer()
    for _ in range(5):
        await till.opened(ann, "10")
    answer = await till.ask(ann, "10")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_open_deposits")


async def test_terms_tell_what_is_asked(till: Till) -> None:
    ann = await till.customer()
    terms = (await till.http.get("/api/deposits/terms", headers=ann.bearer)).json()
    assert terms["available"] is True
    assert [each["currency"] for each in terms["items"]] == ["USD", "EUR", "GBP"]
    dollars = terms["items"][0]
    assert (dollars["minimum"], dollars["fee_bps"], dollars["release_days"]["first"]) == ("10", "150", 7)


async def test_a_deposit_is_asked_for_once_for_each_key(till: Till) -> None:
    ann = await till.customer()
    key = str(new_id())
    first, second = await till.ask(ann, "30", key=key), await till.ask(ann, "30", key=key)
    assert (first.json(), second.json()["id"]) == (second.json(), first.json()["id"])
    other = await till.ask(ann, "31", key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await till.books("SELECT count(*) FROM deposits WHERE user_id = $1", UUID(ann.id)) == 1


# ---- the webhook's door


@pytest.mark.parametrize("age", [301, -61])
async def test_a_stale_webhook_and_one_from_the_future_are_refused(till: Till, age: int) -> None:
    ann = await till.customer()
    (body,) = await till.pay(await till.opened(ann, "20"))
    old = signature(body, till.sandbox.stripe_webhook_secret, at=time.time() - age)
    answer = await till.deliver(body, old)
    assert (answer.status_code, answer.json()["code"]) == (400, "unproven")
    assert await till.balance(ann) == (0, 0)


@pytest.mark.parametrize("proof", ["", "t=1,v1=00", "nonsense", "t=99999999999999,v1=" + "0" * 64])
async def test_a_forged_webhook_is_refused_and_leaves_nothing(till: Till, proof: str) -> None:
    ann = await till.customer()
    (body,) = await till.pay(await till.opened(ann, "20"))
    before = await till.books("SELECT count(*) FROM processor_events")
    answer = await till.deliver(body, proof)
    assert (answer.status_code, answer.json()["code"]) == (400, "unproven")
    other = await till.deliver(body, signature(body, "whsec_somebody_elses"))
    assert other.status_code == 400
    assert await till.books("SELECT count(*) FROM processor_events") == before
    assert await till.balance(ann) == (0, 0)


async def test_a_body_of_more_than_a_quarter_megabyte_is_refused(till: Till) -> None:
    fits = await till.deliver(b"{" + b" " * 200_000 + b"}", "nonsense")
    assert fits.status_code == 400
    large = await till.deliver(b"x" * 262_145, "nonsense")
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")


async def test_an_event_of_a_kind_that_nobody_needs_is_kept_and_ignored(till: Till) -> None:
    ann = await till.customer()
    (body,) = await till.pay(await till.opened(ann, "20"))
    strange = altered(body, kind="customer.tax_id.created")
    assert (await till.deliver(strange)).json() == {"received": True}
    state = await till.books("SELECT state FROM processor_events ORDER BY received_at DESC LIMIT 1")
    assert state == "ignored"


async def test_bodies_are_kept_encrypted_and_go_after_their_time(till: Till) -> None:
    ann = await till.customer()
    (body,) = await till.pay(await till.opened(ann, "20"))
    named = altered(body, customer_details={"email": "canary@example.test"})
    await till.deliver_all([named])
    kept = await till.books("SELECT body FROM processor_events ORDER BY received_at DESC LIMIT 1")
    assert len(kept) > 100
    assert b"canary" not in kept


# ---- once, whatever comes


async def test_one_payment_told_a_hundred_times_is_credited_once(till: Till) -> None:
    ann = await till.customer()
    (body,) = await till.pay(await till.opened(ann, "100"))
    same = [body] * 50
    others = [altered(body) for _ in range(50)]
    await till.deliver_all(random.Random(7).sample([*same, *others], 100))
    assert await till.balance(ann) == (Decimal("98.5"), 0)
    journals = await till.books(
        "SELECT count(*) FROM journals j JOIN entries e ON e.journal_id = j.id "
        "WHERE j.kind = 'deposit' AND e.user_id = $1",
        UUID(ann.id),
    )
    assert journals == 1


@pytest.mark.parametrize("seed", range(4))
async def test_events_come_in_any_order_and_number(till: Till, seed: int) -> None:
    dice = random.Random(seed)
    people = [await till.customer() for _ in range(6)]
    bodies: list[bytes] = []
    for person in people:
        (paid,) = await till.pay(await till.opened(person, "100"))
        unpaid = altered(paid, payment_status="unpaid", status="complete")
        ended = altered(paid, kind="checkout.session.expired", payment_status="unpaid", status="expired")
        again = altered(paid, kind="checkout.session.async_payment_succeeded")
        bodies += [paid, paid, unpaid, ended, again]
    dice.shuffle(bodies)
    await till.deliver_all(bodies)
    for person in people:
        assert await till.balance(person) == (Decimal("98.5"), 0)


async def test_a_delayed_payment_is_credited_when_it_succeeds(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    await till.deliver_all(await till.pay(deposit, debit="succeeds"))
    assert (await till.read(ann, deposit["id"]))["state"] == "pending"
    assert await till.balance(ann) == (0, 0)
    page = await till.page_of(deposit)
    await asyncio.to_thread(lambda: till.sandbox.control("stripe/hurry"))
    await _until(lambda: _has_kind(till, page, "checkout.session.async_payment_succeeded"))
    await till.deliver_all(await till.events(page))
    assert await till.balance(ann) == (Decimal("98.5"), 0)


async def test_a_delayed_payment_that_fails_ends_the_deposit(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    await till.deliver_all(await till.pay(deposit, debit="fails"))
    page = await till.page_of(deposit)
    await asyncio.to_thread(lambda: till.sandbox.control("stripe/hurry"))
    await _until(lambda: _has_kind(till, page, "checkout.session.async_payment_failed"))
    await till.deliver_all(await till.events(page))
    assert (await till.read(ann, deposit["id"]))["state"] == "failed"
    assert await till.balance(ann) == (0, 0)


async def test_a_declined_card_leaves_the_page_open(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    await till.deliver_all(await till.pay(deposit, card="4000000000000002"))
    assert (await till.read(ann, deposit["id"]))["state"] == "pending"
    await till.deliver_all(await till.pay(deposit))
    assert await till.balance(ann) == (Decimal("98.5"), 0)


# ---- what differs is never credited silently


@pytest.mark.parametrize(
    "lie", [{"amount_total": 9_999}, {"amount_total": 1_000_000}, {"currency": "eur"}, {"payment_intent": None}]
)
async def test_money_that_differs_from_what_was_asked_for_is_flagged(till: Till, lie: dict[str, Any]) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    (body,) = await till.pay(deposit)
    await till.deliver_all([altered(body, **lie)])
    now = await till.read(ann, deposit["id"])
    assert (now["state"], now["needs_support"]) == ("pending", True)
    assert await till.balance(ann) == (0, 0)


async def test_a_second_payment_of_one_deposit_is_flagged(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    (body,) = await till.pay(deposit)
    await till.deliver_all([body])
    await till.deliver_all([altered(body, payment_intent="pi_another")])
    assert await till.balance(ann) == (Decimal("98.5"), 0)
    assert await till.books("SELECT problem FROM deposits WHERE id = $1", UUID(deposit["id"])) == "second_payment"


async def test_a_page_that_is_not_ours_changes_nothing(till: Till) -> None:
    ann = await till.customer()
    (body,) = await till.pay(await till.opened(ann, "100"))
    await till.deliver_all([altered(body, client_reference_id=str(new_id())), altered(body, client_reference_id=None)])
    assert await till.balance(ann) == (0, 0)


# ---- missed webhooks, ends, cancels


async def test_a_missed_webhook_is_healed_by_the_poll(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    await till.pay(deposit)
    await _turn(till)
    assert (await till.read(ann, deposit["id"]))["state"] == "paid"
    assert await till.balance(ann) == (Decimal("98.5"), 0)


async def test_a_canceled_deposit_ends_its_page(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    answer = await till.http.post(f"/api/deposits/{deposit['id']}/cancel", headers=ann.bearer)
    assert (answer.status_code, answer.json()["state"], answer.json()["failure"]) == (200, "expired", "canceled")
    again = await till.http.post(f"/api/deposits/{deposit['id']}/cancel", headers=ann.bearer)
    assert (again.status_code, again.json()["code"]) == (409, "deposit_ended")
    stranger = await till.customer()
    other = await till.http.post(f"/api/deposits/{deposit['id']}/cancel", headers=stranger.bearer)
    assert other.status_code == 404


async def test_who_has_paid_before_the_cancel_has_paid(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    await till.pay(deposit)
    answer = await till.http.post(f"/api/deposits/{deposit['id']}/cancel", headers=ann.bearer)
    assert (answer.status_code, answer.json()["state"]) == (200, "paid")
    assert await till.balance(ann) == (Decimal("98.5"), 0)


async def test_an_abandoned_page_expires(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    await till.abandon(deposit)
    await _turn(till)
    assert (await till.read(ann, deposit["id"]))["state"] == "expired"
    letters = await till.books("SELECT count(*) FROM mails WHERE user_id = $1", UUID(ann.id))
    assert letters == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_an_answer_that_was_lost_is_found_under_the_same_id(till: Till, kind: str) -> None:
    ann = await till.customer()
    await asyncio.to_thread(
        lambda: till.sandbox.control("stripe/faults", kind=kind, count=0, method="POST", path="*checkout*")
    )
    answer = await till.ask(ann, "100")
    assert answer.json()["state"] == "created", answer.text
    assert answer.status_code == 201, answer.text
    await asyncio.to_thread(lambda: till.sandbox.control("stripe/reset"))
    await _turn(till)
    deposit = await till.read(ann, answer.json()["id"])
    assert deposit["state"] == "pending"
    await till.deliver_all(await till.pay(deposit))
    assert await till.balance(ann) == (Decimal("98.5"), 0)


async def test_a_page_that_never_opened_ends_and_late_money_is_credited_all_the_same(till: Till) -> None:
    ann = await till.customer()
    await asyncio.to_thread(
        lambda: till.sandbox.control("stripe/faults", kind="error_before", status=429, count=0, method="POST")
    )
    answer = await till.ask(ann, "100")
    asked = answer.json()
    assert (answer.status_code, asked["state"], asked["url"]) == (201, "created", None)
    await asyncio.to_thread(lambda: till.sandbox.control("stripe/reset"))
    owner = await books.connect(till.brokerage.settings.owner_database_url)
    await owner.execute("UPDATE deposits SET checkout_expires_at = now() WHERE id = $1", UUID(asked["id"]))
    await owner.close()
    await _turn(till)
    assert (await till.read(ann, asked["id"]))["state"] == "expired"
    other = await till.customer()
    (told,) = await till.pay(await till.opened(other, "100"))
    await till.deliver_all([altered(told, client_reference_id=asked["id"], id="cs_late", payment_intent="pi_late")])
    assert (await till.read(ann, asked["id"]))["state"] == "paid"
    assert await till.balance(ann) == (Decimal("98.5"), 0)


async def test_a_deposit_follows_what_is_written_on_its_lot(till: Till) -> None:
    ann = await till.customer()
    deposit = await till.opened(ann, "100")
    await till.deliver_all(await till.pay(deposit))
    change = "UPDATE lots SET refunded = $2, disputed = $3, blocked = $4 WHERE id = $1"
    steps = (
        ("50", "0", False, "paid"),
        ("98.5", "0", False, "refunded"),
        ("0", "0", False, "paid"),
        ("0", "100", True, "disputed"),
        ("0", "100", False, "lost"),
        ("0", "0", False, "won"),
    )
    for refunded, disputed, blocked, state in steps:
        await till.books(change, UUID(deposit["id"]), Decimal(refunded), Decimal(disputed), blocked)
        assert (await till.read(ann, deposit["id"]))["state"] == state


async def _turn(till: Till) -> None:
    """One round of the poll in which everything is due."""
    await till.books("UPDATE deposits SET look_at = now() WHERE look_at IS NOT NULL")
    keeper = till.keeper()
    while await keeper.look_after_due():
        continue


async def _has_kind(till: Till, page: str, kind: str) -> bool:
    return any(f'"{kind}"'.encode() in body for body in await till.events(page))


async def _until(what: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 10
    while not await what():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.05)
