"""Which webhooks are believed: signatures over the raw body, moments near now, and nothing else."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.funding.ports import ForgedEvent, StaleEvent
from bitcurrent.integrations.stripe.webhook import verified_event

SECRET = "whsec_test"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BODY = json.dumps(
    {"id": "evt_1", "object": "event", "type": "charge.refunded", "created": 1_795_000_000,
     "data": {"object": {"object": "charge", "id": "ch_1"}}},
    indent=2,
).encode()  # fmt: skip


def signed(body: bytes = BODY, *, secret: str = SECRET, age: int = 0) -> str:
    """By Stripe's own signer."""
    header: str = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, timestamp=int(NOW.timestamp()) - age
    )
    return header


def test_a_signed_event_is_believed() -> None:
    event = verified_event(body=BODY, signature=signed(), secret=SECRET, now=NOW)
    assert (event.id, event.type, event.object["id"], event.raw) == ("evt_1", "charge.refunded", "ch_1", BODY)
    assert event.created_at == datetime.fromtimestamp(1_795_000_000, UTC)


@pytest.mark.parametrize("age", [300, 0, -30])
def test_up_to_five_minutes_old_and_half_a_minute_ahead_is_now(age: int) -> None:
    verified_event(body=BODY, signature=signed(age=age), secret=SECRET, now=NOW)


@pytest.mark.parametrize("age", [301, -31, -86_400, 10**9])
def test_older_or_further_ahead_is_refused(age: int) -> None:
    with pytest.raises(StaleEvent):
        verified_event(body=BODY, signature=signed(age=age), secret=SECRET, now=NOW)


def test_a_moment_beyond_all_calendars_is_refused() -> None:
    at = 999_999_999_999
    shown = hmac.new(SECRET.encode(), b"%d." % at + BODY, hashlib.sha256).hexdigest()
    with pytest.raises(StaleEvent):
        verified_event(body=BODY, signature=f"t={at},v1={shown}", secret=SECRET, now=NOW)


def test_one_of_several_signatures_is_enough_while_a_secret_is_rolled() -> None:
    at, right = signed().split(",")
    wrong = "v1=" + "0" * 64
    for header in (f"{at},{wrong},{right}", f"{at},{right},{wrong},v0={'1' * 64}", f"{at}, {right}"):
        verified_event(body=BODY, signature=header, secret=SECRET, now=NOW)


@pytest.mark.parametrize(
    "header",
    [
        "", "t=1", "v1=abc", "t=,v1=abc", "t=now,v1=abc", "t=-5,v1=abc", "t=1,t=2,v1=abc", "nonsense", "t=1,v0=abc",
        "t=²,v1=a", signed(secret="whsec_other"), signed().replace("v1=", "v1=é"), signed() + "," * 5_000,
        signed().upper(),
    ],
)  # fmt: skip
def test_other_headers_are_forged(header: str) -> None:
    with pytest.raises(ForgedEvent):
        verified_event(body=BODY, signature=header, secret=SECRET, now=NOW)


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_no_byte_of_the_body_may_change(place: int, change: int) -> None:
    other = bytearray(BODY)
    other[place] ^= change
    with pytest.raises(ForgedEvent):
        verified_event(body=bytes(other), signature=signed(), secret=SECRET, now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"{}", b"null", b'"event"', b"not json", b'{"object": "event"}', b'{"id": 1, "object": "event"}',
        b"[" * 100_000, BODY.replace(b'"object": "event"', b'"object": "v2.core.event"'),
        BODY.replace(b'"evt_1"', b'""'), BODY.replace(b"1795000000", b"1e400"), BODY.replace(b"1795000000", b"NaN"),
        BODY.replace(b"1795000000", b"99999999999999999999"),
    ],
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(ForgedEvent):
        verified_event(body=body, signature=signed(body), secret=SECRET, now=NOW)


def test_the_clock_is_the_callers() -> None:
    with pytest.raises(StaleEvent):
        verified_event(body=BODY, signature=signed(), secret=SECRET, now=NOW + timedelta(seconds=301))
