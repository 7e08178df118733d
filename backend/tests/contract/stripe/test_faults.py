"""What goes wrong on the way, and a processor that is killed: nothing that was acknowledged is forgotten."""

import signal
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.contract.stripe.conftest import Stripe, client_of
from tests.support.sandbox import HTTP, start_sandbox


def refund(processor: Stripe, payment: str, key: str) -> Any:
    return processor.v1.refunds.create({"payment_intent": payment, "amount": 1_000}, {"idempotency_key": key})


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "drop_before", "error_before"])
def test_the_sdk_repeats_under_the_same_key_and_it_happens_once(processor: Stripe, kind: str) -> None:
    payment = processor.paid()
    processor.control("faults", kind=kind, method="POST", path="/v1/refunds", status=503)
    assert refund(processor, payment, f"k-{kind}").amount == 1_000
    assert processor.charge(payment).amount_refunded == 1_000


def test_a_failure_that_is_kept_is_answered_again_though_it_was_done(processor: Stripe) -> None:
    payment = processor.paid()
    processor.control("settings", keep_failures=True)
    processor.control("faults", kind="error_after", method="POST", path="/v1/refunds", status=500)
    with pytest.raises(stripe.APIError):
        refund(processor, payment, "kept")
    assert processor.charge(payment).amount_refunded == 1_000


def test_a_429_is_stripes_own(processor: Stripe) -> None:
    processor.control("faults", kind="error_before", status=429)
    with pytest.raises(stripe.RateLimitError):
        processor.v1.balance.retrieve()


def test_orders_from_another_origin_are_refused(processor: Stripe) -> None:
    url = f"{processor.sandbox.url}/sandbox/control/stripe/reset"
    assert HTTP.post(url, json={}, headers={"Origin": "https://evil.test"}).status_code == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("settings", {"available_seconds": -1}),
        ("settings", {"colour": 1}),
        ("faults", {"kind": "reject_order"}),
        ("dispute", {"payment_intent": "pi_nobody"}),
        ("dispute", {"reason": "boredom"}),
        ("refund", {"amount": "ten"}),
        ("replay", {"times": 0}),
        ("webhooks", {"url": 1}),
        ("pay", {"session": "cs_nobody"}),
    ],
)
def test_orders_that_make_no_sense_are_refused(processor: Stripe, path: str, body: dict[str, object]) -> None:
    answer = HTTP.post(f"{processor.sandbox.url}/sandbox/control/stripe/{path}", json=body)
    assert answer.status_code in (400, 404, 422)
    assert answer.json()["message"]


def test_a_killed_processor_forgets_nothing(tmp_path: Path) -> None:
    with start_sandbox("--still", "--stripe-webhooks", "http://127.0.0.1:9/nobody", data=tmp_path) as first:
        client = client_of(first)
        price: Any = {"currency": "usd", "unit_amount": 5_000, "product_data": {"name": "Deposit"}}
        session = client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "success_url": "https://shop.test/",
                "line_items": [{"quantity": 1, "price_data": price}],
            },
            {"idempotency_key": "deposit:1"},
        )
        payment = first.pay(session.id)["payment_intent"]
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(timeout=5)
    with start_sandbox("--still", data=tmp_path) as second:
        client = client_of(second)
        assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
        refund = client.v1.refunds.create({"payment_intent": payment}, {"idempotency_key": "refund:1"})
        assert client.v1.refunds.create({"payment_intent": payment}, {"idempotency_key": "refund:1"}).id == refund.id
        assert second.stripe_state()["deliveries"]["waiting"] >= 4
