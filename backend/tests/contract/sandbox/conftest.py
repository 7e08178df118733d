"""The still sandbox, put back to its beginning before each test, and ways to talk to it."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.sandbox import Sandbox

PATIENCE_SECONDS = 5.0


class Venue:
    """The sandbox as a plain HTTP client sees it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        keys = {"APCA-API-KEY-ID": sandbox.key_id, "APCA-API-SECRET-KEY": sandbox.secret_key}
        self.http = httpx.Client(base_url=sandbox.trading_url, headers=keys, timeout=10)

    def control(self, path: str, /, **body: Any) -> Any:
        """Order something of the operator's interface."""
        answer = self.http.post(f"{self.sandbox.url}/sandbox/control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self, **query: Any) -> Any:
        """The venue's own truth."""
        return self.http.get(f"{self.sandbox.url}/sandbox/control/state", params=query).json()

    def get(self, path: str, /, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def data(self, path: str, /, **query: Any) -> Any:
        return self.get(f"/v1beta3/crypto/us/{path}", **query)

    def post(self, **order: Any) -> httpx.Response:
        usual = {"symbol": "BTC/USD", "side": "buy", "type": "market", "time_in_force": "gtc"}
        return self.http.post("/v2/orders", json=usual | order)

    def submit(self, **order: Any) -> Any:
        answer = self.post(**order)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, answer: httpx.Response) -> tuple[int, int, str]:
        return answer.status_code, answer.json()["code"], answer.json()["message"]

    def order(self, order: Any) -> Any:
        return self.get(f"/v2/orders/{order['id']}")

    def settled(self, order: Any, *statuses: str) -> Any:
        """The order once it has one of the statuses."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            now = self.order(order)
            if now["status"] in statuses:
                return now
            assert time.monotonic() < deadline, f"still {now['status']}, not {statuses}"
            time.sleep(0.01)

    def filled(self, **order: Any) -> Any:
        return self.settled(self.submit(**order), "filled")

    def truth(self, client_order_id: str) -> Any:
        """The venue's own record of one client_order_id, or None."""
        return self.state(client_order_id=client_order_id)["orders"].get(client_order_id)

    @property
    def cash(self) -> Decimal:
        return Decimal(self.get("/v2/account")["cash"])

    def position(self, symbol: str) -> Decimal:
        held: dict[str, str] = self.state()["account"]["positions"]
        return Decimal(held.get(symbol, "0"))


def fresh_id() -> str:
    return f"test-{uuid4()}"


@pytest.fixture(scope="session")
def connected(sandbox: Sandbox) -> Iterator[Venue]:
    """The session's still sandbox, with one connection for all tests."""
    one = Venue(sandbox)
    with one.http:
        yield one


@pytest.fixture
def venue(connected: Venue) -> Iterator[Venue]:
    """Without orders, faults or pins; BTC at 50,000, hardly any latency."""
    connected.control("reset", state=True)
    connected.control("settings", requests_per_minute=100_000, fill_latency_ms=1, tick_ms=50)
    connected.control("price", symbol="BTC/USD", price="50000")
    yield connected
    connected.control("reset", state=True)
