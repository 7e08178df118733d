"""The session's sandbox as a card processor, put back to its beginning before each test, and a receiver of webhooks."""

import contextlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stripe

from tests.support.sandbox import HTTP, Sandbox

PATIENCE_SECONDS = 8.0
# It would keep an id in the home folder of whoever runs the tests.
stripe.enable_telemetry = False


@dataclass
class Receiver:
    """A server that takes webhooks and answers them with the statuses that lie ready, then with 200."""

    url: str = ""
    got: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def events(self, secret: str) -> list[stripe.Event]:
        """What has come, verified by Stripe's own SDK."""
        return [stripe.Webhook.construct_event(body, signature, secret) for signature, body in list(self.got)]


@dataclass
class Stripe:
    """The processor as its own SDK sees it."""

    sandbox: Sandbox
    client: stripe.StripeClient
    receiver: Receiver

    @property
    def v1(self) -> Any:
        return self.client.v1

    def control(self, path: str, /, **body: Any) -> Any:
        return self.sandbox.control(f"stripe/{path}", **body)

    def session(self, amount: int = 10_000, currency: str = "usd", **more: Any) -> Any:
        """An open session."""
        price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Deposit"}}
        return self.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": [{"quantity": 1, "price_data": price}],
                "success_url": "https://shop.test/done?session={CHECKOUT_SESSION_ID}",
                "cancel_url": "https://shop.test/back",
                **more,
            }
        )

    def paid(self, amount: int = 10_000, *, card: str = "4242424242424242", currency: str = "usd") -> str:
        """A payment that has succeeded: the id of its PaymentIntent."""
        session = self.control("pay", session=self.session(amount, currency).id, card=card)
        assert session["payment_status"] == "paid"
        return str(session["payment_intent"])

    def charge(self, payment_intent: str) -> Any:
        return self.v1.payment_intents.retrieve(payment_intent, {"expand": ["latest_charge"]}).latest_charge

    def told(self, *kinds: str) -> list[stripe.Event]:
        """The webhooks that have come, once there is one of each kind."""
        found: list[stripe.Event] = []

        def came() -> bool:
            found[:] = self.receiver.events(self.sandbox.stripe_webhook_secret)
            return {*kinds} <= {event.type for event in found}

        eventually(came, lambda: f"only {[event.type for event in found]} came")
        return found

    def post(self, path: str, form: dict[str, str], *, key: str | None = None) -> httpx.Response:
        """A plain form POST, as the SDK sends it."""
        headers = {"Authorization": f"Bearer {self.sandbox.stripe_key}"}
        headers |= {"Idempotency-Key": key} if key else {}
        return HTTP.post(f"{self.sandbox.stripe_url}{path}", data=form, headers=headers)


def eventually(happens: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Ask until it is so, or fail with the words."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.answers.pop(0) if receiver.answers else 200
            if 200 <= status < 300:
                receiver.got.append((self.headers["stripe-signature"], body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client_of(sandbox: Sandbox) -> stripe.StripeClient:
    return stripe.StripeClient(sandbox.stripe_key, base_addresses={"api": sandbox.stripe_url}, max_network_retries=2)


@pytest.fixture
def processor(sandbox: Sandbox) -> Iterator[Stripe]:
    """Without objects and faults; nothing waits for days, and webhooks go to a receiver of the test's own."""
    with receiving() as receiver:
        sandbox.control("stripe/reset", state=True)
        sandbox.control("stripe/settings", retry_first_ms=20, available_seconds=3_600)
        sandbox.control("stripe/webhooks", url=receiver.url)
        yield Stripe(sandbox, client_of(sandbox), receiver)
        sandbox.control("stripe/webhooks", url="")
        sandbox.control("stripe/reset", state=True)
