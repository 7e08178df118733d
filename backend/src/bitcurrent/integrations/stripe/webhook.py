"""Webhooks of Stripe: what is signed is the raw body with the moment of sending (HMAC-SHA256, header Stripe-Signature).

Source: docs.stripe.com/webhooks/signature. The SDK's own check lets a moment in the future pass; this one does not.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from bitcurrent.funding.ports import ForgedEvent, ProcessorEvent, StaleEvent

TOLERANCE_SECONDS = 300
SKEW_SECONDS = 30
"""How far ahead of ours Stripe's clock may be."""
HEADER_MAX = 4_096
SIGNATURES_MAX = 16
_EPOCH_MAX = 253_402_300_799  # the last second of the year 9999


def verified_event(*, body: bytes, signature: str, secret: str, now: datetime) -> ProcessorEvent:
    """The event of a webhook whose signature fits. While a secret is rolled the header carries several signatures.

    Raises ForgedEvent, StaleEvent.
    """
    at, shown = _parts(signature)
    expected = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest().encode()
    # Every one is compared, in constant time: the time taken tells nothing about them.
    if not sum(hmac.compare_digest(expected, each) for each in shown):
        raise ForgedEvent("no signature fits the body")
    age = now.timestamp() - at
    if age > TOLERANCE_SECONDS:
        raise StaleEvent(f"signed more than {TOLERANCE_SECONDS} s ago")
    if age < -SKEW_SECONDS:
        raise StaleEvent(f"signed more than {SKEW_SECONDS} s in the future")
    return read_event(body)


def read_event(body: bytes) -> ProcessorEvent:
    """The event in a body whose signature has been seen to fit. Raises ForgedEvent for what is no event."""
    try:
        event = json.loads(body, parse_float=Decimal, parse_constant=_no_number)
        if event["object"] != "event" or not isinstance(event["data"]["object"], dict):
            raise ValueError("not an event")
        return ProcessorEvent(
            id=_text(event["id"]),
            type=_text(event["type"]),
            created_at=datetime.fromtimestamp(int(event["created"]), UTC),
            object=event["data"]["object"],
            raw=body,
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ForgedEvent("the body is no event") from error


def _parts(header: str) -> tuple[int, list[bytes]]:
    """The moment (t=) and the signatures (v1=) of a header; others (v0=) are of no interest."""
    if not 0 < len(header) <= HEADER_MAX:
        raise ForgedEvent("the signature is missing or too long")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in pairs if name == "t"]
    shown = [value.encode("utf-8", "replace") for name, _, value in pairs if name == "v1"][:SIGNATURES_MAX]
    if len(moments) != 1 or not shown or not (moments[0].isascii() and moments[0].isdigit() and len(moments[0]) <= 12):
        raise ForgedEvent("the signature cannot be read")
    at = int(moments[0])
    if at > _EPOCH_MAX:
        raise StaleEvent("signed in a far future")
    return at, shown


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise ValueError("not a name")
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")
