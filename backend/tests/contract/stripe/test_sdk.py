"""Stripe's own SDK, unmodified, finds in the sandbox what it finds at Stripe."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.contract.stripe.conftest import Stripe

FIELDS: dict[str, list[str]] = json.loads(Path(__file__).with_name("fields.json").read_text())
"""The fields that Stripe's published examples of these objects have."""


def has_every_field(found: Any, name: str) -> None:
    shown = found.to_dict() if hasattr(found, "to_dict") else found
    assert not set(FIELDS[name]) - set(shown), f"{name} lacks {sorted(set(FIELDS[name]) - set(shown))}"
    assert not [field for field in shown if field.startswith("_")]


def test_a_session_opens_with_what_was_asked_for(processor: Stripe) -> None:
    session = processor.session(client_reference_id="d-1", metadata={"deposit_id": "d-1"}, customer_email="a@b.test")
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (session.amount_total, session.currency, session.client_reference_id) == (10_000, "usd", "d-1")
    assert session.metadata["deposit_id"] == "d-1"
    assert session.url.startswith(processor.sandbox.url)
    assert session.ui_mode == "hosted_page"
    assert abs(session.expires_at - time.time() - 86_400) < 60
    has_every_field(session, "checkout.session")


def test_a_paid_session_leads_to_payment_charge_and_balance(processor: Stripe) -> None:
    payment_intent = processor.paid(10_000)
    intent = processor.v1.payment_intents.retrieve(
        payment_intent, {"expand": ["latest_charge", "latest_charge.balance_transaction"]}
    )
    charge = intent.latest_charge
    assert (intent.status, intent.amount_received, charge.paid, charge.captured) == ("succeeded", 10_000, True, True)
    line = charge.balance_transaction
    # 2.9% and 30 cents.
    assert (line.type, line.amount, line.fee, line.net, line.status) == ("charge", 10_000, 320, 9_680, "pending")
    assert line.source == charge.id
    for found, name in ((intent, "payment_intent"), (charge, "charge"), (line, "balance_transaction")):
        has_every_field(found, name)
    has_every_field(charge.outcome, "charge.outcome")
    has_every_field(charge.payment_method_details.card, "charge.card")
    balance = processor.v1.balance.retrieve()
    assert (balance.available[0].amount, balance.pending[0].amount) == (0, 9_680)
    has_every_field(balance, "balance")


@pytest.mark.parametrize(("card", "country", "fee"), [("4000008260000000", "GB", 470), ("5555555555554444", "US", 320)])
def test_a_foreign_card_costs_more(processor: Stripe, card: str, country: str, fee: int) -> None:
    payment = processor.paid(10_000, card=card)
    charge = processor.charge(payment)
    assert charge.payment_method_details.card.country == country
    lines = processor.v1.balance_transactions.list({"source": charge.id})
    assert [line.fee for line in lines.data] == [fee]


def test_the_same_card_has_the_same_fingerprint_and_others_another(processor: Stripe) -> None:
    prints = [
        processor.charge(processor.paid(1_000, card=card)).to_dict()["payment_method_details"]["card"]["fingerprint"]
        for card in ("4242424242424242", "4242424242424242", "5555555555554444")
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("4000000000000002", "card_declined", "generic_decline"),
        ("4000000000009995", "card_declined", "insufficient_funds"),
        ("4000000000000069", "expired_card", "expired_card"),
        ("4100000000000019", "card_declined", "fraudulent"),
        ("4532015112830366", "card_declined", "test_mode_live_card"),
    ],
)
def test_a_declined_card_leaves_the_session_open_and_says_why(
    processor: Stripe, card: str, code: str, decline: str
) -> None:
    session = processor.session()
    answer = processor.control("pay", session=session.id, card=card)
    assert (answer["outcome"], answer["status"], answer["payment_status"]) == ("declined", "open", "unpaid")
    intent = processor.v1.payment_intents.retrieve(answer["payment_intent"])
    assert intent.status == "requires_payment_method"
    assert (intent.last_payment_error.code, intent.last_payment_error.decline_code) == (code, decline)
    assert processor.control("pay", session=session.id)["payment_status"] == "paid"
    (failed, paid) = processor.v1.charges.list({"payment_intent": intent.id}).data[::-1]
    assert (failed.status, failed.failure_code, paid.status) == ("failed", code, "succeeded")
    assert processor.v1.balance_transactions.list().data[0].amount == 10_000


def test_3d_secure_decides(processor: Stripe) -> None:
    session = processor.session()
    refused = processor.control("pay", session=session.id, card="4000002500003155", authenticate=False)
    assert (refused["outcome"], refused["payment_status"]) == ("declined", "unpaid")
    intent = processor.v1.payment_intents.retrieve(refused["payment_intent"])
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert processor.control("pay", session=session.id, card="4000002500003155")["payment_status"] == "paid"
    card = processor.charge(intent.id).to_dict()["payment_method_details"]["card"]
    assert card["three_d_secure"]["result"] == "authenticated"
    has_every_field(card["three_d_secure"], "charge.card.three_d_secure")


@pytest.mark.parametrize(("debit", "then"), [("succeeds", "paid"), ("fails", "unpaid")])
def test_a_debit_is_complete_and_unpaid_until_the_bank_has_answered(processor: Stripe, debit: str, then: str) -> None:
    session = processor.session(currency="eur")
    processor.control("pay", session=session.id, debit=debit)
    now = processor.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (now.status, now.payment_status, now.payment_intent.status) == ("complete", "unpaid", "processing")
    processor.control("hurry")
    kind = f"checkout.session.async_payment_{'succeeded' if debit == 'succeeds' else 'failed'}"
    told = processor.told(kind)
    assert [event.data.object["payment_status"] for event in told if event.type == kind] == [then]
    now = processor.v1.checkout.sessions.retrieve(session.id)
    assert (now.status, now.payment_status) == ("complete", then)


def test_a_debit_costs_less_and_its_lines_have_their_own_kinds(processor: Stripe) -> None:
    session = processor.session(20_000)
    payment = processor.control("pay", session=session.id, debit="succeeds")["payment_intent"]
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        processor.v1.refunds.create({"payment_intent": payment})
    processor.control("hurry")
    processor.told("checkout.session.async_payment_succeeded")
    processor.v1.refunds.create({"payment_intent": payment, "amount": 5_000})
    lines = processor.v1.balance_transactions.list().data
    assert [(line.type, line.amount, line.fee) for line in lines] == [
        ("payment_refund", -5_000, 0),
        ("payment", 20_000, 160),
    ]


def test_an_expired_session_takes_no_money(processor: Stripe) -> None:
    session = processor.session()
    expired = processor.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        processor.v1.checkout.sessions.expire(session.id)
    with pytest.raises(AssertionError, match="no longer open"):
        processor.control("pay", session=session.id)
    processor.told("checkout.session.expired")


def test_lists_page_both_ways_and_filter(processor: Stripe) -> None:
    payments = [processor.paid(1_000 + number) for number in range(5)]
    lines = processor.v1.balance_transactions
    first = lines.list({"limit": 2})
    assert first.has_more
    assert [line.amount for line in first.data] == [1_004, 1_003]
    second = lines.list({"limit": 2, "starting_after": first.data[-1].id})
    assert [line.amount for line in second.data] == [1_002, 1_001]
    back = lines.list({"limit": 2, "ending_before": second.data[0].id})
    assert [line.amount for line in back.data] == [1_004, 1_003]
    assert not back.has_more
    assert [line.amount for line in lines.list({"limit": 2}).auto_paging_iter()] == [1_004, 1_003, 1_002, 1_001, 1_000]
    assert lines.list({"created": {"gt": int(time.time()) + 5}}).data == []
    assert len(lines.list({"created": {"gte": int(time.time()) - 60}, "type": "charge"}).data) == 5
    assert [one.id for one in processor.v1.checkout.sessions.list({"payment_intent": payments[0]}).data]
    with pytest.raises(stripe.InvalidRequestError, match="No such balance_transaction"):
        lines.list({"starting_after": "txn_nobody"})


def test_refusals_have_stripes_shape(processor: Stripe) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        processor.v1.checkout.sessions.retrieve("cs_test_nobody")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    assert missing.value.request_id
    for change, code in (
        ({"expires_at": int(time.time()) + 60}, None),
        ({"colour": "blue"}, "parameter_unknown"),
        ({"customer_email": "nobody"}, "email_invalid"),
        ({"mode": "subscription"}, None),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            processor.session(**change)
        assert (refused.value.http_status, refused.value.code) == (400, code)
    with pytest.raises(stripe.InvalidRequestError) as small:
        processor.session(49)
    assert small.value.code == "amount_too_small"
    stranger = stripe.StripeClient("sk_test_somebody", base_addresses={"api": processor.sandbox.stripe_url})
    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.balance.retrieve()


def test_events_can_be_read_back(processor: Stripe) -> None:
    processor.paid()
    events = processor.v1.events.list({"type": "checkout.session.completed"}).data
    assert [event.data.object["payment_status"] for event in events] == ["paid"]
    again = processor.v1.events.retrieve(events[0].id)
    assert again.data.object["id"] == events[0].data.object["id"]
    has_every_field(again, "event")


def test_one_answer_for_one_key(processor: Stripe) -> None:
    payment = processor.paid()
    form = {"payment_intent": payment, "amount": "4000"}
    first = processor.post("/v1/refunds", form, key="refund:1")
    again = processor.post("/v1/refunds", form, key="refund:1")
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert first.headers["request-id"] != again.headers["request-id"]
    other = processor.post("/v1/refunds", form | {"amount": "4001"}, key="refund:1")
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    assert processor.charge(payment).amount_refunded == 4_000


def test_a_key_in_progress_is_a_conflict(processor: Stripe) -> None:
    payment = processor.paid()
    processor.control("faults", kind="delay_before", method="POST", path="/v1/refunds", ms=600)
    answers = []
    late = threading.Thread(
        target=lambda: answers.append(processor.post("/v1/refunds", {"payment_intent": payment}, key="refund:2"))
    )
    late.start()
    time.sleep(0.2)
    conflict = processor.post("/v1/refunds", {"payment_intent": payment}, key="refund:2")
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    late.join()
    assert answers[0].status_code == 200


def test_a_refused_request_leaves_its_key_free(processor: Stripe) -> None:
    payment = processor.paid()
    assert processor.post("/v1/refunds", {"payment_intent": payment, "amount": "20000"}, key="k").status_code == 400
    assert processor.post("/v1/refunds", {"payment_intent": payment, "amount": "10000"}, key="k").status_code == 200


def test_the_version_that_is_asked_for_is_named(processor: Stripe) -> None:
    answer = processor.post("/v1/refunds", {})
    assert answer.headers["stripe-version"] == stripe.api_version
