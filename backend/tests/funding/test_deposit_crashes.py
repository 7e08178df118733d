"""The API dies by SIGKILL at every step of a deposit; customer and processor try again, and it is credited once."""

import json
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bitcurrent.kernel.ids import new_id
from tests.chaos.counting import SCALE, SEED
from tests.support.cards import signature
from tests.support.system import Customer, System, in_thread

ASKING = ("deposit.asked", "inside_idempotent_transaction", "after_idempotent_commit", "deposit.opened")
TELLING = ("inbox.before_commit", "deposit.credited", "provenance.received", "inbox.after_commit")
WEBHOOK = "/api/webhooks/stripe"
PATIENCE = 40


POINTS = random.Random(SEED).sample([*ASKING, *TELLING], 3 if SCALE == 1 else len([*ASKING, *TELLING]))
"""Some in `make test`, others each time; `make chaos` takes them all."""


@pytest.fixture(scope="module", autouse=True)
def _told_by_hand(system: System) -> Iterator[None]:
    """What the processor tells by itself, and what the worker would heal, would be a race: it is told by hand here."""
    system.stop("worker")
    system.sandbox.control("stripe/webhooks", url="")
    yield
    system.sandbox.control("stripe/webhooks", url=f"{system.url}{WEBHOOK}")
    system.start("worker")


@pytest.mark.parametrize("label", POINTS)
def test_a_deposit_survives_a_crash_at(system: System, label: str) -> None:
    ann = _verified(system)
    _story.clear()
    try:
        system.kill("api")
        system.start("api", crash_at=label)
        deposit = _until_answered(system, ann)
        page = in_thread(_value(system, "SELECT checkout_id FROM deposits WHERE id = $1::text::uuid", deposit["id"]))
        body = _paid(system, page)
        _until_taken(system, body)
        _until_taken(system, body)
        assert ann.balance("USD") == (Decimal("98.5"), Decimal(0))
        asked = "SELECT count(*) FROM deposits WHERE user_id = $1::text::uuid"
        assert in_thread(_value(system, asked, ann.user_id)) == 1
        assert system.broken_laws() == []
        assert "crashed" in _story, "it never died"
    finally:
        if "crashed" not in _story:
            system.kill("api")
            system.start("api")


_story: list[str] = []


def _verified(system: System) -> Customer:
    ann = system.customer()
    in_thread(_value(system, "UPDATE users SET kyc_level = 'full' WHERE id = $1::text::uuid", ann.user_id))
    assert ann.token
    return ann


async def _value(system: System, statement: str, argument: Any) -> Any:
    async with system.connection() as connection:
        return await connection.fetchval(statement, str(argument))


def _until_answered(system: System, ann: Customer) -> dict[str, Any]:
    """Ask with one key until there is a page to pay on, as a customer's browser does."""
    headers = {"Authorization": f"Bearer {ann.token}", "Idempotency-Key": str(new_id())}
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline, "no page ever opened"
        answer = _ask(system, "/api/deposits", headers=headers, json={"amount": "100", "currency": "USD"})
        if answer is not None and answer.is_success and answer.json()["url"]:
            found: dict[str, Any] = answer.json()
            return found
        time.sleep(0.1)


def _until_taken(system: System, body: bytes) -> None:
    """Tell an event until it is acknowledged, as the processor does."""
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline, "the webhook was never taken"
        proof = signature(body, system.sandbox.stripe_webhook_secret)
        answer = _ask(system, WEBHOOK, headers={"Stripe-Signature": proof}, content=body)
        if answer is not None and answer.status_code == 200:
            return
        time.sleep(0.1)


def _ask(system: System, path: str, **more: Any) -> httpx.Response | None:
    """One request; an API that died under it is started again, without the order to die."""
    try:
        return httpx.post(f"{system.url}{path}", timeout=10, **more)
    except httpx.TransportError:
        if system.processes["api"].poll() is not None:
            _story.append("crashed")
            system.processes.pop("api")
            system.start("api")
        return None


def _paid(system: System, page: str) -> bytes:
    """Pay on the page; the event of it as the processor sends it."""
    system.sandbox.pay(page, card="4242424242424242")
    key = {"Authorization": f"Bearer {system.sandbox.stripe_key}"}
    answer = httpx.get(f"{system.sandbox.stripe_url}/v1/events", params={"limit": 100}, headers=key, timeout=10)
    (found,) = (each for each in answer.json()["data"] if each["data"]["object"].get("id") == page)
    return json.dumps(found).encode()
