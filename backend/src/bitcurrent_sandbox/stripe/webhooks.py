"""Telling of events: signed, at least once, in any order, again and again while the receiver does not answer 2xx."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from typing import Final

import h11

from bitcurrent_sandbox.calling import post
from bitcurrent_sandbox.faults import Faults
from bitcurrent_sandbox.stripe import objects
from bitcurrent_sandbox.stripe.settings import ProcessorSettings
from bitcurrent_sandbox.stripe.store import Delivery, Object, Store

_AT_ONCE: Final = 8
_WORDS_MAX: Final = 200
_NAP_SECONDS: Final = 0.5
log = logging.getLogger("bitcurrent_sandbox")


def millis() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def body_of(event: Object) -> bytes:
    """The event as it is sent: Stripe indents by two."""
    return json.dumps(objects.shown(event), indent=2).encode()


def signature_of(body: bytes, secret: str, *, at: int | None = None) -> str:
    """The header Stripe-Signature, as of now or of that second."""
    moment = int(time.time()) if at is None else at
    signed = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"


class Webhooks:
    """Delivers what lies in the store, oldest first, a few at a time."""

    def __init__(self, store: Store, settings: ProcessorSettings, faults: Faults) -> None:
        self._store = store
        self._settings = settings
        self._faults = faults
        self._more = asyncio.Event()
        self._busy: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """There is something new to tell."""
        self._more.set()

    async def run(self) -> None:
        """Deliver until it is cancelled."""
        try:
            while True:
                self._more.clear()
                if not self._settings.webhooks_held:
                    self._begin()
                due = self._store.next_due()
                wait = _NAP_SECONDS if due is None else max(0.005, min(_NAP_SECONDS, (due - millis()) / 1000))
                if len(self._busy) >= _AT_ONCE or self._settings.webhooks_held:
                    wait = _NAP_SECONDS
                try:
                    await asyncio.wait_for(self._more.wait(), wait)
                except TimeoutError:
                    continue
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self) -> None:
        for delivery in self._store.waiting(millis(), _AT_ONCE * 2):
            if len(self._busy) >= _AT_ONCE:
                return
            if delivery.seq in self._busy:
                continue
            self._busy.add(delivery.seq)
            task = asyncio.create_task(self._deliver(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            event, endpoint = self._store.find(delivery.event), self._store.find(delivery.endpoint)
            if event is None or endpoint is None:
                self._store.delivered(delivery, state="given_up", answer="the endpoint is gone", due=0)
                return
            if not await self._bend(delivery, event["type"]):
                return
            status, words = await self.send(endpoint["url"], body_of(event), endpoint["_secret"])
            self._note(delivery, status, words)
            if self._faults.take_event("duplicate_event", event["type"]) is not None:
                self._store.add_delivery(delivery.event, delivery.endpoint, millis())
        except Exception:
            # One bad delivery must not stop the others; it is tried again, and logged with its trace.
            log.exception("a webhook failed")
            self._note(delivery, 0, "the sandbox stumbled")
        finally:
            self._busy.discard(delivery.seq)
            self._more.set()

    async def _bend(self, delivery: Delivery, kind: str) -> bool:
        """Strike the faults that are ordered; False when this delivery is over."""
        if self._faults.take_event("drop_event", kind) is not None:
            self._store.delivered(delivery, state="dropped", answer="dropped as ordered", due=0)
            return False
        # It lets others pass, once: put back, not dropped.
        later = self._faults.take_event("reorder_event", kind) if delivery.attempts == 0 else None
        if later is not None:
            due = millis() + later.ms
            self._store.delivered(delivery, state="waiting", answer="put behind others as ordered", due=due)
            return False
        delay = self._faults.take_event("delay_event", kind)
        if delay is not None:
            await asyncio.sleep(delay.ms / 1000)
        return True

    def _note(self, delivery: Delivery, status: int, words: str) -> None:
        if 200 <= status < 300:
            self._store.delivered(delivery, state="delivered", answer=str(status), due=0)
            return
        over = delivery.attempts + 1 >= self._settings.attempts_max
        pause = min(self._settings.retry_first_ms * 2 ** min(delivery.attempts, 30), self._settings.retry_most_ms)
        answer = f"{status or 'no answer'}: {words}"[:_WORDS_MAX]
        self._store.delivered(delivery, state="given_up" if over else "waiting", answer=answer, due=millis() + pause)

    async def send(
        self, url: str, body: bytes, secret: str, *, signature: str | None = None, at: int | None = None
    ) -> tuple[int, str]:
        """POST once; the status (0 without an answer) and the beginning of what was answered."""
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "stripe-signature": signature_of(body, secret, at=at) if signature is None else signature,
        }
        try:
            async with asyncio.timeout(self._settings.webhook_timeout_seconds):
                return await post(url, body, headers)
        except (OSError, TimeoutError, h11.RemoteProtocolError, ValueError) as error:
            return 0, type(error).__name__
