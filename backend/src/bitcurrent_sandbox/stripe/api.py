"""The processor's API under /v1: sessions, payments, charges, refunds, disputes, the balance, payouts, events."""

from collections.abc import Callable
from typing import Any, Final

from bitcurrent_sandbox.http import Reply, Request, Router, json_reply
from bitcurrent_sandbox.stripe import form, objects
from bitcurrent_sandbox.stripe.aftermath import Aftermath
from bitcurrent_sandbox.stripe.errors import StripeError, invalid, missing
from bitcurrent_sandbox.stripe.form import Params
from bitcurrent_sandbox.stripe.journal import Journal
from bitcurrent_sandbox.stripe.payments import Payments
from bitcurrent_sandbox.stripe.sessions import session_from
from bitcurrent_sandbox.stripe.store import FILTERS, Object

Verb = Callable[[Params, dict[str, str]], Object]
PAGE_DEFAULT: Final = 10
PAGE_MAX: Final = 100
_EXPAND_MAX: Final = 4
_LISTS: Final = {
    "/v1/checkout/sessions": ("checkout.session", ("payment_intent", "status", "customer")),
    "/v1/payment_intents": ("payment_intent", ("customer",)),
    "/v1/charges": ("charge", ("payment_intent", "customer")),
    "/v1/refunds": ("refund", ("payment_intent", "charge")),
    "/v1/disputes": ("dispute", ("payment_intent", "charge")),
    "/v1/balance_transactions": ("balance_transaction", ("currency", "payout", "source", "type")),
    "/v1/payouts": ("payout", ("status",)),
    "/v1/events": ("event", ("type",)),
    "/v1/webhook_endpoints": ("webhook_endpoint", ()),
}
_CREATED: Final = ("gt", "gte", "lt", "lte")


class Api:
    """Handlers of the API; each gives an object or raises StripeError."""

    def __init__(self, journal: Journal, payments: Payments, aftermath: Aftermath) -> None:
        self._journal = journal
        self._store = journal.store
        self._payments = payments
        self._aftermath = aftermath
        self.page_url = ""
        """Where the hosted pages are, as the request that is being answered reaches the sandbox."""

    def route(self, router: Router) -> None:
        """Add every route."""
        for path, (kind, filters) in _LISTS.items():
            router.add("GET", path, _handler(self._lister(path, kind, filters)))
            router.add("GET", path + "/(?P<id>[^/]+)", _handler(self._finder(kind)))
        one = "/(?P<id>[^/]+)"
        for path, verb in (
            ("/v1/checkout/sessions", self._open_session),
            (f"/v1/checkout/sessions{one}/expire", self._expire_session),
            ("/v1/refunds", self._refund),
            (f"/v1/refunds{one}", self._update_refund),
            (f"/v1/refunds{one}/cancel", self._cancel_refund),
            (f"/v1/disputes{one}", self._answer_dispute),
            (f"/v1/disputes{one}/close", self._close_dispute),
            ("/v1/payouts", self._pay_out),
            ("/v1/webhook_endpoints", self._add_endpoint),
        ):
            router.add("POST", path, _handler(verb))
        router.add("DELETE", "/v1/webhook_endpoints" + one, _handler(self._delete_endpoint))
        router.add("GET", "/v1/balance", _handler(self._balance))
        router.add(
            "GET", "/v1/balance/history", _handler(self._lister("/v1/balance/history", "balance_transaction", ()))
        )

    # Reading

    def _lister(self, path: str, kind: str, filters: tuple[str, ...]) -> Verb:
        def page(params: Params, _path: dict[str, str]) -> Object:
            form.only(params, "limit", "starting_after", "ending_before", "expand", "created", *filters)
            limit = form.integer(params, "limit", low=1, high=PAGE_MAX, default=PAGE_DEFAULT)
            ends = {name: form.optional(params, name) for name in ("starting_after", "ending_before")}
            for name, key in ends.items():
                if key is not None and self._store.find(key, kind) is None:
                    raise invalid(name, f"No such {kind}: '{key[:80]}'", "resource_missing")
            where: dict[str, str] = {
                name: value for name in FILTERS if name in filters and (value := form.optional(params, name))
            }
            found = self._store.page(
                kind,
                where=where,
                created=_created(params),
                limit=limit + 1,
                after=ends["starting_after"],
                before=ends["ending_before"],
            )
            more = len(found) > limit
            rows = found[-limit:] if ends["ending_before"] else found[:limit]
            data = [self._shown(each) for each in rows]
            for each in data:
                self._expand(each, params, prefix="data.")
            return {"object": "list", "data": data, "has_more": more, "url": path}

        return page

    def _finder(self, kind: str) -> Verb:
        def one(params: Params, path: dict[str, str]) -> Object:
            form.only(params, "expand")
            return self._given(self._aftermath.found(path["id"], kind), params)

        return one

    def _balance(self, _params: Params, _path: dict[str, str]) -> Object:
        sums = self._store.balance(objects.now()) or {"usd": (0, 0)}

        def part(index: int) -> list[Object]:
            return [
                {"amount": both[index], "currency": currency, "source_types": {"card": both[index]}}
                for currency, both in sums.items()
            ]

        return {
            "object": "balance",
            "available": part(0),
            "connect_reserved": [{"amount": 0, "currency": currency} for currency in sums],
            "livemode": False,
            "pending": part(1),
            "refund_and_dispute_prefunding": {"available": [], "pending": []},
        }

    # Acting

    def _open_session(self, params: Params, _path: dict[str, str]) -> Object:
        doc = session_from(params)
        doc["url"] = f"{self.page_url}/pay/{doc['id']}"
        return self._given(self._payments.open_session(doc), params)

    def _expire_session(self, params: Params, path: dict[str, str]) -> Object:
        form.only(params, "expand")
        return self._given(self._payments.expire(self._payments.session(path["id"])), params)

    def _refund(self, params: Params, _path: dict[str, str]) -> Object:
        form.only(
            params, "amount", "charge", "currency", "expand", "instructions_email", "metadata", "payment_intent",
            "reason", "refund_application_fee", "reverse_transfer",
        )  # fmt: skip
        payment, charge = form.optional(params, "payment_intent"), form.optional(params, "charge")
        if payment is None and charge is None:
            raise missing("payment_intent")
        found = self._aftermath.found(charge, "charge") if charge else self._aftermath.charge_of(payment or "")
        if found["status"] != "succeeded":
            raise invalid("charge", f"Charge {found['id']} is {found['status']}; it cannot be refunded.")
        reason = form.optional(params, "reason")
        if reason not in (None, "duplicate", "fraudulent", "requested_by_customer"):
            raise invalid("reason", "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer")
        amount = form.integer(params, "amount", low=1, high=99_999_999) if "amount" in params else None
        refund = self._aftermath.refund(found, amount=amount, metadata=form.metadata(params), reason=reason)
        return self._given(refund, params)

    def _update_refund(self, params: Params, path: dict[str, str]) -> Object:
        form.only(params, "metadata", "expand")
        refund = self._aftermath.found(path["id"], "refund")
        refund["metadata"] |= form.metadata(params)
        self._store.save(refund)
        self._journal.tell("refund.updated", refund)
        return self._given(refund, params)

    def _cancel_refund(self, params: Params, path: dict[str, str]) -> Object:
        form.only(params, "expand")
        return self._aftermath.cancel_refund(self._aftermath.found(path["id"], "refund"))

    def _answer_dispute(self, params: Params, path: dict[str, str]) -> Object:
        form.only(params, "evidence", "expand", "metadata", "submit")
        evidence = form.below(params, "evidence")
        form.only(evidence, *objects.EVIDENCE)
        for name in evidence:
            form.optional(evidence, name, most=20_000)
        dispute = self._aftermath.found(path["id"], "dispute")
        dispute["metadata"] |= form.metadata(params)
        # Stripe submits what it is given unless it is told to wait.
        return self._given(self._aftermath.answer(dispute, evidence, submit=params.get("submit") != "false"), params)

    def _close_dispute(self, params: Params, path: dict[str, str]) -> Object:
        form.only(params, "expand")
        return self._given(self._aftermath.close(self._aftermath.found(path["id"], "dispute"), won=False), params)

    def _pay_out(self, params: Params, _path: dict[str, str]) -> Object:
        form.only(params, "amount", "currency", "description", "expand", "metadata", "method", "source_type",
                  "statement_descriptor")  # fmt: skip
        amount = form.integer(params, "amount", low=1, high=99_999_999_999)
        currency = form.text(params, "currency").lower()
        payout = self._aftermath.pay_out(
            currency, amount, metadata=form.metadata(params), words=form.optional(params, "description")
        )
        return self._given(payout, params)

    def _add_endpoint(self, params: Params, _path: dict[str, str]) -> Object:
        form.only(params, "api_version", "connect", "description", "enabled_events", "expand", "metadata", "url")
        url = form.text(params, "url")
        events = params.get("enabled_events")
        if not url.startswith(("http://", "https://")):
            raise invalid("url", "Invalid URL: an explicit scheme (such as https) must be provided.")
        if not isinstance(events, list) or not events or not all(isinstance(each, str) for each in events):
            raise missing("enabled_events")
        secret = objects.new_id("whsec", 32)
        doc = objects.endpoint(url=url, events=events, secret=secret, words=form.optional(params, "description"))
        return self._shown(self._store.add(doc)) | {"secret": secret}

    def _delete_endpoint(self, _params: Params, path: dict[str, str]) -> Object:
        doc = self._aftermath.found(path["id"], "webhook_endpoint")
        self._store.delete(doc["id"])
        return {"id": doc["id"], "object": "webhook_endpoint", "deleted": True}

    # Help

    def _shown(self, doc: Object) -> Object:
        shown = objects.shown(doc)
        if doc["object"] == "balance_transaction":
            shown["status"] = "available" if doc["available_on"] <= objects.now() else "pending"
        return shown

    def _given(self, doc: Object, params: Params) -> Object:
        shown = self._shown(doc)
        self._expand(shown, params, prefix="")
        return shown

    def _expand(self, shown: Object, params: Params, *, prefix: str) -> None:
        """Put objects in the places of their ids, as `expand` asks."""
        wanted = params.get("expand") or []
        wanted = [wanted] if isinstance(wanted, str) else wanted
        for path in wanted:
            if not isinstance(path, str) or path.count(".") >= _EXPAND_MAX:
                raise invalid("expand", "You cannot expand more than 4 levels of a property.")
            place: Any = shown
            for name in path.removeprefix(prefix).split("."):
                if not isinstance(place, dict) or name not in place:
                    raise invalid("expand", f"This property cannot be expanded ({path[:80]}).")
                if isinstance(place[name], str) and (found := self._store.find(place[name])) is not None:
                    place[name] = self._shown(found)
                place = place[name]
                if place is None:
                    break


def _handler(verb: Verb) -> Callable[[Request, dict[str, str]], Reply]:
    def handle(request: Request, path: dict[str, str]) -> Reply:
        params = form.nest(request.query.items()) if request.method == "GET" else form.read_form(_text(request.body))
        return json_reply(verb(params, path))

    return handle


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise StripeError(400, "Invalid request (the body is no UTF-8).") from error


def _created(params: Params) -> dict[str, int]:
    value = params.get("created")
    if value is None:
        return {}
    if isinstance(value, str):
        at = form.integer(params, "created", low=0, high=10**11)
        return {"gte": at, "lte": at}
    bounds = form.below(params, "created")
    form.only(bounds, *_CREATED)
    return {name: form.integer(bounds, name, low=0, high=10**11) for name in bounds}
