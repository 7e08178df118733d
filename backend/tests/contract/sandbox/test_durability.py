"""What the sandbox has acknowledged outlives it; it starts and stops quickly."""

import time
from pathlib import Path

import httpx

from tests.contract.sandbox.conftest import Venue
from tests.support.sandbox import start_sandbox


def test_a_kill_loses_no_order_no_fill_and_no_bend_of_a_price(tmp_path: Path) -> None:
    with start_sandbox("--still", data=tmp_path) as first:
        before = Venue(first)
        before.control("price", symbol="BTC/USD", price="50000")
        done = before.filled(qty="0.1")
        resting = before.settled(before.submit(type="limit", limit_price="49000", qty="0.2"), "new")
        before.control("fill", order_id=resting["id"], qty="0.05", price="49000")
        before.control("settings", fill_latency_ms=60_000)
        accepted = before.submit(qty="0.01")
        books = before.state()["account"]
        activities = before.get("/v2/account/activities/FILL")
        first.process.kill()
        first.process.wait()
    with start_sandbox("--still", data=tmp_path) as second:
        after = Venue(second)
        assert after.order(done) == done
        assert after.get("/v2/account/activities/FILL")[-2:] == activities
        assert after.order(resting)["filled_qty"] == "0.05"
        # The order that was accepted and not yet traded is taken up again.
        assert after.settled(accepted, "filled")["filled_avg_price"] == "50000.01"
        assert float(after.state()["account"]["cash"]) < float(books["cash"])
        after.control("price", symbol="BTC/USD", price="48000")
        assert after.settled(resting, "filled")["filled_qty"] == "0.2"
        assert after.post(qty="0.1", client_order_id=done["client_order_id"]).status_code == 422


def test_it_is_ready_within_three_seconds_and_stops_within_two_even_with_streams_open(tmp_path: Path) -> None:
    began = time.monotonic()
    with start_sandbox(data=tmp_path) as sandbox:
        assert time.monotonic() - began < 3
        keys = {"APCA-API-KEY-ID": sandbox.key_id, "APCA-API-SECRET-KEY": sandbox.secret_key}
        events = f"{sandbox.trading_url}/v2/events/trades"
        with httpx.Client(headers=keys, timeout=5) as client, client.stream("GET", events) as answer:
            assert next(answer.iter_lines()) == ": welcome"
            assert httpx.get(f"{sandbox.url}/sandbox/health").json()["memory_mb"] < 120
            asked = time.monotonic()
            sandbox.process.terminate()
            assert sandbox.process.wait(timeout=5) == 0
            assert time.monotonic() - asked < 2
