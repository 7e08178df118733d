"""The hosted pages: what a person sees, types and gets."""

import re
from html import unescape

import httpx
import pytest

from tests.contract.stripe.conftest import Stripe
from tests.support.sandbox import HTTP

CARD = {"number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123", "method": "card"}


def submit(url: str, **values: str) -> httpx.Response:
    return HTTP.post(url, data=CARD | values)


def alert(page: httpx.Response) -> str:
    found = re.search(r'role="alert">([^<]*)<', page.text)
    return unescape(found[1]) if found else ""


def test_the_page_says_what_is_paid_to_whom_and_lists_test_cards(processor: Stripe) -> None:
    url = processor.session(123_456, customer_email="ann@example.org").url
    assert url
    page = HTTP.get(url)
    assert page.status_code == 200
    for words in ("$1,234.56", "BitCurrent", "Deposit", "ann@example.org", "4242 4242 4242 4242", "not real money"):
        assert words.replace("not real", "nothing here is real") in page.text
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    # A browser would not follow the redirect after the form otherwise.
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://shop.test" in policy
    assert page.headers["cache-control"] == "no-store"


def test_choosing_a_test_card_fills_it_in(processor: Stripe) -> None:
    page = HTTP.get(f"{processor.session().url}?card=4000000000009995")
    assert 'value="4000000000009995"' in page.text
    assert 'value="12 / 34"' in page.text


def test_paying_leads_back_to_the_shop(processor: Stripe) -> None:
    session = processor.session()
    assert session.url
    answer = submit(session.url, name="Ann Example", email="ann@example.org")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"https://shop.test/done?session={session.id}"
    now = processor.v1.checkout.sessions.retrieve(session.id)
    assert (now.status, now.payment_status, now.url) == ("complete", "paid", None)
    assert (now.customer_details.email, now.customer_details.name) == ("ann@example.org", "Ann Example")
    # The button again, or the page again, pays nothing more.
    assert submit(session.url).headers["location"] == answer.headers["location"]
    assert HTTP.get(session.url).headers["location"] == answer.headers["location"]
    assert len(processor.v1.charges.list({"payment_intent": now.payment_intent}).data) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"number": "4242 4242 4242 4241"}, "Your card number is incorrect."),
        ({"number": "4242"}, "Your card number is incomplete."),
        ({"expiry": "12 / 20"}, "Your card's expiration date is in the past."),
        ({"expiry": "13 / 34"}, "Your card's expiration date is incomplete: write MM / YY."),
        ({"cvc": "12"}, "Your card's security code has 3 digits."),
        ({"number": "378282246310005", "cvc": "123"}, "Your card's security code has 4 digits."),
    ],
)
def test_what_is_mistyped_is_said_beside_it(processor: Stripe, wrong: dict[str, str], words: str) -> None:
    session = processor.session()
    assert session.url
    page = submit(session.url, **wrong)
    assert (page.status_code, alert(page)) == (422, words)
    assert 'aria-invalid="true"' in page.text
    assert processor.v1.checkout.sessions.retrieve(session.id).payment_intent is None


def test_a_declined_card_can_be_followed_by_another(processor: Stripe) -> None:
    session = processor.session()
    assert session.url
    page = submit(session.url, number="4000000000009995")
    assert (page.status_code, alert(page)) == (402, "Your card has insufficient funds.")
    assert submit(session.url).status_code == 303


def test_a_real_card_is_never_taken(processor: Stripe) -> None:
    session = processor.session()
    assert session.url
    page = submit(session.url, number="4532015112830366")
    assert page.status_code == 402
    assert "non test card" in alert(page)
    (charge,) = processor.v1.charges.list().data
    assert "0366" not in str(charge)


@pytest.mark.parametrize(("answer", "status", "paid"), [("complete", 303, "paid"), ("fail", 402, "unpaid")])
def test_3d_secure_has_a_page_of_its_own(processor: Stripe, answer: str, status: int, paid: str) -> None:
    session = processor.session()
    assert session.url
    first = submit(session.url, number="4000002500003155")
    assert first.status_code == 303
    there = processor.sandbox.url + first.headers["location"]
    assert "Complete authentication" in HTTP.get(there).text
    assert HTTP.post(there, data={"answer": answer}).status_code == status
    assert processor.v1.checkout.sessions.retrieve(session.id).payment_status == paid


def test_a_bank_debit_is_offered_where_it_is_taken(processor: Stripe) -> None:
    with_debit, cards_only = processor.session(), processor.session(payment_method_types=["card"])
    assert with_debit.url
    assert cards_only.url
    assert "debit_succeeds" in HTTP.get(with_debit.url).text
    assert "debit_succeeds" not in HTTP.get(cards_only.url).text
    assert submit(cards_only.url, method="debit_succeeds").status_code == 400
    assert submit(with_debit.url, method="debit_succeeds").status_code == 303


def test_an_expired_page_says_so(processor: Stripe) -> None:
    session = processor.session()
    assert session.url
    processor.v1.checkout.sessions.expire(session.id)
    page = HTTP.get(session.url)
    assert page.status_code == 410
    assert "has expired" in page.text
    assert "https://shop.test/back" in page.text
    assert submit(session.url).status_code == 410
    assert HTTP.get(f"{session.url}x").status_code == 404


def test_markup_stays_text(processor: Stripe) -> None:
    price = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "<b>Bold</b>"}}
    session = processor.session(line_items=[{"quantity": 1, "price_data": price}])
    assert session.url
    page = submit(session.url, name='"><script>alert(1)</script>', cvc="1")
    assert "<script>" not in page.text
    assert "&lt;b&gt;Bold" in page.text


def test_the_operator_sees_payments_and_what_became_of_them(processor: Stripe) -> None:
    page = HTTP.get(f"{processor.sandbox.url}/sandbox/stripe")
    assert page.status_code == 200
    assert "Sandbox card processor" in page.text
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    payment = processor.paid(10_000)
    processor.control("refund", payment_intent=payment, amount=1_000)
    processor.control("dispute", payment_intent=payment)
    processor.control("pay", session=processor.session().id, card="4000000000009995")
    shown = HTTP.get(f"{processor.sandbox.url}/sandbox/control/stripe/payments").json()["payments"]
    assert [(each["status"], each["payment_status"], each["failure"]) for each in shown] == [
        ("open", "unpaid", "insufficient_funds"),
        ("complete", "paid", None),
    ]
    assert [refund["amount"] for refund in shown[1]["refunds"]] == [1_000]
    assert [dispute["status"] for dispute in shown[1]["disputes"]] == ["needs_response"]
