"""What the parts of the processor share: its objects, its settings, and the telling of events in the same commit."""

import copy
import time
from collections.abc import Callable
from typing import Any

from bitcurrent_sandbox.stripe import objects
from bitcurrent_sandbox.stripe.settings import ProcessorSettings
from bitcurrent_sandbox.stripe.store import Object, Store


class Journal:
    """Keeps an object and tells of it. Used inside `store.transaction()`: what is not kept is not told."""

    def __init__(self, store: Store, settings: ProcessorSettings) -> None:
        self.store = store
        self.settings = settings
        self.request: Object = {"id": None, "idempotency_key": None}
        """The request that is being answered: its events name it."""
        self.wake: Callable[[], None] = lambda: None

    def tell(self, kind: str, doc: Object, **previous: Any) -> Object:
        """An event about the object as it is now, for every endpoint that wants it."""
        endpoints = [each for each in self._endpoints() if {"*", kind} & set(each["enabled_events"])]
        data: Object = {"object": objects.shown(copy.deepcopy(doc))}
        if previous:
            data["previous_attributes"] = previous
        event = self.store.add(
            {
                "id": objects.new_id("evt"),
                "object": "event",
                "api_version": objects.API_VERSION,
                "created": objects.now(),
                "data": data,
                "livemode": False,
                "pending_webhooks": len(endpoints),
                "request": dict(self.request),
                "type": kind,
            }
        )
        for each in endpoints:
            self.store.add_delivery(event["id"], each["id"], time.time_ns() // 1_000_000)
        self.wake()
        return event

    def book(self, kind: str, *, amount: int, fee: int, currency: str, source: str, category: str, words: str,
             available_on: int | None = None) -> Object:  # fmt: skip
        """A balance transaction; what is not a charge moves the available balance at once."""
        at = objects.now()
        return self.store.add_line(
            objects.line(
                kind,
                amount=amount,
                fee=fee,
                currency=currency,
                source=source,
                at=at,
                available_on=at if available_on is None else available_on,
                category=category,
                words=words,
            )
        )

    def _endpoints(self) -> list[Object]:
        found = self.store.page("webhook_endpoint", where={}, created={}, limit=100)
        return [each for each in found if each["status"] == "enabled" and each["url"]]
