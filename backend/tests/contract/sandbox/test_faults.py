"""Every fault that the operator can order does what it says, as often as it says."""

import asyncio
import time
from typing import Any

import httpx
import pytest
import websockets

from tests.contract.sandbox.conftest import Venue, fresh_id
from tests.contract.sandbox.test_streams import events, receive, trading_socket

BUY = {"symbol": "BTC/USD", "side": "buy", "type": "market", "time_in_force": "gtc", "qty": "0.01"}


def order_fault(venue: Venue, kind: str, **more: Any) -> Any:
    return venue.control("faults", kind=kind, method="POST", path="/v2/orders", **more)


def test_an_answer_dropped_after_accepting_leaves_an_order_behind(venue: Venue) -> None:
    order_fault(venue, "drop_after")
    mine = fresh_id()
    with pytest.raises(httpx.RemoteProtocolError):
        venue.post(qty="0.01", client_order_id=mine)
    assert venue.settled(venue.truth(mine)["order"], "filled")
    assert venue.post(qty="0.01", client_order_id=mine).status_code == 422
    assert venue.post(qty="0.01").status_code == 200


def test_a_request_dropped_before_accepting_leaves_nothing_behind(venue: Venue) -> None:
    order_fault(venue, "drop_before", count=2)
    mine = fresh_id()
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            venue.post(qty="0.01", client_order_id=mine)
        assert venue.truth(mine) is None
    assert venue.post(qty="0.01", client_order_id=mine).status_code == 200


def test_an_answer_can_be_cut_in_the_middle(venue: Venue) -> None:
    order_fault(venue, "cut_after")
    mine = fresh_id()
    with pytest.raises(httpx.RemoteProtocolError):
        venue.post(qty="0.01", client_order_id=mine)
    assert venue.truth(mine) is not None


@pytest.mark.parametrize("kind", ["delay_before", "delay_after"])
def test_answers_can_be_late(venue: Venue, kind: str) -> None:
    order_fault(venue, kind, ms=300)
    mine, began = fresh_id(), time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        venue.http.post("/v2/orders", json=BUY | {"client_order_id": mine}, timeout=0.1)
    assert (venue.truth(mine) is None) == (kind == "delay_before")
    time.sleep(max(0.0, 0.4 - (time.monotonic() - began)))
    assert venue.truth(mine) is not None


@pytest.mark.parametrize(("kind", "accepted"), [("error_before", False), ("error_after", True)])
@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_errors_come_before_or_after_accepting(venue: Venue, kind: str, accepted: bool, status: int) -> None:
    order_fault(venue, kind, status=status)
    mine = fresh_id()
    answer = venue.post(qty="0.01", client_order_id=mine)
    assert answer.status_code == status
    assert isinstance(answer.json()["code"], int)
    assert (venue.truth(mine) is not None) is accepted


def test_a_fault_strikes_only_what_it_names_and_can_be_taken_back(venue: Venue) -> None:
    fault = venue.control("faults", kind="error_before", count=0, method="GET", path="/v2/orders*", status=502)
    assert venue.post(qty="0.01").status_code == 200
    assert venue.http.get("/v2/account").status_code == 200
    assert [venue.http.get("/v2/orders").status_code for _ in range(3)] == [502, 502, 502]
    assert [one["struck"] for one in venue.state()["faults"]] == [3]
    assert venue.http.delete(f"{venue.sandbox.url}/sandbox/control/faults/{fault['id']}").status_code == 200
    assert venue.http.get("/v2/orders").status_code == 200


def test_an_order_can_be_rejected_after_it_was_accepted(venue: Venue) -> None:
    venue.control("faults", kind="reject_order")
    first, second = venue.submit(qty="0.01"), venue.submit(qty="0.01")
    assert venue.settled(first, "rejected")["failed_at"]
    venue.settled(second, "filled")
    resting = venue.settled(venue.submit(type="limit", limit_price="40000", qty="0.1"), "new")
    venue.control("reject", order_id=resting["id"])
    assert venue.order(resting)["status"] == "rejected"


async def test_events_can_be_doubled_swapped_lost_and_late(venue: Venue) -> None:
    async with trading_socket(venue) as socket:
        venue.control("faults", kind="duplicate_event", event="fill")
        await asyncio.to_thread(venue.filled, qty="0.01")
        assert await events(socket, 4) == ["pending_new", "new", "fill", "fill"]
        venue.control("faults", kind="reorder_event", event="new")
        await asyncio.to_thread(venue.filled, qty="0.01")
        assert await events(socket, 3) == ["pending_new", "fill", "new"]
        venue.control("faults", kind="drop_event", event="fill")
        await asyncio.to_thread(venue.filled, qty="0.01")
        assert await events(socket, 2) == ["pending_new", "new"]
        venue.control("faults", kind="delay_event", event="pending_new", ms=300)
        await asyncio.to_thread(venue.filled, qty="0.01")
        assert await events(socket, 3) == ["new", "fill", "pending_new"]


async def test_streams_can_go_silent_with_their_sockets_open(venue: Venue) -> None:
    async with trading_socket(venue) as socket:
        venue.control("settings", trading_silent=True)
        await asyncio.to_thread(venue.filled, qty="0.01")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)
        await (await socket.ping())
        venue.control("settings", trading_silent=False)
        await asyncio.to_thread(venue.filled, qty="0.01")
        assert await events(socket, 3) == ["pending_new", "new", "fill"]


async def test_streams_can_be_closed(venue: Venue) -> None:
    async with trading_socket(venue) as socket:
        assert venue.control("streams/close", stream="trading") == {"closed": 1}
        with pytest.raises(websockets.ConnectionClosed):
            await receive(socket)


async def test_an_event_of_an_unknown_name_can_be_sent_and_a_fill_repeated(venue: Venue) -> None:
    async with trading_socket(venue) as socket:
        order = await asyncio.to_thread(venue.filled, qty="0.01")
        first = [await receive(socket) for _ in range(3)][-1]
        venue.control("event", order_id=order["id"], event="reticulated")
        assert await events(socket, 1) == ["reticulated"]
        venue.control("event", order_id=order["id"], event="fill", repeat_fill=True)
        assert (await receive(socket))["data"]["execution_id"] == first["data"]["execution_id"]


def test_fills_can_be_held_back_and_let_go(venue: Venue) -> None:
    venue.control("settings", hold_fills=True)
    order = venue.settled(venue.submit(qty="0.01"), "new")
    time.sleep(0.2)
    assert venue.order(order)["filled_qty"] == "0"
    venue.control("settings", hold_fills=False)
    venue.settled(order, "filled")


def test_a_fill_can_overtake_a_cancel(venue: Venue) -> None:
    venue.control("settings", cancel_latency_ms=300)
    order = venue.settled(venue.submit(type="limit", limit_price="40000", qty="0.1"), "new")
    assert venue.http.delete(f"/v2/orders/{order['id']}").status_code == 204
    assert venue.order(order)["status"] == "pending_cancel"
    venue.control("fill", order_id=order["id"], qty="0.1", price="40000")
    assert venue.settled(order, "filled", "canceled")["status"] == "filled"
    time.sleep(0.4)
    assert venue.order(order)["status"] == "filled"


def test_a_forced_fill_is_exact_and_bounded(venue: Venue) -> None:
    order = venue.settled(venue.submit(type="limit", limit_price="40000", qty="0.1"), "new")
    fill = venue.control("fill", order_id=order["id"], qty="0.03", price="39123.45")
    assert (fill["qty"], fill["price"], fill["leaves_qty"]) == ("0.03", "39123.45", "0.07")
    too_much = {"order_id": order["id"], "qty": "0.08", "price": "40000"}
    assert venue.http.post(f"{venue.sandbox.url}/sandbox/control/fill", json=too_much).status_code == 422


def test_a_halted_asset_takes_no_orders_and_fills_none(venue: Venue) -> None:
    resting = venue.settled(venue.submit(type="limit", limit_price="49000", qty="0.1"), "new")
    venue.control("halt", symbol="BTC/USD")
    venue.control("price", symbol="BTC/USD", price="48000")
    assert venue.get("/v2/assets/BTC/USD")["tradable"] is False
    assert venue.refused(venue.post(qty="0.1"))[2] == "asset BTC/USD is not tradable"
    assert venue.order(resting)["status"] == "new"
    venue.control("unhalt", symbol="BTC/USD")
    venue.settled(resting, "filled")


def test_the_price_can_jump_be_pinned_and_let_go(venue: Venue) -> None:
    venue.control("unpin", symbol="BTC/USD")
    assert venue.control("jump", symbol="BTC/USD", percent="-20")["last"] == "52000"
    assert venue.control("price", symbol="BTC/USD", price="12345.67")["pinned"] is True
    latest = venue.data("latest/trades", symbols="BTC/USD")["trades"]["BTC/USD"]
    assert latest["p"] == 12345.67
    assert venue.control("unpin", symbol="BTC/USD") == {
        "symbol": "BTC/USD", "bid": "64999.99", "ask": "65000.01", "last": "65000", "pinned": False, "halted": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"kind": "earthquake"}),
        ("faults", {"kind": "drop_after", "surprise": 1}),
        ("price", {"symbol": "NOPE/USD", "price": "1"}),
        ("price", {"symbol": "BTC/USD", "price": "-1"}),
        ("settings", {"taker_bps": "-1"}),
        ("settings", {"colour": "blue"}),
        ("streams/close", {"stream": "river"}),
    ],
)
def test_controls_refuse_what_makes_no_sense(venue: Venue, path: str, body: dict[str, Any]) -> None:
    answer = venue.http.post(f"{venue.sandbox.url}/sandbox/control/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["message"]


def test_a_page_of_another_site_cannot_give_orders(venue: Venue) -> None:
    answer = venue.http.post(f"{venue.sandbox.url}/sandbox/control/reset", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_the_operators_page_needs_nothing_from_elsewhere(venue: Venue) -> None:
    answer = venue.http.get(f"{venue.sandbox.url}/sandbox")
    assert answer.status_code == 200
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
