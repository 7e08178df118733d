"""The trading API answers in Alpaca's shapes, whatever it is asked."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.botapi.conftest import SECRET, House, refused
from tests.support.alpaca_shapes import assert_shape
from tests.support.brokerage import client_of
from tests.support.customers import PASSWORD, register

pytestmark = pytest.mark.asyncio(loop_scope="module")


# ---- reading


async def test_a_new_account_is_all_cash(house: House) -> None:
    bot = await house.bot(USD="1000.50")
    account = await bot.get("/v2/account")
    assert_shape("trading", "Account", account)
    assert account["id"] == str(bot.user_id)
    for name in ("cash", "buying_power", "equity", "portfolio_value", "last_equity"):
        assert account[name] == "1000.5", name
    assert account["position_market_value"] == "0"


async def test_money_in_an_open_buy_is_cash_but_no_buying_power(house: House) -> None:
    bot = await house.bot(USD="1000")
    await bot.submit(qty="0.01", limit_price="50000")
    account = await bot.get("/v2/account")
    assert (account["cash"], account["buying_power"], account["equity"]) == ("1000", "500", "1000")


async def test_assets_have_the_markets_rules(house: House) -> None:
    bot = await house.bot()
    assets = await bot.get("/v2/assets", asset_class="crypto", status="active")
    assert_shape("trading", "Assets", assets)
    assert len(assets) >= 20
    bitcoin = next(asset for asset in assets if asset["symbol"] == "BTC/USD")
    for name in ("BTC/USD", "BTC%2FUSD", "BTCUSD", "btcusd", bitcoin["id"]):
        assert await bot.get(f"/v2/assets/{name}") == bitcoin, name
    assert await bot.get("/v2/assets", asset_class="us_equity") == []
    assert await bot.get("/v2/assets", status="inactive") == []
    assert "NOPE" in refused(await bot.http.get("/v2/assets/NOPE/USD"), 404, 40410000)


async def test_clock_and_calendar_never_close(house: House) -> None:
    bot = await house.bot()
    clock = await bot.get("/v2/clock")
    assert_shape("trading", "Clock", clock)
    assert clock["is_open"] is True
    days = await bot.get("/v2/calendar", start="2026-02-27", end="2026-03-01")
    assert_shape("trading", "Calendar", days)
    assert [day["date"] for day in days] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert len(await bot.get("/v2/calendar")) in {365, 366}
    assert len(await bot.get("/v2/calendar", start="1970-01-01", end="2999-01-01")) == 3700


async def test_configurations_are_what_they_are(house: House) -> None:
    bot = await house.bot()
    present = await bot.get("/v2/account/configurations")
    assert_shape("trading", "AccountConfiguration", present)
    same = await bot.http.patch("/v2/account/configurations", json={**present, "dtbp_check": None})
    assert same.json() == present
    changed = await bot.http.patch("/v2/account/configurations", json={"no_shorting": False})
    assert "no_shorting" in refused(changed, 422, 42210000)


# ---- who may


async def test_nobody_gets_in_without_a_good_key(house: House) -> None:
    bot = await house.bot(USD="100")
    stranger = client_of(house.app)
    for headers in (
        {},
        {"APCA-API-KEY-ID": "BKNOBODY", "APCA-API-SECRET-KEY": SECRET},
        {"APCA-API-KEY-ID": bot.http.headers["APCA-API-KEY-ID"], "APCA-API-SECRET-KEY": "wrong"},
        {"APCA-API-KEY-ID": bot.http.headers["APCA-API-KEY-ID"]},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YTpi"},
    ):
        for method, path in (("GET", "/v2/account"), ("POST", "/v2/orders"), ("DELETE", "/v2/positions")):
            refused(await stranger.request(method, path, headers=headers), 401, 40110000)


async def test_a_session_token_is_as_good_as_a_key_and_a_cookie_is_not(house: House) -> None:
    person = client_of(house.app)
    pia = await register(person)
    token = (await person.post("/api/login", json={"email": pia.email, "password": PASSWORD})).json()["token"]
    assert person.cookies
    refused(await person.get("/v2/account"), 401, 40110000)
    bearer = client_of(house.app)
    answer = await bearer.get("/v2/account", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


async def test_a_key_that_may_only_read_cannot_trade(house: House) -> None:
    bot = await house.bot(scopes=("read",), USD="1000", BTC="1")
    await bot.get("/v2/account")
    order = {"symbol": "BTC/USD", "side": "buy", "type": "market", "time_in_force": "gtc", "notional": "10"}
    for method, path, body in (
        ("POST", "/v2/orders", order),
        ("PATCH", "/v2/account/configurations", {}),
        ("DELETE", "/v2/orders", None),
        ("DELETE", "/v2/positions/BTCUSD", None),
    ):
        assert "trade" in refused(await bot.http.request(method, path, json=body), 403, 40110000)
    assert await bot.get("/v2/orders", status="all") == []


async def test_somebody_elses_order_does_not_exist(house: House) -> None:
    ann, ben = await house.bot(USD="1000"), await house.bot(USD="1000")
    order = await ann.submit(client_order_id="mine")
    path = f"/v2/orders/{order['id']}"
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"limit_price": "51000"})):
        refused(await ben.http.request(method, path, json=body), 404, 40410000)
    refused(await ben.http.get("/v2/orders:by_client_order_id?client_order_id=mine"), 404, 40410000)
    assert (await ann.get(path))["status"] == "accepted"
    await ben.submit(client_order_id="mine")


# ---- orders


async def test_an_order_has_every_field(house: House) -> None:
    bot = await house.bot(USD="100000", BTC="1")
    for order in (
        await bot.submit(),
        await bot.submit(notional="25", limit_price="60000"),
        await bot.submit(type="market", notional="100"),
        await bot.submit(type="market", qty="0.01", symbol="BTCUSD"),
        await bot.submit(type="market", qty="0.01", side="sell", time_in_force="ioc"),
        await bot.submit(type="stop_limit", qty="0.01", stop_price="90000", limit_price="90500", side="buy"),
        await bot.submit(order_class="simple", extended_hours=False, position_intent="buy_to_open"),
    ):
        assert_shape("trading", "Order", order)
        assert order["symbol"] == "BTC/USD"
        assert order["client_order_id"]
        assert await bot.get(f"/v2/orders/{order['id']}") == order
        named = await bot.get("/v2/orders:by_client_order_id", client_order_id=order["client_order_id"])
        assert named == order


async def test_numbers_are_taken_from_their_literal(house: House) -> None:
    bot = await house.bot(USD="1000", BTC="1")
    for literal in ("1e-05", "0.00001", '"0.00001"', '"1e-5"', "1.0e-05"):
        body = '{"symbol":"BTC/USD","side":"sell","type":"limit","time_in_force":"gtc","limit_price":90000.01,"qty":%s}'
        answer = await bot.http.post("/v2/orders", content=body % literal)
        assert (answer.json()["qty"], answer.json()["limit_price"]) == ("0.00001", "90000.01"), answer.text


@pytest.mark.parametrize(
    ("change", "status", "code", "says"),
    [
        ({"qty": "NaN"}, 422, 40010001, "qty"),
        ({"qty": "1e400"}, 422, 40010001, "qty"),
        ({"qty": -1}, 422, 40010001, "qty"),
        ({"qty": 0}, 422, 40010001, "qty"),
        ({"qty": True}, 422, 40010001, "qty"),
        ({"qty": "0.0000000001"}, 422, 42210000, "qty"),
        ({"qty": "0.000001"}, 403, 40310000, "minimal qty"),
        ({"qty": None}, 422, 42210000, "qty or notional is required"),
        ({"notional": "100"}, 422, 42210000, "only one of qty or notional"),
        ({"qty": "0.0001"}, 403, 40310000, "cost basis must be >= minimal amount of order 10"),
        ({"qty": "5"}, 403, 40310000, "cost basis must be <= maximal amount of order 200000"),
        ({"qty": "0.5"}, 403, 40310000, "insufficient balance for USD (requested: 25000, available: 1000)"),
        ({"side": "sell"}, 403, 40310000, "insufficient balance for BTC (requested: 0.001, available: 0)"),
        ({"limit_price": "50000.001"}, 422, 42210000, "limit_price"),
        ({"limit_price": None}, 422, 42210000, "limit_price"),
        ({"type": "market"}, 422, 42210000, "limit_price"),
        ({"type": "stop"}, 422, 42210000, "order type"),
        ({"type": "trailing_stop", "trail_price": "5"}, 422, 42210000, "order type"),
        ({"trail_percent": "5"}, 422, 42210000, "trailing_stop"),
        ({"time_in_force": "day"}, 422, 42210000, "invalid crypto time_in_force"),
        ({"side": "short"}, 422, 40010001, "side"),
        ({"symbol": "NOPE/USD"}, 422, 42210000, "symbol"),
        ({"symbol": 7}, 422, 40010001, "symbol"),
        ({"order_class": "bracket"}, 422, 42210000, "order_class"),
        ({"take_profit": {"limit_price": 1}}, 422, 42210000, "order_class"),
        ({"extended_hours": True}, 422, 42210000, "extended_hours"),
        ({"position_intent": "sell_to_open"}, 422, 42210000, "position_intent"),
        ({"client_order_id": "x" * 129}, 422, 40010001, "client_order_id"),
        ({"colour": "red"}, 422, 40010001, "colour"),
        ({"user_id": "somebody"}, 422, 40010001, "user_id"),
    ],
)
async def test_a_wrong_order_is_refused_and_holds_nothing(
    house: House, change: dict[str, Any], status: int, code: int, says: str
) -> None:
    bot = await house.bot(USD="1000")
    order = {"symbol": "BTC/USD", "side": "buy", "type": "limit", "time_in_force": "gtc"}
    order |= {"qty": "0.001", "limit_price": "50000"}
    answer = await bot.http.post("/v2/orders", json={**order, **change})
    assert says in refused(answer, status, code)
    assert await house.balance(bot, "USD") == (Decimal(1000), Decimal(0))


async def test_missing_fields_and_other_bodies_are_named(house: House) -> None:
    bot = await house.bot(USD="1000")
    for body, status, code, says in (
        (b"{}", 422, 40010001, "symbol"),
        (b"", 422, 40010001, "symbol"),
        (b"{", 400, 40010000, "request body format is invalid"),
        (b"[1]", 400, 40010000, "request body format is invalid"),
        (b'"text"', 400, 40010000, "request body format is invalid"),
        (b"\xff\xfe", 400, 40010000, "request body format is invalid"),
        (b" " * 70_000 + b"{}", 413, 41310000, "too large"),
    ):
        assert says in refused(await bot.http.post("/v2/orders", content=body), status, code)


async def test_the_same_client_order_id_is_the_same_order(house: House) -> None:
    bot = await house.bot(USD="1000")
    first = await bot.submit(client_order_id="one", qty="0.001")
    assert await bot.submit(client_order_id="one", qty="0.001") == first
    assert (await bot.submit(client_order_id="one", qty=0.001, symbol="BTCUSD"))["id"] == first["id"]
    body = {"symbol": "BTC/USD", "side": "buy", "type": "limit", "time_in_force": "gtc", "client_order_id": "one"}
    other = await bot.http.post("/v2/orders", json={**body, "limit_price": "50000", "qty": "0.002"})
    assert refused(other, 422, 40010001) == "client_order_id must be unique"
    assert len(await bot.get("/v2/orders")) == 1
    assert await house.balance(bot, "USD") == (Decimal(950), Decimal(50))


async def test_ten_at_once_with_one_client_order_id_are_one_order(house: House) -> None:
    bot = await house.bot(USD="1000")
    orders = await asyncio.gather(*(bot.submit(client_order_id="storm", qty="0.001") for _ in range(10)))
    assert len({order["id"] for order in orders}) == 1
    assert await house.balance(bot, "USD") == (Decimal(950), Decimal(50))


async def test_a_halted_market_takes_no_order_and_lets_go_of_those_it_has(house: House) -> None:
    bot = await house.bot(USD="1000")
    order = await bot.submit(symbol="LTC/USD", limit_price="50", qty="1")
    data = house.app.state["market_data"]
    async with house.database.transaction() as connection:
        await data.halt(connection, "LTC/USD", reason="circuit breaker")
    await data.reload_markets()
    assert (await bot.get("/v2/assets/LTC/USD"))["tradable"] is False
    wish = {"symbol": "LTC/USD", "side": "buy", "type": "market", "time_in_force": "gtc", "notional": "20"}
    assert "halted" in refused(await bot.http.post("/v2/orders", json=wish), 422, 42210000)
    assert (await bot.http.delete(f"/v2/orders/{order['id']}")).status_code == 204
    assert await house.balance(bot, "USD") == (Decimal(1000), Decimal(0))


async def test_orders_are_listed_as_asked(house: House) -> None:
    bot = await house.bot(USD="10000", ETH="10")
    ids = [(await bot.submit())["id"] for _ in range(4)]
    sale = (await bot.submit(symbol="ETH/USD", side="sell", qty="1", limit_price="9000"))["id"]
    await bot.http.delete(f"/v2/orders/{ids[0]}")

    async def listed(**query: Any) -> list[str]:
        found = await bot.get("/v2/orders", **query)
        assert_shape("trading", "Orders", found)
        return [order["id"] for order in found]

    assert await listed() == [sale, *ids[:0:-1]]
    assert await listed(status="closed") == [ids[0]]
    assert await listed(status="all", direction="asc") == [*ids, sale]
    assert await listed(status="all", limit="2") == [sale, ids[3]]
    assert await listed(side="sell") == [sale]
    assert await listed(symbols="ETHUSD,BTC/USD", limit=1) == [sale]
    assert await listed(symbols="ETHUSD") == [sale]
    assert await listed(symbols="NOPE/USD") == []
    assert await listed(nested="True", asset_class="us_equity") == []
    placed = (await bot.get(f"/v2/orders/{ids[1]}"))["submitted_at"]
    assert await listed(after=placed, direction="asc") == [ids[2], ids[3], sale]
    assert await listed(until=placed, status="all") == [ids[0]]
    assert await listed(after_order_id=ids[2], direction="asc") == [ids[3], sale]
    assert await listed(before_order_id=ids[2]) == [ids[1]]
    for wrong in ("status=odd", "limit=0", "limit=501", "limit=x", "after=yesterday", "direction=up", "side=both"):
        assert wrong.partition("=")[0] in refused(await bot.http.get(f"/v2/orders?{wrong}"), 422, 40010001)


async def test_what_cannot_be_an_order_id_is_not_found(house: House) -> None:
    bot = await house.bot()
    for name in ("nonsense", "00000000-0000-0000-0000-000000000000", "01a20431-ace4-7e44-9119-8779e2748d0d", "a" * 300):
        refused(await bot.http.get(f"/v2/orders/{name}"), 404, 40410000)
    refused(await bot.http.get("/v2/orders:by_client_order_id?client_order_id=none"), 404, 40410000)
    refused(await bot.http.get("/v2/orders:by_client_order_id"), 422, 40010001)


async def test_a_replacement_is_a_new_order(house: House) -> None:
    bot = await house.bot(USD="1000")
    old = await bot.submit(qty="0.001", limit_price="50000")
    await house.submitted(old["id"])
    assert (await bot.get(f"/v2/orders/{old['id']}"))["status"] == "new"
    answer = await bot.http.patch(
        f"/v2/orders/{old['id']}", json={"qty": 0.0012, "limit_price": "51000", "client_order_id": "second"}
    )
    new = answer.json()
    assert_shape("trading", "Order", new)
    assert (new["replaces"], new["qty"], new["limit_price"]) == (old["id"], "0.0012", "51000")
    now = await bot.get(f"/v2/orders/{old['id']}")
    assert (now["status"], now["replaced_by"]) == ("pending_replace", new["id"])
    again = await bot.http.patch(
        f"/v2/orders/{old['id']}", json={"qty": "0.00120", "limit_price": 51000, "client_order_id": "second"}
    )
    assert again.json()["id"] == new["id"]
    for change, says in (
        ({"time_in_force": "ioc"}, "time_in_force"),
        ({"trail": 5}, "trail"),
        ({"limit_price": "51000.001"}, "limit_price"),
    ):
        assert says in refused(await bot.http.patch(f"/v2/orders/{old['id']}", json=change), 422, 42210000)
    refused(await bot.http.patch(f"/v2/orders/{old['id']}", json={"side": "sell"}), 422, 40010001)


async def test_a_cancel_answers_nothing_and_an_ended_order_cannot_be_canceled(house: House) -> None:
    bot = await house.bot(USD="1000")
    order = await bot.submit()
    answer = await bot.http.delete(f"/v2/orders/{order['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await bot.get(f"/v2/orders/{order['id']}"))["status"] == "canceled"
    filled = await bot.submit()
    await house.submitted(filled["id"])
    await house.filled(filled["id"], "0.001", "50000")
    assert "filled" in refused(await bot.http.delete(f"/v2/orders/{filled['id']}"), 422, 42210000)
    assert await house.balance(bot, "USD") == (Decimal(950), Decimal(0))


async def test_cancel_all_says_what_became_of_each(house: House) -> None:
    bot = await house.bot(USD="1000")
    sent, unsent = await bot.submit(), await bot.submit()
    await house.submitted(sent["id"])
    answer = await bot.http.delete("/v2/orders")
    assert answer.status_code == 207
    assert_shape("trading", "CanceledOrders", answer.json())
    statuses = {one["id"]: (one["status"], one["body"]["status"]) for one in answer.json()}
    assert statuses == {sent["id"]: (200, "pending_cancel"), unsent["id"]: (200, "canceled")}
    assert (await bot.http.delete("/v2/orders")).json()[0]["id"] == sent["id"]


# ---- the edge


async def test_unknown_paths_and_methods_answer_in_the_same_shape(house: House) -> None:
    bot = await house.bot()
    for path in ("/v2", "/v2/", "/v2/nothing", "/v2/orders/a/b", "/v2/account/nothing", "/v1beta3/stocks/bars"):
        refused(await bot.http.get(path), 404, 40410000)
    for method, path in (
        ("PUT", "/v2/orders"),
        ("POST", "/v2/account"),
        ("DELETE", "/v2/clock"),
        ("OPTIONS", "/v2/clock"),
    ):
        refused(await bot.http.request(method, path), 405, 40510000)
    assert (await bot.http.get("/v2/account/")).status_code == 200
