"""The processor as a whole: builds its parts, answers requests with the faults in force, does later what is due."""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bitcurrent_sandbox.faults import AFTER, BEFORE, Fault, Faults
from bitcurrent_sandbox.http import Hangup, Reply, Request, Router
from bitcurrent_sandbox.stripe import errors, objects
from bitcurrent_sandbox.stripe.aftermath import Aftermath
from bitcurrent_sandbox.stripe.api import Api
from bitcurrent_sandbox.stripe.errors import StripeError
from bitcurrent_sandbox.stripe.journal import Journal
from bitcurrent_sandbox.stripe.payments import Payments
from bitcurrent_sandbox.stripe.settings import ProcessorSettings
from bitcurrent_sandbox.stripe.store import Kept, Object, Store
from bitcurrent_sandbox.stripe.webhooks import Webhooks

API: Final = "/stripe"
PAGES: Final = "/sandbox/stripe"
_KEY_MAX: Final = 255
_PULSE_SECONDS: Final = 0.2
_PRUNE_SECONDS: Final = 600
_DELIVERIES_KEPT: Final = 20_000
_DEFAULT_ENDPOINT: Final = "we_sandbox"
log = logging.getLogger("bitcurrent_sandbox")


@dataclass(frozen=True, slots=True)
class ProcessorOptions:
    """What the processor is started with. Its API key is sk_test_ and its webhooks' secret whsec_ before `secret`."""

    folder: Path
    secret: str
    webhook_url: str = ""
    merchant: str = "BitCurrent"

    @property
    def api_key(self) -> str:
        """The key that callers show."""
        return f"sk_test_{self.secret}"

    @property
    def webhook_secret(self) -> str:
        """What the first endpoint's webhooks are signed with."""
        return f"whsec_{self.secret}"


class Processor:
    """One account at one processor."""

    def __init__(self, options: ProcessorOptions) -> None:
        self.options = options
        self.store = Store(options.folder)
        self.settings = ProcessorSettings()
        self.faults = Faults()
        self.journal = Journal(self.store, self.settings)
        self.payments = Payments(self.journal)
        self.aftermath = Aftermath(self.journal)
        self.webhooks = Webhooks(self.store, self.settings, self.faults)
        self.journal.wake = self.webhooks.wake
        self._api = Api(self.journal, self.payments, self.aftermath)
        self._router = Router()
        self._api.route(self._router)
        self._in_progress: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        if options.webhook_url:
            self.tell_at(options.webhook_url)

    def tell_at(self, url: str) -> None:
        """The first endpoint's address; empty takes it away."""
        with self.store.transaction():
            doc = objects.endpoint(url=url, events=["*"], secret=self.options.webhook_secret)
            doc["id"] = _DEFAULT_ENDPOINT
            self.store.delete(_DEFAULT_ENDPOINT)
            if url:
                self.store.add(doc)

    # Life

    async def start(self) -> None:
        """Begin to deliver and to do what is due."""
        self._tasks = [asyncio.create_task(self.webhooks.run()), asyncio.create_task(self._pulse_forever())]

    async def stop(self) -> None:
        """Stop both."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _pulse_forever(self) -> None:
        pruned = 0
        while True:
            await asyncio.sleep(_PULSE_SECONDS)
            try:
                self.pulse()
                if objects.now() - pruned > _PRUNE_SECONDS:
                    pruned = objects.now()
                    self.store.prune(
                        keys_before=pruned - self.settings.idempotency_seconds, deliveries=_DELIVERIES_KEPT
                    )
            except Exception:
                # One bad moment must not stop the processor; it is logged with its trace.
                log.exception("the processor's pulse failed")

    def pulse(self) -> None:
        """Do what is due, each in a commit of its own."""
        for number, verb, key in self.store.due(objects.now()):
            with self.store.transaction():
                self.store.done(number)
                doc = self.store.find(key)
                if doc is not None:
                    self._later(verb, doc)

    def _later(self, verb: str, doc: Object) -> None:
        verbs: dict[str, Callable[[Object], object]] = {
            "expire": self.payments.expire,
            "settle_debit": self.payments.settle_debit,
            "fraudulent": self.aftermath.dispute,
            "product_not_received": lambda charge: self.aftermath.dispute(charge, "product_not_received"),
            "inquiry": lambda charge: self.aftermath.dispute(charge, inquiry=True),
            "early_fraud_warning": self.aftermath.warn,
            "refund_succeeds": self.aftermath.refund_succeeds,
            "refund_fails": self.aftermath.refund_fails,
            "payout_arrives": self.aftermath.payout_arrives,
        }
        # What has come to another end in the meantime is refused, and that is well.
        with contextlib.suppress(StripeError):
            verbs[verb](doc)

    # Answers

    async def answer(self, request: Request) -> Reply:
        """Answer one request below /stripe; raises Hangup when a fault says so."""
        path = request.path.removeprefix(API)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is not None and key in self._in_progress:
            return self._finish(_refusal(errors.key_in_use(key)), request, "")
        if key is not None:
            self._in_progress.add(key)
        try:
            before = self.faults.take_request(BEFORE, request.method, path)
            if before is not None and (refusal := await _strike_before(before)):
                return refusal
            number = objects.new_id("req", 14)
            reply = self._finish(self._dispatch(request, path, key, number), request, number)
        finally:
            self._in_progress.discard(key or "")
        after = self.faults.take_request(AFTER, request.method, path)
        return reply if after is None else await self._strike_after(after, reply, key)

    def _dispatch(self, request: Request, path: str, key: str | None, number: str) -> Reply:
        try:
            self._authorize(request)
            found = self._router.find(request.method, path)
            if found is None:
                raise errors.no_endpoint(request.method, path)
            if key is not None and not 0 < len(key) <= _KEY_MAX:
                raise StripeError(400, "Idempotency keys have between 1 and 255 characters.", kind="idempotency_error")
            fingerprint = hashlib.sha256(f"{request.method} {path} ".encode() + request.body).hexdigest()
            kept = (
                None if key is None else self.store.kept(key, since=objects.now() - self.settings.idempotency_seconds)
            )
            if kept is not None:
                if kept.fingerprint != fingerprint:
                    raise errors.key_reused(key or "")
                headers = {"idempotent-replayed": "true", "original-request": kept.request}
                return Reply(status=kept.status, body=kept.body, headers=headers)
            host = request.headers.get("host", "127.0.0.1")
            self._api.page_url = f"http://{host}{PAGES}"
            self.journal.request = {"id": number, "idempotency_key": key}
            handler, parameters = found
            # What was done and the answer to its key are one commit.
            with self.store.transaction():
                reply = handler(request, parameters)
                assert isinstance(reply, Reply)  # the API's handlers answer at once
                if key is not None:
                    self.store.keep(key, Kept(fingerprint, reply.status, reply.body, number, objects.now()))
        except StripeError as error:
            return _refusal(error)
        finally:
            self.journal.request = {"id": None, "idempotency_key": None}
        return reply

    def _authorize(self, request: Request) -> None:
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not shown:
            raise errors.unauthorized(None)
        if shown != self.options.api_key:
            raise errors.unauthorized(shown)

    def _finish(self, reply: Reply, request: Request, number: str) -> Reply:
        reply.content_type = "application/json"
        reply.headers |= {
            "request-id": number or objects.new_id("req", 14),
            "stripe-version": request.headers.get("stripe-version", objects.API_VERSION),
        }
        if key := request.headers.get("idempotency-key"):
            reply.headers["idempotency-key"] = key.encode("ascii", "replace").decode()[:_KEY_MAX]
        return reply

    async def _strike_after(self, fault: Fault, reply: Reply, key: str | None) -> Reply:
        if fault.kind == "drop_after":
            raise Hangup
        if fault.kind == "cut_after":
            raise Hangup(reply)
        if fault.kind == "error_after":
            failure = _failure(fault.status)
            if self.settings.keep_failures and key is not None:
                self._keep_failure(key, failure)
            return failure
        await asyncio.sleep(fault.ms / 1000)
        return reply

    def _keep_failure(self, key: str, failure: Reply) -> None:
        kept = self.store.kept(key, since=0)
        if kept is not None:
            self.store.keep(key, Kept(kept.fingerprint, failure.status, failure.body, kept.request, kept.at))


async def _strike_before(fault: Fault) -> Reply | None:
    if fault.kind == "drop_before":
        raise Hangup
    if fault.kind == "error_before":
        return _failure(fault.status)
    await asyncio.sleep(fault.ms / 1000)
    return None


def _failure(status: int) -> Reply:
    if status == 429:
        error = StripeError(429, "Too many requests hit the API too quickly.", code="rate_limit")
    else:
        error = StripeError(status, "Something went wrong on Stripe's end.", kind="api_error")
    return _refusal(error)


def _refusal(error: StripeError) -> Reply:
    return Reply(status=error.status, body=json.dumps(error.body()).encode())
