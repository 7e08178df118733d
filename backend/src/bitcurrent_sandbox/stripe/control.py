"""The operator's interface to the processor: faults, disputes, refunds that fail, payouts, webhooks again or forged."""

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bitcurrent_sandbox.faults import KINDS, Fault
from bitcurrent_sandbox.http import BadBody, Reply, Request, Router, foreign_origin, json_reply
from bitcurrent_sandbox.stripe import objects
from bitcurrent_sandbox.stripe.aftermath import REASONS, Aftermath
from bitcurrent_sandbox.stripe.cards import Refused, read_card
from bitcurrent_sandbox.stripe.errors import StripeError
from bitcurrent_sandbox.stripe.processor import Processor
from bitcurrent_sandbox.stripe.settings import ProcessorSettings
from bitcurrent_sandbox.stripe.store import Object
from bitcurrent_sandbox.stripe.webhooks import body_of, millis, signature_of

PREFIX: Final = "/sandbox/control/stripe/"
_DELIVERIES_MOST: Final = 10_000
_PAYMENTS_MOST: Final = 200
_COUNTED: Final = ("checkout.session", "payment_intent", "charge", "refund", "dispute", "payout", "event")
Body = dict[str, Any]


class ProcessorControl:
    """Handlers under /sandbox/control/stripe."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._store = processor.store
        self._router = Router()
        verbs: dict[str, Callable[[Body], Any]] = {
            "reset": self._reset,
            "settings": self._settings,
            "faults": self._add_fault,
            "webhooks": self._tell_at,
            "pay": self._pay,
            "hurry": self._hurry,
            "dispute": self._dispute,
            "dispute/escalate": lambda body: self._aftermath.escalate(self._named(body, "dispute")),
            "dispute/win": lambda body: self._aftermath.close(self._named(body, "dispute"), won=True),
            "dispute/lose": lambda body: self._aftermath.close(self._named(body, "dispute"), won=False),
            "refund": self._refund,
            "refund/fail": lambda body: self._aftermath.refund_fails(self._named(body, "refund")),
            "payout": self._pay_out,
            "payout/fail": lambda body: self._aftermath.payout_fails(self._named(body, "payout")),
            "replay": self._replay,
        }
        for name, verb in verbs.items():
            self._router.add("POST", PREFIX + name, self._handler(verb))
        self._router.add("GET", PREFIX + "state", lambda _request, _path: json_reply(self._state()))
        self._router.add("GET", PREFIX + "payments", self._payments)
        self._router.add("GET", PREFIX + "deliveries", self._deliveries)
        self._router.add("DELETE", PREFIX + "faults/(?P<id>[0-9]+)", self._remove_fault)
        self._router.add("POST", PREFIX + "forge", self._forge)

    async def answer(self, request: Request) -> Reply:
        """Answer one request; a page of another site may not give orders through the operator's browser."""
        if foreign_origin(request):
            return json_reply({"message": "requests from another origin are refused"}, 403)
        found = self._router.find(request.method, request.path)
        if found is None:
            return json_reply({"message": "no such control"}, 404)
        handler, path = found
        try:
            reply = handler(request, path)
            return reply if isinstance(reply, Reply) else await reply
        except StripeError as error:
            return json_reply({"message": str(error)}, error.status)
        except (BadBody, msgspec.ValidationError, ValueError) as error:
            return json_reply({"message": str(error)}, 422)

    def _handler(self, verb: Callable[[Body], Any]) -> Callable[[Request, dict[str, str]], Reply]:
        def handle(request: Request, _path: dict[str, str]) -> Reply:
            body = request.json()
            with self._store.transaction():
                done = verb(body)
            return json_reply(objects.shown(done) if isinstance(done, dict) else done)

        return handle

    @property
    def _aftermath(self) -> Aftermath:
        return self._processor.aftermath

    # Seeing

    def _state(self) -> Object:
        return {
            "settings": self._processor.settings,
            "faults": self._processor.faults.listed,
            "counts": {kind: self._store.count(kind) for kind in _COUNTED},
            "deliveries": self._store.delivery_counts(),
            "balance": {
                currency: {"available": both[0], "pending": both[1]}
                for currency, both in self._store.balance(objects.now()).items()
            },
        }

    def _payments(self, request: Request, _path: dict[str, str]) -> Reply:
        """The newest sessions, each with what became of it."""
        limit = min(int(request.query.get("limit", "50")), _PAYMENTS_MOST)
        sessions = self._store.page("checkout.session", where={}, created={}, limit=limit)
        return json_reply({"payments": [self._payment(session) for session in sessions]})

    def _payment(self, session: Object) -> Object:
        key = session["payment_intent"]
        intent = self._store.find(key) if key else None
        error = (intent or {}).get("last_payment_error") or {}
        shown = {name: session[name] for name in ("id", "created", "currency", "status", "payment_status", "url")}
        return shown | {
            "amount": session["amount_total"],
            "payment_intent": key,
            "failure": error.get("decline_code") or error.get("code"),
            "refunds": self._brief("refund", key, "id", "status", "amount"),
            "disputes": self._brief("dispute", key, "id", "status", "amount"),
        }

    def _brief(self, kind: str, payment_intent: str | None, *names: str) -> list[Object]:
        found = self._store.of_payment(kind, payment_intent) if payment_intent else []
        return [{name: each[name] for name in names} for each in found]

    def _deliveries(self, request: Request, _path: dict[str, str]) -> Reply:
        """The newest attempts to tell; `state` narrows them."""
        limit = min(int(request.query.get("limit", "50")), _DELIVERIES_MOST)
        wanted = request.query.get("state")
        shown = []
        for each in self._store.newest_deliveries(limit):
            event = self._store.find(each.event)
            if event is not None and wanted in (None, each.state):
                kind, subject = event["type"], event["data"]["object"].get("id")
                shown.append({"event": each.event, "type": kind, "object": subject, "state": each.state,
                              "attempts": each.attempts, "answer": each.answer})  # fmt: skip
        return json_reply({"deliveries": shown})

    # Faults

    def _reset(self, body: Body) -> Object:
        """No faults, usual settings; with `state` also no objects, keys, events."""
        self._processor.faults.clear()
        self._adopt(ProcessorSettings())
        if body.get("state"):
            self._store.wipe()
        return {"reset": True}

    def _settings(self, body: Body) -> ProcessorSettings:
        kept = msgspec.to_builtins(self._processor.settings)
        changed = msgspec.convert(kept | body, ProcessorSettings)
        if any(value < 0 for value in msgspec.to_builtins(changed).values()):
            raise ValueError("settings cannot be negative")
        self._adopt(changed)
        return self._processor.settings

    def _adopt(self, settings: ProcessorSettings) -> None:
        """The parts share one settings object: change it in place."""
        for name in settings.__struct_fields__:
            setattr(self._processor.settings, name, getattr(settings, name))
        self._processor.webhooks.wake()

    def _add_fault(self, body: Body) -> Fault:
        if body.get("kind") not in KINDS or body.get("kind") == "reject_order":
            raise ValueError(f"kind must be one of {', '.join(kind for kind in KINDS if kind != 'reject_order')}")
        return self._processor.faults.add(msgspec.convert(body, Fault))

    def _remove_fault(self, _request: Request, path: dict[str, str]) -> Reply:
        removed = self._processor.faults.remove(int(path["id"]))
        return json_reply({"removed": removed}, 200 if removed else 404)

    # Money

    def _pay(self, body: Body) -> Object:
        """Pay a session without its page: `card`, or `debit` (succeeds, fails); `authenticate` answers 3-D Secure."""
        payments = self._processor.payments
        session = payments.session(str(body.get("session")))
        email = session["customer_email"]
        if body.get("debit") in ("succeeds", "fails"):
            return payments.debit(session, fate=body["debit"], name=None, email=email)
        number = str(body.get("card", "4242424242424242"))
        cvc = "1234" if number.startswith("3") else "123"
        entered = read_card(number=number, expiry="12 / 34", cvc=cvc)
        if isinstance(entered, Refused):
            raise ValueError(entered.message)
        step, words = payments.pay(session, entered, name=None, email=email)
        if step == "authenticate":
            step, words = payments.authenticate(session, passed=body.get("authenticate", True) is True)
        return session | {"outcome": step, "message": words}

    def _hurry(self, _body: Body) -> Object:
        """Everything that would happen later happens within a moment."""
        self._store.hurry()
        return {"hurried": True}

    def _dispute(self, body: Body) -> Object:
        """Dispute a payment: `payment_intent` or `charge`, `reason`, `inquiry`."""
        reason = body.get("reason", "fraudulent")
        if reason not in REASONS:
            raise ValueError(f"reason must be one of {', '.join(REASONS)}")
        return self._processor.aftermath.dispute(self._charge(body), reason, inquiry=body.get("inquiry") is True)

    def _refund(self, body: Body) -> Object:
        """A refund made in the dashboard: it carries no id of the merchant's."""
        amount = body.get("amount")
        if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int) or amount < 1):
            raise ValueError("amount is a whole number of cents")
        return self._processor.aftermath.refund(self._charge(body), amount=amount, metadata={}, reason=None)

    def _pay_out(self, body: Body) -> Object:
        """Pay out all that is available of a currency, as Stripe does by itself every day."""
        return self._processor.aftermath.pay_out(str(body.get("currency", "usd")).lower(), None)

    # Webhooks

    def _tell_at(self, body: Body) -> Object:
        """Where the first endpoint is; an empty `url` takes it away."""
        url = body.get("url")
        if not isinstance(url, str) or (url and not url.startswith(("http://", "https://"))):
            raise ValueError("url must be an address, or empty")
        self._processor.tell_at(url)
        return {"url": url, "secret": self._processor.options.webhook_secret}

    def _replay(self, body: Body) -> Object:
        """Deliver an event again, signed anew: `event`, or every one of a `type`; `times`."""
        event, kind = body.get("event"), body.get("type")
        if event is not None:
            events = [self._processor.aftermath.found(str(event), "event")]
        else:
            where = {"type": str(kind)} if kind else {}
            events = self._store.page("event", where=where, created={}, limit=1_000)
        endpoints = self._store.page("webhook_endpoint", where={}, created={}, limit=100)
        times = body.get("times", 1)
        if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 100:
            raise ValueError("times is a number from 1 to 100")
        for each in events:
            for endpoint in endpoints:
                for _ in range(times):
                    self._store.add_delivery(each["id"], endpoint["id"], millis())
        self._processor.webhooks.wake()
        return {"deliveries": len(events) * len(endpoints) * times}

    async def _forge(self, request: Request, _path: dict[str, str]) -> Reply:
        """Send an event in a wrong way and say how it was answered: `how`, and `event` (the newest by default)."""
        body = request.json()
        how, key = body.get("how", "signature"), body.get("event")
        newest = self._store.page("event", where={}, created={}, limit=1)
        event = self._processor.aftermath.found(str(key), "event") if key else (newest[0] if newest else None)
        endpoints = self._store.page("webhook_endpoint", where={}, created={}, limit=1)
        if event is None or not endpoints:
            raise ValueError("there is no event, or no endpoint to send it to")
        raw, secret, now = body_of(event), endpoints[0]["_secret"], int(time.time())
        signatures = {
            "signature": signature_of(raw, "whsec_somebody_elses", at=now),
            "stale": signature_of(raw, secret, at=now - 301),
            "future": signature_of(raw, secret, at=now + 60),
            "unsigned": "",
            "body": signature_of(raw, secret, at=now),
        }
        if how not in signatures:
            raise ValueError(f"how must be one of {', '.join(signatures)}")
        sent = raw.replace(b'"amount', b'"amount_', 1) + b" " if how == "body" else raw
        status, words = await self._processor.webhooks.send(
            endpoints[0]["url"], sent, secret, signature=signatures[how]
        )
        return json_reply({"status": status, "answer": words})

    # Help

    def _named(self, body: Body, kind: str) -> Object:
        return self._processor.aftermath.found(str(body.get(kind)), kind)

    def _charge(self, body: Body) -> Object:
        if body.get("charge"):
            return self._named(body, "charge")
        return self._processor.aftermath.charge_of(str(body.get("payment_intent")))
