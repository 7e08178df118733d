"""The brokerage's adapter against the processor: every promise of funding's port, with the processor at its worst."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from bitcurrent.funding.ports import (
    BalanceLine,
    Checkout,
    ForgedEvent,
    NotConfigured,
    NotSent,
    OutcomeUnknown,
    Payment,
    ProcessorDispute,
    ProcessorRefund,
    RefusedOutside,
)
from bitcurrent.integrations.stripe.adapter import StripeProcessor
from bitcurrent.integrations.stripe.client import StripeCalls
from tests.contract.stripe.conftest import Stripe

EXPIRES = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)


@pytest.fixture
async def adapter(processor: Stripe) -> AsyncIterator[StripeProcessor]:
    sandbox = processor.sandbox
    calls = StripeCalls(api_key=sandbox.stripe_key, url=sandbox.stripe_url, read_seconds=2.0, pause_seconds_max=0.1)
    yield StripeProcessor(calls, webhook_secret=sandbox.stripe_webhook_secret)
    await calls.close()


async def opened(
    adapter: StripeProcessor, deposit_id: UUID | None = None, amount: str = "100.00", **more: Any
) -> Checkout:
    wish: dict[str, Any] = {
        "deposit_id": deposit_id or uuid4(),
        "amount": Decimal(amount),
        "currency": "USD",
        "description": "Deposit",
        "email": "ann@example.org",
        "success_url": "https://bitcurrent.test/done",
        "cancel_url": "https://bitcurrent.test/back",
        "expires_at": EXPIRES,
    }
    return await adapter.open_checkout(**wish | more)


async def test_a_deposit_from_the_page_to_the_balance(processor: Stripe, adapter: StripeProcessor) -> None:
    deposit_id = uuid4()
    page = await opened(adapter, deposit_id)
    assert (page.status, page.payment_status, page.amount, page.currency) == ("open", "unpaid", Decimal(100), "USD")
    assert (page.reference, page.expires_at, page.payment_intent) == (str(deposit_id), EXPIRES, None)
    processor.control("pay", session=page.id, card="4000002500003155")
    paid = await adapter.read_checkout(page.id)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.payment_intent
    payment = await adapter.read_payment(paid.payment_intent)
    assert (payment.status, payment.amount_received, payment.currency) == ("succeeded", Decimal(100), "USD")
    assert payment.card
    assert (payment.card.brand, payment.card.last4, payment.card.country) == ("visa", "3155", "US")
    assert (payment.card.authenticated, payment.card.risk_level) == (True, "normal")
    (line,), more = await adapter.balance_lines(since=datetime.now(UTC) - timedelta(minutes=5))
    assert (line.kind, line.amount, line.fee, line.net) == ("charge", Decimal(100), Decimal("3.2"), Decimal("96.8"))
    assert (line.source, more) == (payment.charge_id, False)
    assert await adapter.balances() == {"USD": Decimal("96.8")}


async def test_a_declined_payment_says_why(processor: Stripe, adapter: StripeProcessor) -> None:
    page = await opened(adapter)
    processor.control("pay", session=page.id, card="4000000000009995")
    tried = await adapter.read_checkout(page.id)
    assert (tried.status, tried.payment_status) == ("open", "unpaid")
    assert tried.payment_intent
    payment = await adapter.read_payment(tried.payment_intent)
    assert (payment.status, payment.failure_code) == ("requires_payment_method", "insufficient_funds")
    assert payment.amount_received == 0


async def test_the_same_deposit_opens_one_page(processor: Stripe, adapter: StripeProcessor) -> None:
    deposit_id = uuid4()
    pages = {(await opened(adapter, deposit_id)).id for _ in range(3)}
    assert len(pages) == 1
    with pytest.raises(OutcomeUnknown):
        await opened(adapter, deposit_id, amount="100.01")
    assert processor.sandbox.stripe_state()["counts"]["checkout.session"] == 1


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut_after", "error_before", "error_after"])
async def test_a_bad_line_opens_one_page(processor: Stripe, adapter: StripeProcessor, kind: str) -> None:
    processor.control("faults", kind=kind, method="POST", status=503)
    await opened(adapter)
    assert processor.sandbox.stripe_state()["counts"]["checkout.session"] == 1


async def test_an_answer_that_never_comes_is_unknown_and_found_later(
    processor: Stripe, adapter: StripeProcessor
) -> None:
    deposit_id = uuid4()
    processor.control("faults", kind="drop_after", method="POST", count=3)
    with pytest.raises(OutcomeUnknown):
        await opened(adapter, deposit_id)
    assert processor.sandbox.stripe_state()["counts"]["checkout.session"] == 1
    again = await opened(adapter, deposit_id)
    assert again.reference == str(deposit_id)
    assert processor.sandbox.stripe_state()["counts"]["checkout.session"] == 1


async def test_too_many_requests_means_that_nothing_was_done(processor: Stripe, adapter: StripeProcessor) -> None:
    processor.control("faults", kind="error_before", method="POST", status=429)
    with pytest.raises(NotSent):
        await opened(adapter)
    assert processor.sandbox.stripe_state()["counts"]["checkout.session"] == 0


async def test_what_stripe_refuses_is_refused_for_good(processor: Stripe, adapter: StripeProcessor) -> None:
    with pytest.raises(RefusedOutside) as refused:
        await opened(adapter, amount="0.10")
    assert refused.value.code == "amount_too_small"
    with pytest.raises(RefusedOutside) as missing:
        await adapter.read_checkout("cs_test_nobody")
    assert missing.value.code == "resource_missing"


@pytest.mark.parametrize("amount", ["1.005", "0", "-5", "1000000.00"])
async def test_what_a_currency_cannot_hold_never_leaves(
    processor: Stripe, adapter: StripeProcessor, amount: str
) -> None:
    with pytest.raises(ValueError, match="no amount"):
        await opened(adapter, amount=amount)
    assert processor.sandbox.stripe_state()["counts"]["checkout.session"] == 0


async def test_ending_a_page_gives_it_as_it_ended(processor: Stripe, adapter: StripeProcessor) -> None:
    page = await opened(adapter)
    assert (await adapter.expire_checkout(page.id)).status == "expired"
    assert (await adapter.expire_checkout(page.id)).status == "expired"
    other = await opened(adapter)
    processor.control("pay", session=other.id)
    ended = await adapter.expire_checkout(other.id)
    assert (ended.status, ended.payment_status) == ("complete", "paid")


async def test_a_refund_is_found_by_our_id(processor: Stripe, adapter: StripeProcessor) -> None:
    payment, refund_id = processor.paid(10_000), uuid4()
    assert await adapter.find_refund(refund_id=refund_id, payment_intent=payment) is None
    made = await adapter.refund(refund_id=refund_id, payment_intent=payment, amount=Decimal(30), currency="USD")
    assert (made.status, made.amount, made.our_id, made.payment_intent) == (
        "succeeded",
        Decimal(30),
        refund_id,
        payment,
    )
    again = await adapter.refund(refund_id=refund_id, payment_intent=payment, amount=Decimal(30), currency="USD")
    assert again == made == await adapter.find_refund(refund_id=refund_id, payment_intent=payment)
    theirs = processor.control("refund", payment_intent=payment, amount=100)
    assert (await adapter.read_refund(theirs["id"])).our_id is None
    assert processor.charge(payment).amount_refunded == 3_100


async def test_a_refund_that_was_answered_with_500_and_done_is_found(
    processor: Stripe, adapter: StripeProcessor
) -> None:
    """Stripe keeps a 5xx under its key: asking again says 500 for ever, looking for it tells the truth."""
    payment, refund_id = processor.paid(10_000), uuid4()
    processor.control("settings", keep_failures=True)
    processor.control("faults", kind="error_after", method="POST", path="/v1/refunds", status=500)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await adapter.refund(refund_id=refund_id, payment_intent=payment, amount=Decimal(10), currency="USD")
    found = await adapter.find_refund(refund_id=refund_id, payment_intent=payment)
    assert found
    assert found.status == "succeeded"
    assert processor.charge(payment).amount_refunded == 1_000


async def test_a_refund_beyond_what_is_left_is_refused(processor: Stripe, adapter: StripeProcessor) -> None:
    payment = processor.paid(1_000)
    with pytest.raises(RefusedOutside, match="greater than unrefunded"):
        await adapter.refund(refund_id=uuid4(), payment_intent=payment, amount=Decimal("10.01"), currency="USD")


async def test_a_refund_among_hundreds_is_found(processor: Stripe, adapter: StripeProcessor) -> None:
    payment, refund_id = processor.paid(100_000), uuid4()
    await adapter.refund(refund_id=refund_id, payment_intent=payment, amount=Decimal(1), currency="USD")
    for _ in range(120):
        processor.control("refund", payment_intent=payment, amount=1)
    found = await adapter.find_refund(refund_id=refund_id, payment_intent=payment)
    assert found
    assert found.our_id == refund_id


async def test_a_dispute_tells_what_it_took_and_gave_back(processor: Stripe, adapter: StripeProcessor) -> None:
    payment = processor.paid(10_000)
    dispute_id = processor.control("dispute", payment_intent=payment)["id"]
    taken = await adapter.read_dispute(dispute_id)
    assert (taken.status, taken.payment_intent, taken.amount) == ("needs_response", payment, Decimal(100))
    assert (taken.withdrawn, taken.reinstated, taken.fee) == (Decimal(100), Decimal(0), Decimal(15))
    assert taken.respond_by
    processor.control("dispute/win", dispute=dispute_id)
    won = await adapter.read_dispute(dispute_id)
    assert (won.status, won.withdrawn, won.reinstated, won.fee) == ("won", Decimal(100), Decimal(100), Decimal(15))


async def test_the_balance_is_read_page_by_page(processor: Stripe, adapter: StripeProcessor) -> None:
    for number in range(5):
        processor.paid(1_000 + number)
    since = datetime.now(UTC) - timedelta(minutes=5)
    lines: list[BalanceLine] = []
    more, after = True, None
    while more:
        page, more = await adapter.balance_lines(since=since, after=after, limit=2)
        lines += page
        after = page[-1].id
    assert [line.amount for line in lines] == [Decimal(cents) / 100 for cents in (1004, 1003, 1002, 1001, 1000)]
    assert sum(line.net for line in lines) == (await adapter.balances())["USD"]


async def test_webhooks_are_verified_and_told_in_our_words(processor: Stripe, adapter: StripeProcessor) -> None:
    page = await opened(adapter)
    payment = processor.control("pay", session=page.id)["payment_intent"]
    await adapter.refund(refund_id=uuid4(), payment_intent=payment, amount=Decimal(1), currency="USD")
    processor.control("dispute", payment_intent=payment)
    processor.told("charge.dispute.funds_withdrawn", "refund.created", "checkout.session.completed")
    subjects = {}
    for signature, body in processor.receiver.got:
        event = adapter.verified_event(body=body, signature=signature, now=datetime.now(UTC))
        assert adapter.event_in(body) == event
        subjects[event.type] = adapter.subject(event)
        if event.type == "checkout.session.completed":
            assert adapter.checkout_in(event).payment_status == "paid"
        else:
            with pytest.raises(ForgedEvent):
                adapter.checkout_in(event)
    kinds = {
        "checkout.session.completed": Checkout,
        "payment_intent.succeeded": Payment,
        "charge.succeeded": Payment,
        "refund.created": ProcessorRefund,
        "charge.dispute.created": ProcessorDispute,
    }
    assert {name: type(subjects[name]) for name in kinds} == kinds
    charged = subjects["charge.succeeded"]
    assert isinstance(charged, Payment)
    assert (charged.id, charged.card and charged.card.last4) == (payment, "4242")


async def test_an_event_that_lacks_what_it_should_have_has_no_subject(
    processor: Stripe, adapter: StripeProcessor
) -> None:
    body = b'{"id":"evt_1","object":"event","type":"refund.created","created":1,"data":{"object":{"object":"refund"}}}'
    at = int(datetime.now(UTC).timestamp())
    secret = processor.sandbox.stripe_webhook_secret.encode()
    shown = hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()
    event = adapter.verified_event(body=body, signature=f"t={at},v1={shown}", now=datetime.now(UTC))
    assert adapter.subject(event) is None


async def test_a_hundred_refunds_at_once_under_one_id_are_one(processor: Stripe, adapter: StripeProcessor) -> None:
    payment, refund_id = processor.paid(10_000), uuid4()

    async def once() -> ProcessorRefund | Exception:
        try:
            return await adapter.refund(refund_id=refund_id, payment_intent=payment, amount=Decimal(1), currency="USD")
        except OutcomeUnknown as error:
            return error

    answers = await asyncio.gather(*(once() for _ in range(100)))
    assert len({answer.id for answer in answers if isinstance(answer, ProcessorRefund)}) == 1
    assert processor.charge(payment).amount_refunded == 100


async def test_without_an_account_nothing_is_done() -> None:
    nobody = StripeProcessor(None, webhook_secret="")
    assert not nobody.configured
    with pytest.raises(NotConfigured, match="BITCURRENT_STRIPE_API_KEY"):
        await opened(nobody)
    with pytest.raises(NotConfigured, match="BITCURRENT_STRIPE_WEBHOOK_SECRET"):
        nobody.verified_event(body=b"{}", signature="", now=datetime.now(UTC))
