"""The hosted pages: paying, 3-D Secure, and where a page leads that has ended. Plain forms; no script is needed.

The operator's page beside them uses the control by script.
"""

import html
from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from bitcurrent_sandbox.http import Reply, Request, Router
from bitcurrent_sandbox.stripe import objects
from bitcurrent_sandbox.stripe.cards import CARDS, Refused, read_card
from bitcurrent_sandbox.stripe.errors import StripeError
from bitcurrent_sandbox.stripe.payments import DebitFate, Payments, Step
from bitcurrent_sandbox.stripe.store import Object, Store

_SIGNS: Final = {"usd": "$", "eur": "€", "gbp": "£"}
_FIELD_MAX: Final = 200
_HTML: Final = "text/html; charset=utf-8"
_OPERATOR_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
_PLACEHOLDER: Final = "{CHECKOUT_SESSION_ID}"


class Pages:
    """Handlers below the pages' prefix."""

    def __init__(self, *, store: Store, payments: Payments, prefix: str, merchant: str) -> None:
        self._store = store
        self._payments = payments
        self._prefix = prefix
        self._merchant = html.escape(merchant)
        folder = resources.files("bitcurrent_sandbox.stripe")
        self._layout = Template(folder.joinpath("layout.html").read_text())
        self._form = Template(folder.joinpath("pay.html").read_text())
        self._operator = folder.joinpath("operator.html").read_bytes()
        self._router = Router()
        for method, path, handler in (
            ("GET", "/?", self._operators),
            ("GET", "/pay/(?P<id>[^/]+)", self._show),
            ("POST", "/pay/(?P<id>[^/]+)", self._pay),
            ("GET", "/authenticate/(?P<id>[^/]+)", self._ask),
            ("POST", "/authenticate/(?P<id>[^/]+)", self._answer),
        ):
            self._router.add(method, prefix + path, handler)

    def answer(self, request: Request) -> Reply:
        """Answer one request; a page that is not there says so."""
        found = self._router.find(request.method, request.path)
        if found is None:
            return self._note("There is no such page.", status=404)
        handler, path = found
        try:
            reply = handler(request, path)
        except StripeError as error:
            return self._note(str(error), status=error.status)
        assert isinstance(reply, Reply)  # the pages' handlers answer at once
        return reply

    def _operators(self, _request: Request, _path: dict[str, str]) -> Reply:
        return Reply(body=self._operator, content_type=_HTML, headers=_OPERATOR_HEADERS)

    # Paying

    def _show(self, request: Request, path: dict[str, str]) -> Reply:
        session = self._payments.session(path["id"])
        if session["status"] != "open":
            return self._ended(session)
        number = request.query.get("card", "")
        values = {"number": number, "expiry": "12 / 34", "cvc": "123"} if number.isdigit() else {}
        return self._page(session, values, None)

    def _pay(self, request: Request, path: dict[str, str]) -> Reply:
        session = self._payments.session(path["id"])
        if session["status"] != "open":
            return self._ended(session)
        values = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        values = {name: value[:_FIELD_MAX] for name, value in values.items()}
        name, email = values.get("name") or None, values.get("email") or session["customer_email"]
        if values.get("method") in ("debit_succeeds", "debit_fails"):
            fate: DebitFate = "succeeds" if values["method"] == "debit_succeeds" else "fails"
            with self._store.transaction():
                session = self._payments.debit(session, fate=fate, name=name, email=email)
            return _go(_success_of(session))
        entered = read_card(number=values.get("number", ""), expiry=values.get("expiry", ""), cvc=values.get("cvc", ""))
        if isinstance(entered, Refused):
            return self._page(session, values, entered, status=422)
        with self._store.transaction():
            step, words = self._payments.pay(session, entered, name=name, email=email)
        return self._next(session, step, words, values)

    def _next(self, session: Object, step: Step, words: str, values: Mapping[str, str]) -> Reply:
        match step:
            case "paid":
                return _go(_success_of(session))
            case "authenticate":
                return _go(f"{self._prefix}/authenticate/{session['id']}")
            case "declined":
                return self._page(session, {**values, "cvc": ""}, Refused("card", "declined", words), status=402)

    # 3-D Secure

    def _ask(self, _request: Request, path: dict[str, str]) -> Reply:
        session = self._payments.session(path["id"])
        if session["status"] != "open":
            return self._ended(session)
        if not session.get("_waiting"):
            return _go(f"{self._prefix}/pay/{session['id']}")
        body = f"""<main class="narrow"><p class="eyebrow">3-D Secure</p>
<h1>Is it you who is paying?</h1>
<p>{self._merchant} asks for <strong>{_amount(session)}</strong>. Your bank would ask for a code or your fingerprint
here; in the sandbox you decide.</p>
<form method="post"><button class="primary" name="answer" value="complete">Complete authentication</button>
<button name="answer" value="fail">Fail authentication</button></form></main>"""
        return self._wrap("3-D Secure", body, session)

    def _answer(self, request: Request, path: dict[str, str]) -> Reply:
        session = self._payments.session(path["id"])
        if session["status"] != "open":
            return self._ended(session)
        values = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        with self._store.transaction():
            step, words = self._payments.authenticate(session, passed=values.get("answer") == "complete")
        return self._next(session, step, words, {})

    # Help

    def _page(self, session: Object, values: Mapping[str, str], refused: Refused | None, *, status: int = 200) -> Reply:
        debit = any(kind in objects.DEBIT.values() for kind in session["payment_method_types"])
        link = f"{self._prefix}/pay/{session['id']}"
        cards = "".join(
            f'<li><a href="{link}?card={card.number}#form"><code>{_spaced(card.number)}</code> '
            f"{html.escape(card.shown)}</a></li>"
            for card in CARDS
            if card.shown
        )
        back = (
            f'<a class="back" href="{html.escape(session["cancel_url"])}">Back to {self._merchant}</a>'
            if session["cancel_url"]
            else ""
        )
        body = self._form.substitute(
            merchant=self._merchant,
            back=back,
            what=html.escape(session["_name"]),
            amount=_amount(session),
            email=html.escape(values.get("email") or session["customer_email"] or ""),
            number=html.escape(values.get("number", "")),
            expiry=html.escape(values.get("expiry", "")),
            cvc=html.escape(values.get("cvc", "")),
            name=html.escape(values.get("name", "")),
            cards=cards,
            debit=_DEBIT if debit else "",
            **_errors(refused),
        )
        return self._wrap(f"Pay {self._merchant}", body, session, status=status)

    def _ended(self, session: Object) -> Reply:
        """Somebody opens a page again: who has paid is led on, others are told."""
        if session["status"] == "complete":
            return _go(_success_of(session))
        return self._note("This page has expired. Nothing was paid.", session=session, status=410)

    def _note(self, words: str, *, status: int, session: Object | None = None) -> Reply:
        back = (session or {}).get("cancel_url")
        link = f'<p><a href="{html.escape(back)}">Back to {self._merchant}</a></p>' if back else ""
        body = f'<main class="narrow"><h1>{html.escape(words)}</h1>{link}</main>'
        return self._wrap("Sandbox payments", body, session, status=status)

    def _wrap(self, title: str, body: str, session: Object | None, *, status: int = 200) -> Reply:
        # A browser applies form-action to where a form's answer redirects, too.
        urls = [url for url in ((session or {}).get("success_url"), (session or {}).get("cancel_url")) if url]
        origins = sorted({f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls})
        policy = (
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action 'self' {' '.join(origins)}"
        )
        return Reply(
            status=status,
            body=self._layout.substitute(title=title, body=body).encode(),
            content_type=_HTML,
            headers={
                "content-security-policy": policy.strip(),
                "cache-control": "no-store",
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
            },
        )


_DEBIT: Final = """<fieldset><legend>Or debit a bank account</legend>
<p class="hint">The bank answers later: the payment is complete but not paid until then.</p>
<button name="method" value="debit_succeeds" formnovalidate>Debit, succeeds later</button>
<button name="method" value="debit_fails" formnovalidate>Debit, fails later</button></fieldset>"""


def _errors(refused: Refused | None) -> dict[str, str]:
    """For each field whether it is at fault, and the words above all."""
    fields = {
        f"{name}_error": ' aria-invalid="true" aria-describedby="error"' if refused and refused.field == name else ""
        for name in ("number", "expiry", "cvc")
    }
    words = f'<p class="error" id="error" role="alert">{html.escape(refused.message)}</p>' if refused else ""
    return {**fields, "error": words}


def _success_of(session: Object) -> str:
    return str(session["success_url"]).replace(_PLACEHOLDER, quote(session["id"]))


def _go(url: str) -> Reply:
    headers = {"location": url, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Reply(status=303, content_type=_HTML, headers=headers)


def _amount(session: Object) -> str:
    minor, currency = session["amount_total"], session["currency"]
    return f"{_SIGNS[currency]}{minor // 100:,}.{minor % 100:02}"


def _spaced(number: str) -> str:
    return " ".join(number[index : index + 4] for index in range(0, len(number), 4))
