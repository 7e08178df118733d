"""Webhooks: signed, at least once, again until they are taken, and every fault of theirs that can be ordered."""

import time
from typing import Any

import pytest

from tests.contract.stripe.conftest import Stripe, eventually, receiving
from tests.contract.stripe.test_sdk import has_every_field


def kinds(processor: Stripe) -> list[str]:
    return [event.type for event in processor.receiver.events(processor.sandbox.stripe_webhook_secret)]


def settled(processor: Stripe) -> dict[str, int]:
    """How many deliveries ended in which way, once none waits."""
    state: dict[str, Any] = {}

    def calm() -> bool:
        state.update(processor.sandbox.stripe_state())
        return "waiting" not in state["deliveries"]

    eventually(calm, lambda: f"still {state['deliveries']}")
    return dict(state["deliveries"])


def test_a_payment_is_told_step_by_step(processor: Stripe) -> None:
    processor.paid()
    told = processor.told("checkout.session.completed")
    wanted = {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"}
    assert {event.type for event in told} == wanted
    assert {event.api_version for event in told} == {"2026-10-28.endive"}
    assert len({event.id for event in told}) == 4


def test_a_delivery_that_fails_comes_again(processor: Stripe) -> None:
    processor.receiver.answers = [500, 301, 404, 503]
    processor.paid()
    processor.told("charge.succeeded", "checkout.session.completed")
    assert settled(processor) == {"delivered": 4}
    assert len(processor.receiver.got) == 4


def test_what_cannot_be_delivered_is_given_up_in_the_end(processor: Stripe) -> None:
    processor.control("settings", attempts_max=2, retry_first_ms=1)
    processor.control("webhooks", url="http://127.0.0.1:9/nobody")
    processor.paid()
    assert settled(processor) == {"given_up": 4}


def test_held_webhooks_wait(processor: Stripe) -> None:
    processor.control("settings", webhooks_held=True)
    processor.paid()
    time.sleep(0.3)
    assert processor.receiver.got == []
    processor.control("settings", webhooks_held=False)
    processor.told("checkout.session.completed")


def test_a_webhook_can_be_lost(processor: Stripe) -> None:
    processor.control("faults", kind="drop_event", event="checkout.session.completed")
    processor.paid()
    assert settled(processor) == {"delivered": 3, "dropped": 1}
    assert "checkout.session.completed" not in kinds(processor)


def test_a_webhook_can_come_twice(processor: Stripe) -> None:
    processor.control("faults", kind="duplicate_event", event="checkout.session.completed", count=2)
    processor.paid()
    assert settled(processor) == {"delivered": 6}
    assert kinds(processor).count("checkout.session.completed") == 3


def test_a_webhook_can_come_behind_a_later_one(processor: Stripe) -> None:
    processor.control("faults", kind="reorder_event", event="payment_intent.created", ms=300)
    processor.paid()
    assert settled(processor) == {"delivered": 4}
    assert kinds(processor)[-1] == "payment_intent.created"


def test_a_webhook_can_be_late(processor: Stripe) -> None:
    processor.control("faults", kind="delay_event", event="payment_intent.created", ms=400)
    processor.paid()
    processor.told("payment_intent.created")
    assert kinds(processor)[-1] == "payment_intent.created"


def test_an_old_event_can_be_replayed(processor: Stripe) -> None:
    processor.paid()
    settled(processor)
    processor.control("replay", type="charge.succeeded", times=3)
    settled(processor)
    events = processor.receiver.events(processor.sandbox.stripe_webhook_secret)
    assert len([event for event in events if event.type == "charge.succeeded"]) == 4
    assert len({event.id for event in events if event.type == "charge.succeeded"}) == 1


@pytest.mark.parametrize("how", ["signature", "stale", "future", "unsigned", "body"])
def test_an_event_can_be_forged(processor: Stripe, how: str) -> None:
    processor.paid()
    settled(processor)
    before = len(processor.receiver.got)
    assert processor.control("forge", how=how)["status"] == 200
    assert len(processor.receiver.got) == before + 1


def test_other_endpoints_get_what_they_asked_for(processor: Stripe) -> None:
    with receiving() as other:
        endpoint = processor.v1.webhook_endpoints.create({"url": other.url, "enabled_events": ["charge.succeeded"]})
        has_every_field(processor.v1.webhook_endpoints.retrieve(endpoint.id), "webhook_endpoint")
        processor.paid()
        settled(processor)
        assert [event.type for event in other.events(endpoint.secret)] == ["charge.succeeded"]
        assert processor.v1.webhook_endpoints.delete(endpoint.id).deleted
        processor.paid()
        settled(processor)
        assert len(other.got) == 1
