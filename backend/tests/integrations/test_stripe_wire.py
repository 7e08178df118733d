"""Amounts to Stripe's smallest units and back without rounding, and objects in our words."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.integrations.stripe import wire


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.34", "USD", 1234), ("0.01", "EUR", 1), ("999999.99", "GBP", 99_999_999), ("12.340000", "USD", 1234),
        ("1E+2", "USD", 10_000), ("500", "JPY", 500), ("1.234", "KWD", 1234),
    ],
)  # fmt: skip
def test_amounts_are_exact(amount: str, currency: str, minor: int) -> None:
    assert wire.to_minor(Decimal(amount), currency) == minor
    assert wire.from_minor(minor, currency) == Decimal(amount)


@pytest.mark.parametrize(
    "amount", ["0", "-1", "0.001", "1.005", "1000000", "NaN", "Infinity", "-Infinity", "sNaN", "1E-18"]
)
def test_dust_and_what_stripe_does_not_take_are_refused(amount: str) -> None:
    with pytest.raises(wire.NotAnAmount):
        wire.to_minor(Decimal(amount), "USD")


@given(st.integers(1, wire.MINOR_MAX), st.sampled_from(["USD", "EUR", "GBP", "JPY", "BHD"]))
def test_there_and_back(minor: int, currency: str) -> None:
    assert wire.to_minor(wire.from_minor(minor, currency), currency) == minor


def dispute(*lines: tuple[int, int]) -> dict[str, Any]:
    return {
        "object": "dispute", "id": "dp_1", "status": "needs_response", "reason": "fraudulent", "amount": 1000,
        "currency": "usd", "payment_intent": "pi_1", "charge": {"id": "ch_1"}, "evidence_details": {"due_by": None},
        "balance_transactions": [{"amount": amount, "fee": fee} for amount, fee in lines],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "withdrawn", "reinstated", "fee"),
    [
        ((), "0", "0", "0"),
        (((-1000, 1500),), "10", "0", "15"),
        (((-1000, 1500), (1000, 0)), "10", "10", "15"),
        # Stripe gives the fee back where it does.
        (((-1000, 1500), (1000, -1500)), "10", "10", "0"),
    ],
)
def test_a_disputes_money_is_the_sum_of_its_lines(
    lines: tuple[tuple[int, int], ...], withdrawn: str, reinstated: str, fee: str
) -> None:
    found = wire.dispute(dispute(*lines))
    assert (found.withdrawn, found.reinstated, found.fee) == (Decimal(withdrawn), Decimal(reinstated), Decimal(fee))
    assert (found.charge_id, found.respond_by) == ("ch_1", None)


def test_a_refund_with_somebody_elses_metadata_is_not_ours() -> None:
    refund = {
        "object": "refund", "id": "re_1", "status": "succeeded", "amount": 5, "currency": "usd", "payment_intent": None,
        "metadata": {"refund_id": "42"},
    }  # fmt: skip
    found = wire.refund(refund)
    assert (found.our_id, found.payment_intent, found.amount) == (None, "", Decimal("0.05"))


def test_available_and_pending_are_added_by_currency() -> None:
    balance = {
        "available": [{"amount": -150, "currency": "usd"}, {"amount": 5, "currency": "eur"}],
        "pending": [{"amount": 200, "currency": "usd"}],
    }
    assert wire.balances(balance) == {"USD": Decimal("0.50"), "EUR": Decimal("0.05")}


@pytest.mark.parametrize("found", [{}, {"object": "plan"}, {"object": None}])
def test_what_nothing_needs_has_no_subject(found: dict[str, Any]) -> None:
    assert wire.subject(found) is None
