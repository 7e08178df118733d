"""Deposits and the inbox as values: every fact in every state, fees, risks, pauses."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.funding.deposits.model import (
    WAYS,
    Credit,
    Deposit,
    DepositRules,
    DepositState,
    End,
    Flag,
    Nothing,
    Opened,
    judge,
    next_look,
)
from bitcurrent.funding.inbox.model import LONGEST_PAUSE, about, once_each, pause_after
from bitcurrent.funding.ports import Card, Checkout, CheckoutStatus, PaymentStatus, ProcessorEvent
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import UserId, new_id

RULES = DepositRules.parse(
    fee_bps=Decimal(150), minimum=Decimal(10), release_days="normal=3,unauthenticated=7,elevated=14,first=5"
)


def deposit(state: DepositState = DepositState.PENDING, *, page: str | None = "cs_1") -> Deposit:
    """A deposit of 100 USD; one that was paid was paid by pi_1."""
    paid = state.was_paid
    return Deposit(
        id=new_id(), user_id=UserId(new_id()), currency="USD", amount=Decimal(100), fee=Decimal("1.5"),
        worth=Decimal(100), state=state, created_at=now(), updated_at=now(), checkout_id=page, checkout_url=None,
        checkout_expires_at=now(), payment_intent="pi_1" if paid else None, paid_at=now() if paid else None,
        release_at=now() if paid else None, cancel_requested_at=None, failure=None, problem=None, problem_details=None,
        card_fingerprint=None, card_brand=None, card_last4=None, card_country=None, card_authenticated=None,
        risk_level=None, card_read_at=None, looks=0,
    )  # fmt: skip


def page(
    status: CheckoutStatus = "complete",
    payment: PaymentStatus = "paid",
    *,
    amount: str = "100",
    currency: str = "USD",
    intent: str | None = "pi_1",
    page_id: str = "cs_1",
) -> Checkout:
    """What the processor says of a page."""
    return Checkout(
        id=page_id, url="https://pay.test", status=status, payment_status=payment, amount=Decimal(amount),
        currency=currency, payment_intent=intent, reference=None, expires_at=now(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "state", [DepositState.CREATED, DepositState.PENDING, DepositState.EXPIRED, DepositState.FAILED]
)
def test_money_that_came_is_credited_whatever_was_said_before(state: DepositState) -> None:
    assert judge(deposit(state), page()) == Credit("pi_1")


@pytest.mark.parametrize("state", [state for state in DepositState if state.was_paid])
def test_the_same_payment_again_changes_nothing_and_another_is_flagged(state: DepositState) -> None:
    assert judge(deposit(state), page()) == Nothing()
    flagged = judge(deposit(state), page(intent="pi_2"))
    assert isinstance(flagged, Flag)
    assert flagged.problem == "second_payment"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (page(amount="99.99"), "amount_differs"),
        (page(amount="100.01"), "amount_differs"),
        (page(currency="EUR"), "amount_differs"),
        (page(intent=None), "payment_unnamed"),
        (page(page_id="cs_2"), "second_payment"),
    ],
)
def test_what_differs_is_flagged(said: Checkout, problem: str) -> None:
    flagged = judge(deposit(), said)
    assert isinstance(flagged, Flag)
    assert flagged.problem == problem


def test_an_end_counts_only_while_it_is_open() -> None:
    ended = page("expired", "unpaid")
    assert judge(deposit(), ended) == End(DepositState.EXPIRED, "expired")
    canceled = replace(deposit(), cancel_requested_at=now())
    assert judge(canceled, ended) == End(DepositState.EXPIRED, "canceled")
    assert judge(deposit(DepositState.PAID), ended) == Nothing()
    assert judge(deposit(), page("complete", "unpaid"), payment_failed=True) == End(
        DepositState.FAILED, "payment_failed"
    )
    assert judge(deposit(), page("complete", "unpaid")) == Nothing()
    assert judge(deposit(DepositState.CREATED, page=None), page("open", "unpaid")) == Opened()


def test_whatever_is_said_only_money_that_is_paid_is_credited_and_every_step_is_a_way() -> None:
    asked = 0
    for state, status, payment, failed, intent, amount in product(
        DepositState, get_args(CheckoutStatus), get_args(PaymentStatus), (False, True), ("pi_1", "pi_2", None),
        ("100", "99"),
    ):  # fmt: skip
        known = deposit(state)
        verdict = judge(known, page(status, payment, intent=intent, amount=amount), payment_failed=failed)
        asked += 1
        match verdict:
            case Credit(payment_intent=paid_by):
                assert (payment, amount, paid_by) == ("paid", "100", intent)
                assert (state, DepositState.PAID) in WAYS
            case End(state=ended):
                assert payment != "paid"
                assert (state, ended) in WAYS
            case Opened():
                assert (state, DepositState.PENDING) in WAYS
            case _:
                pass
    assert asked == 9 * 3 * 3 * 2 * 3 * 2


@given(st.decimals(min_value=10, max_value=999_999, places=2))
def test_the_fee_is_rounded_up_to_the_cent_and_never_all(amount: Decimal) -> None:
    fee = RULES.fee_of(amount, "USD")
    assert fee == fee.quantize(Decimal("0.01"))
    assert 0 <= fee - amount * Decimal("0.015") < Decimal("0.01")
    assert fee < amount


@pytest.mark.parametrize(
    ("authenticated", "risk", "first", "days"),
    [
        (True, "normal", False, 3),
        (True, None, False, 3),
        (True, "normal", True, 5),
        (False, "normal", False, 7),
        (False, "normal", True, 7),
        (True, "elevated", False, 14),
        (False, "highest", True, 14),
    ],
)
def test_the_longest_of_what_speaks_against_a_card_counts(
    authenticated: bool, risk: str | None, first: bool, days: int
) -> None:
    card = Card(fingerprint="f", brand="visa", last4="4242", country="US", authenticated=authenticated, risk_level=risk)
    assert RULES.hold_of(card, first=first) == timedelta(days=days)
    assert RULES.longest() == timedelta(days=14)


SAYS_TOO_LITTLE = (
    "",
    "normal=3",
    "normal=3,unauthenticated=7,elevated=14",
    "a=1",
    "normal=-1,unauthenticated=7,elevated=1,first=1",
    "normal=3,normal=3,unauthenticated=7,elevated=14,first=5",
    "normal=366,unauthenticated=7,elevated=14,first=5",
)


@pytest.mark.parametrize("text", SAYS_TOO_LITTLE)
def test_release_days_that_say_too_little_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="release days"):
        DepositRules.parse(fee_bps=Decimal(0), minimum=Decimal(1), release_days=text)


def test_looks_grow_to_an_hour() -> None:
    pauses = [next_look(looks) for looks in range(8)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)


def test_pauses_grow_to_an_hour() -> None:
    assert [pause_after(attempts).total_seconds() for attempts in (1, 2, 3)] == [2, 4, 8]
    assert pause_after(100) == LONGEST_PAUSE


def test_each_event_once_and_in_one_order() -> None:
    assert [each.id for each in once_each([_event("b"), _event("a"), _event("b")])] == ["a", "b"]


def test_an_event_is_about_its_object_and_its_payment() -> None:
    assert about(_event("x", id="cs_1", payment_intent="pi_1")) == ("cs_1", "pi_1")
    assert about(_event("x", id="pi_1")) == ("pi_1", "pi_1")
    assert about(_event("x", id=7)) == (None, None)


def _event(event_id: str, **thing: object) -> ProcessorEvent:
    return ProcessorEvent(id=event_id, type="test", created_at=now(), object=thing, raw=b"{}")
