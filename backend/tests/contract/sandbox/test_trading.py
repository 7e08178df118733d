"""Orders at the sandbox: rules, matching, fees, replacing and cancelling."""

import time
from decimal import Decimal

import pytest

from tests.contract.sandbox.conftest import Venue, fresh_id
from tests.support.alpaca_shapes import assert_shape

ASK, BID = Decimal("50000.01"), Decimal("49999.99")


def test_a_market_buy_fills_at_the_ask_and_pays_its_fee_in_the_coin(venue: Venue) -> None:
    before = venue.cash
    order = venue.filled(qty="0.1")
    assert (order["filled_qty"], order["filled_avg_price"]) == ("0.1", str(ASK))
    assert venue.position("BTC/USD") == Decimal("0.09975")
    assert before - venue.cash == Decimal("0.1") * ASK


def test_a_sell_pays_its_fee_in_dollars(venue: Venue) -> None:
    venue.filled(qty="0.1")
    before = venue.cash
    venue.filled(side="sell", qty="0.05")
    assert venue.cash - before == Decimal("0.05") * BID * (1 - Decimal("0.0025"))
    assert venue.position("BTC/USD") == Decimal("0.04975")


def test_cash_is_exact_and_never_rounded(venue: Venue) -> None:
    venue.control("price", symbol="SHIB/USD", price="0.000018501")
    before = venue.cash
    venue.filled(symbol="SHIB/USD", qty="1234567")
    assert before - venue.cash == 1234567 * Decimal("0.000018502")


def test_a_notional_buy_spends_what_it_was_given_to_the_last_increment(venue: Venue) -> None:
    before = venue.cash
    order = venue.filled(notional="1000")
    spent = before - venue.cash
    assert 0 <= 1000 - spent < ASK * Decimal("0.000000003")
    assert order["qty"] is None
    assert order["notional"] == "1000"


def test_a_notional_limit_order_works_too(venue: Venue) -> None:
    order = venue.filled(notional="500", type="limit", limit_price="50100")
    assert Decimal(order["filled_avg_price"]) == ASK


def test_a_large_order_walks_the_book_in_several_fills_at_worse_prices(venue: Venue) -> None:
    venue.control("settings", depth_usd=10_000)
    order = venue.filled(notional="45000")
    prices = [Decimal(fill["price"]) for fill in venue.truth(order["client_order_id"])["fills"]]
    assert len(prices) == 5
    assert prices == sorted(set(prices))
    assert prices[0] == ASK < Decimal(order["filled_avg_price"]) < prices[-1]


def test_more_than_the_book_holds_is_had_in_parts_over_time(venue: Venue) -> None:
    venue.control("settings", depth_usd=1_000)
    order = venue.submit(qty="0.5")
    part = venue.settled(order, "partially_filled")
    assert 0 < Decimal(part["filled_qty"]) < Decimal("0.5")
    venue.control("settings", depth_usd=100_000)
    assert venue.settled(order, "filled")["filled_qty"] == "0.5"


def test_a_resting_limit_fills_at_its_limit_as_maker_when_the_market_comes_through(venue: Venue) -> None:
    order = venue.submit(type="limit", limit_price="49000", qty="0.2")
    venue.settled(order, "new")
    venue.control("price", symbol="BTC/USD", price="48990")
    done = venue.settled(order, "filled")
    assert done["filled_avg_price"] == "49000"
    assert venue.position("BTC/USD") == Decimal("0.2") * (1 - Decimal("0.0015"))


def test_a_stop_limit_waits_for_its_stop(venue: Venue) -> None:
    venue.filled(qty="0.1")
    order = venue.submit(side="sell", type="stop_limit", stop_price="48000", limit_price="47900", qty="0.05")
    venue.control("price", symbol="BTC/USD", price="48500")
    assert venue.order(order)["filled_qty"] == "0"
    venue.control("price", symbol="BTC/USD", price="47950")
    assert Decimal(venue.settled(order, "filled")["filled_avg_price"]) == Decimal("47949.99")


def test_what_an_ioc_order_cannot_have_at_once_is_cancelled(venue: Venue) -> None:
    order = venue.submit(type="limit", limit_price="49000", qty="0.1", time_in_force="ioc")
    assert venue.settled(order, "canceled")["filled_qty"] == "0"


def test_replacing_makes_a_new_order_whose_quantity_is_what_is_to_be_traded_from_then_on(venue: Venue) -> None:
    old = venue.submit(type="limit", limit_price="49000", qty="1")
    venue.settled(old, "new")
    venue.control("fill", order_id=old["id"], qty="0.4", price="49000")
    answer = venue.http.patch(f"/v2/orders/{old['id']}", json={"limit_price": "49100"})
    assert answer.status_code == 200, answer.text
    new = answer.json()
    assert (new["replaces"], new["qty"], new["filled_qty"]) == (old["id"], "0.6", "0")
    was = venue.order(old)
    assert (was["status"], was["replaced_by"], was["filled_qty"]) == ("replaced", new["id"], "0.4")
    assert venue.http.patch(f"/v2/orders/{old['id']}", json={"limit_price": "1"}).status_code == 422


def test_cancelling_gives_the_hold_back_and_works_once(venue: Venue) -> None:
    order = venue.submit(type="limit", limit_price="40000", qty="1")
    venue.settled(order, "new")
    assert Decimal(venue.get("/v2/account")["buying_power"]) == venue.cash - 40000
    first = venue.http.delete(f"/v2/orders/{order['id']}")
    assert (first.status_code, first.content) == (204, b"")
    assert Decimal(venue.get("/v2/account")["buying_power"]) == venue.cash
    assert venue.refused(venue.http.delete(f"/v2/orders/{order['id']}")) == (
        422, 42210000, 'order is already in "canceled" state',
    )  # fmt: skip


def test_cancel_all_answers_for_each_order(venue: Venue) -> None:
    orders = [venue.submit(type="limit", limit_price="40000", qty="0.1") for _ in range(3)]
    answer = venue.http.delete("/v2/orders")
    assert answer.status_code == 207
    assert_shape("trading", "CanceledOrders", answer.json())
    assert {one["id"] for one in answer.json()} == {order["id"] for order in orders}


def test_a_client_order_id_is_good_for_one_order_for_ever(venue: Venue) -> None:
    mine = fresh_id()
    order = venue.filled(qty="0.01", client_order_id=mine)
    again = venue.post(qty="0.01", client_order_id=mine)
    assert venue.refused(again) == (422, 40010001, "client_order_id must be unique")
    assert venue.get("/v2/orders:by_client_order_id", client_order_id=mine)["id"] == order["id"]
    assert len(venue.truth(mine)["fills"]) == 1


def test_fill_activities_come_at_once_and_the_fee_activity_later(venue: Venue) -> None:
    venue.control("settings", fees_paused=True)
    order = venue.filled(qty="0.1")
    venue.filled(side="sell", qty="0.05")
    activities = venue.get("/v2/account/activities")
    assert_shape("trading", "Activities", activities)
    assert [one["activity_type"] for one in activities] == ["FILL", "FILL"]
    assert activities[-1]["order_id"] == order["id"]
    assert venue.control("fees") == {"posted": 2}
    sold, bought = venue.get("/v2/account/activities/CFEE")
    assert (bought["qty"], bought["net_amount"]) == ("-0.00025", "0")
    assert (sold["qty"], Decimal(sold["net_amount"])) == ("0", -Decimal("0.05") * BID * Decimal("0.0025"))
    assert venue.control("fees") == {"posted": 0}


def test_activities_come_in_pages(venue: Venue) -> None:
    for _ in range(5):
        venue.filled(qty="0.001")
    everything = [one["id"] for one in venue.get("/v2/account/activities/FILL")]
    seen: list[str] = []
    while page := venue.get("/v2/account/activities/FILL", page_size=2, page_token=seen[-1] if seen else ""):
        seen += [one["id"] for one in page]
    assert seen == everything
    assert len(seen) == 5


def test_orders_are_listed_by_status_side_symbol_and_time(venue: Venue) -> None:
    resting = venue.submit(type="limit", limit_price="40000", qty="0.1")
    done = venue.filled(qty="0.01")
    assert [one["id"] for one in venue.get("/v2/orders")] == [resting["id"]]
    assert [one["id"] for one in venue.get("/v2/orders", status="closed")] == [done["id"]]
    assert [one["id"] for one in venue.get("/v2/orders", status="all", direction="asc")] == [resting["id"], done["id"]]
    assert venue.get("/v2/orders", status="all", side="sell") == []
    assert venue.get("/v2/orders", status="all", symbols="ETH/USD") == []
    later = venue.get("/v2/orders", status="all", after=resting["submitted_at"])
    assert [one["id"] for one in later] == [done["id"]]


def test_positions_are_found_by_pair_by_joined_pair_and_by_asset_id(venue: Venue) -> None:
    venue.filled(qty="0.1")
    by_pair = venue.get("/v2/positions/BTC/USD")
    assert_shape("trading", "Position", by_pair)
    for name in ("BTCUSD", by_pair["asset_id"]):
        assert venue.get(f"/v2/positions/{name}")["qty"] == by_pair["qty"] == "0.09975"
    closed = venue.http.delete("/v2/positions", params={"cancel_orders": "True"})
    assert closed.status_code == 207
    assert_shape("trading", "ClosedPositions", closed.json())
    venue.settled(closed.json()[0]["body"], "filled")
    assert venue.position("BTC/USD") == 0


REFUSALS = [
    ({"qty": "0.0001"}, 403, 40310000, "cost basis must be >= minimal amount of order 10"),
    ({"notional": "9.99"}, 403, 40310000, "cost basis must be >= minimal amount of order 10"),
    ({"notional": "200001"}, 403, 40310000, "cost basis must be <= maximal amount of order 200000"),
    ({"qty": "0.1", "time_in_force": "day"}, 422, 42210000, "invalid crypto time_in_force"),
    ({"qty": "0.1", "symbol": "NOPE/USD"}, 422, 42210000, 'asset "NOPE/USD" not found'),
    ({"qty": "0.1", "type": "trailing_stop"}, 422, 42210000, "invalid order type for crypto order: trailing_stop"),
    ({"qty": "0.1", "notional": "10"}, 422, 42210000, "only one of qty or notional"),
    ({}, 422, 42210000, "qty or notional is required"),
    ({"qty": "NaN"}, 422, 42210000, "invalid qty: NaN"),
    ({"qty": "1e400"}, 422, 42210000, "invalid qty: 1e400"),
    ({"qty": "-1"}, 422, 42210000, "qty must be > 0"),
    ({"qty": "0.0000000001"}, 422, 42210000, "qty is limited to 9 decimal places"),
    ({"qty": "0.1", "type": "limit"}, 422, 42210000, "limit orders require limit price"),
    (
        {"qty": "0.1", "type": "limit", "limit_price": "100.001"},
        422, 42210000, "invalid limit_price 100.001: price increment is 0.01",
    ),
    ({"qty": "0.1", "client_order_id": "x" * 129}, 422, 40010001,
     "client_order_id must be no more than 128 characters"),
    ({"qty": "0.1", "side": "sell"}, 403, 40310000,
     "insufficient balance for BTC (requested: 0.1, available: 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "status", "code", "message"), REFUSALS)
def test_refusals_carry_the_venues_codes(
    venue: Venue, order: dict[str, str], status: int, code: int, message: str
) -> None:
    answer = venue.post(**order)
    assert_shape("trading", "Error", answer.json())
    assert venue.refused(answer) == (status, code, message)
    assert venue.state()["counts"]["orders"] == 0


def test_sells_have_no_floor_and_buys_no_more_than_the_cash(venue: Venue) -> None:
    venue.filled(qty="0.1")
    assert Decimal(venue.filled(side="sell", qty="0.00001")["filled_qty"]) == Decimal("0.00001")
    venue.control("credit", amount=str(100 - venue.cash))
    answer = venue.post(notional="101")
    assert venue.refused(answer) == (
        403, 40310000, "insufficient balance for USD (requested: 101, available: 100)",
    )  # fmt: skip


def test_numbers_may_come_as_json_floats(venue: Venue) -> None:
    answer = venue.http.post(
        "/v2/orders",
        content=b'{"symbol":"BTCUSD","qty":1e-02,"side":"buy","type":"market","time_in_force":"gtc"}',
    )
    assert answer.json()["qty"] == "0.01"


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff", b"x" * 1_100_000])
def test_a_body_that_is_no_object_is_refused(venue: Venue, body: bytes) -> None:
    answer = venue.http.post("/v2/orders", content=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == 40010000


def test_wrong_keys_are_refused(venue: Venue) -> None:
    for headers in ({"APCA-API-SECRET-KEY": "wrong"}, {"APCA-API-KEY-ID": "wrong"}):
        answer = venue.http.get("/v2/account", headers=headers)
        assert venue.refused(answer) == (401, 40110000, "request is not authorized")


def test_the_minutes_budget_is_counted_and_refused_with_429(venue: Venue) -> None:
    left = 60 - time.time() % 60
    if left < 2:
        time.sleep(left)  # the budget is renewed as the minute turns
    venue.control("reset")
    venue.control("settings", requests_per_minute=3)
    answers = [venue.http.get("/v2/clock") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert [one.headers["X-RateLimit-Remaining"] for one in answers] == ["2", "1", "0", "0"]
    assert answers[0].headers["X-RateLimit-Limit"] == "3"
    assert int(answers[0].headers["X-RateLimit-Reset"]) % 60 == 0
    assert venue.refused(answers[3]) == (429, 42910000, "rate limit exceeded")
    # Market data has a budget of its own.
    assert venue.http.get("/v1beta3/crypto/us/latest/trades?symbols=BTC/USD").status_code == 200
