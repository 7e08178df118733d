"""Refunds, disputes and payouts: every step moves the balance by what its balance transaction says, and is told."""

import pytest
import stripe

from tests.contract.stripe.conftest import Stripe
from tests.contract.stripe.test_sdk import has_every_field


def total(processor: Stripe) -> int:
    """What lies there, by the balance; it is the sum of all balance transactions."""
    balance = processor.v1.balance.retrieve()
    lies: int = sum(part.amount for part in (*balance.available, *balance.pending))
    assert lies == sum(line.net for line in processor.v1.balance_transactions.list({"limit": 100}).data)
    return lies


def test_a_refund_in_parts_stops_at_the_whole(processor: Stripe) -> None:
    payment = processor.paid(10_000)
    refund = processor.v1.refunds.create({"payment_intent": payment, "amount": 2_500, "metadata": {"refund_id": "r-1"}})
    assert (refund.status, refund.amount, refund.metadata["refund_id"]) == ("succeeded", 2_500, "r-1")
    has_every_field(refund, "refund")
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        processor.v1.refunds.create({"payment_intent": payment, "amount": 7_501})
    processor.v1.refunds.create({"payment_intent": payment})
    with pytest.raises(stripe.InvalidRequestError) as over:
        processor.v1.refunds.create({"payment_intent": payment, "amount": 1})
    assert over.value.code == "charge_already_refunded"
    charge = processor.charge(payment)
    assert (charge.amount_refunded, charge.refunded) == (10_000, True)
    assert [one.amount for one in processor.v1.refunds.list({"payment_intent": payment}).data] == [7_500, 2_500]
    # The fee of the payment is not given back.
    assert total(processor) == -320
    processor.told("refund.created", "charge.refunded")


def test_a_refund_may_fail_days_later(processor: Stripe) -> None:
    payment = processor.paid(10_000, card="4000000000005126")
    refund = processor.v1.refunds.create({"payment_intent": payment, "amount": 4_000})
    assert refund.status == "succeeded"
    before = total(processor)
    processor.control("hurry")
    processor.told("refund.failed")
    failed = processor.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert total(processor) == before + 4_000
    assert processor.charge(payment).amount_refunded == 0


def test_a_refund_may_be_pending_first(processor: Stripe) -> None:
    refund = processor.v1.refunds.create({"payment_intent": processor.paid(card="4000000000007726")})
    assert refund.status == "pending"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be canceled"):
        processor.v1.refunds.cancel(refund.id)
    processor.control("hurry")
    processor.told("refund.updated")
    assert processor.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_a_refund_made_in_the_dashboard_carries_no_id_of_ours(processor: Stripe) -> None:
    payment = processor.paid()
    made = processor.control("refund", payment_intent=payment, amount=1_000)
    assert (made["metadata"], made["amount"]) == ({}, 1_000)
    events = processor.told("refund.created")
    assert [event.to_dict()["request"]["id"] for event in events if event.type == "refund.created"] == [None]


def test_a_dispute_takes_the_money_and_fifteen_dollars_at_once(processor: Stripe) -> None:
    payment = processor.paid(10_000)
    dispute_id = processor.control("dispute", payment_intent=payment)["id"]
    dispute = processor.v1.disputes.retrieve(dispute_id)
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 10_000)
    assert [(line.amount, line.fee, line.net) for line in dispute.balance_transactions] == [(-10_000, 1_500, -11_500)]
    has_every_field(dispute, "dispute")
    has_every_field(dispute.evidence, "dispute.evidence")
    has_every_field(dispute.evidence_details, "dispute.evidence_details")
    assert total(processor) == 9_680 - 11_500
    with pytest.raises(stripe.InvalidRequestError) as refused:
        processor.v1.refunds.create({"payment_intent": payment})
    assert refused.value.code == "charge_disputed"
    processor.told("charge.dispute.created", "charge.dispute.funds_withdrawn")


def test_a_won_dispute_brings_the_money_back_and_not_the_fee(processor: Stripe) -> None:
    dispute_id = processor.control("dispute", payment_intent=processor.paid(10_000))["id"]
    answered = processor.v1.disputes.update(
        dispute_id, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True}
    )
    assert answered.status == "won"
    assert total(processor) == 9_680 - 1_500
    told = processor.told("charge.dispute.closed", "charge.dispute.funds_reinstated")
    closed = [event.data.object["status"] for event in told if event.type == "charge.dispute.closed"]
    assert closed == ["won"]
    with pytest.raises(AssertionError, match="already closed"):
        processor.control("dispute/lose", dispute=dispute_id)


def test_a_lost_or_accepted_dispute_leaves_it_there(processor: Stripe) -> None:
    first = processor.control("dispute", payment_intent=processor.paid(10_000))["id"]
    assert processor.v1.disputes.close(first).status == "lost"
    second = processor.control("dispute", payment_intent=processor.paid(10_000), reason="duplicate")["id"]
    under_review = processor.v1.disputes.update(second, {"evidence": {"receipt": "file_1"}})
    assert under_review.status == "under_review"
    assert processor.control("dispute/lose", dispute=second)["status"] == "lost"
    assert total(processor) == 2 * (9_680 - 11_500)


def test_an_inquiry_takes_nothing_until_it_becomes_a_chargeback(processor: Stripe) -> None:
    payment = processor.paid(10_000)
    dispute_id = processor.control("dispute", payment_intent=payment, inquiry=True)["id"]
    assert processor.v1.disputes.retrieve(dispute_id).status == "warning_needs_response"
    assert total(processor) == 9_680
    assert processor.control("dispute/escalate", dispute=dispute_id)["status"] == "needs_response"
    assert total(processor) == 9_680 - 11_500


@pytest.mark.parametrize(
    ("card", "kind"),
    [
        ("4000000000000259", "charge.dispute.created"),
        ("4000000000002685", "charge.dispute.created"),
        ("4000000000001976", "charge.dispute.created"),
        ("4000000000005423", "radar.early_fraud_warning.created"),
    ],
)
def test_some_cards_make_trouble_later(processor: Stripe, card: str, kind: str) -> None:
    processor.paid(card=card)
    processor.control("hurry")
    (event,) = [event for event in processor.told(kind) if event.type == kind]
    if kind.startswith("radar"):
        has_every_field(event.data.object, "radar.early_fraud_warning")


def test_only_what_is_available_can_be_paid_out(processor: Stripe) -> None:
    processor.paid(10_000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        processor.v1.payouts.create({"amount": 100, "currency": "usd"})
    assert refused.value.code == "balance_insufficient"
    processor.paid(5_000, card="4000000000000077")
    payout_id = processor.control("payout", currency="usd")["id"]
    payout = processor.v1.payouts.retrieve(payout_id)
    assert (payout.amount, payout.status, payout.automatic) == (5_000 - 175, "in_transit", True)
    has_every_field(payout, "payout")
    lines = processor.v1.balance_transactions.list({"payout": payout_id}).data
    assert [(line.type, line.net) for line in lines] == [("payout", -4_825), ("charge", 4_825)]
    assert total(processor) == 9_680
    processor.control("hurry")
    processor.told("payout.paid")
    assert processor.v1.payouts.retrieve(payout_id).status == "paid"
    assert processor.control("payout/fail", payout=payout_id)["status"] == "failed"
    assert total(processor) == 9_680 + 4_825
    processor.told("payout.failed")


def test_balances_of_currencies_stand_apart(processor: Stripe) -> None:
    processor.paid(10_000, currency="eur", card="4000000000000077")
    processor.paid(2_000, currency="gbp")
    balance = processor.v1.balance.retrieve()
    assert {part.currency: part.amount for part in balance.available} == {"eur": 9_680, "gbp": 0}
    assert {part.currency: part.amount for part in balance.pending} == {"eur": 0, "gbp": 1_912}
