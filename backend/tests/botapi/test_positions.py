"""What fills make of an account: net quantities, positions that can be closed, activities page by page."""

from decimal import Decimal
from typing import Any

import pytest

from tests.botapi.conftest import Bot, House, refused
from tests.support.alpaca_shapes import assert_shape

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def bought(house: House, bot: Bot, quantity: str = "0.01", price: str = "50000") -> str:
    """Buy BTC in two fills; the order's id."""
    order = await bot.submit(qty=quantity, limit_price=price)
    await house.submitted(order["id"])
    half = str(Decimal(quantity) / 2)
    await house.filled(order["id"], half, price)
    await house.filled(order["id"], half, price)
    order_id: str = order["id"]
    return order_id


async def test_a_filled_order_tells_its_fee_and_what_is_left_to_sell(house: House) -> None:
    bot = await house.bot(USD="1000")
    order = await bot.get(f"/v2/orders/{await bought(house, bot)}")
    assert_shape("trading", "Order", order)
    assert (order["status"], order["filled_qty"], order["filled_avg_price"]) == ("filled", "0.01", "50000")
    assert order["filled_at"] is not None
    # A limit below the market rests: the maker's 25 basis points, out of the coins.
    assert (order["fee"], order["fee_asset"], order["fee_bps"]) == ("0.000025", "BTC", "25")
    assert (order["net_qty"], order["net_value"]) == ("0.009975", "500")


async def test_positions_by_every_name(house: House) -> None:
    bot = await house.bot(USD="1000")
    await bought(house, bot)
    [position] = await bot.get("/v2/positions")
    assert_shape("trading", "Positions", [position])
    assert (position["symbol"], position["qty"], position["qty_available"]) == ("BTCUSD", "0.009975", "0.009975")
    assert position["cost_basis"] == "500"
    for name in ("BTC/USD", "BTC%2FUSD", "BTCUSD", position["asset_id"]):
        assert (await bot.get(f"/v2/positions/{name}"))["qty"] == "0.009975", name
    account = await bot.get("/v2/account")
    assert account["cash"] == "500"
    assert float(account["equity"]) == pytest.approx(500 + float(position["market_value"]))
    assert refused(await bot.http.get("/v2/positions/ETHUSD"), 404, 40410000) == "position does not exist"
    refused(await bot.http.get("/v2/positions/NOPEUSD"), 404, 40410000)


async def test_a_position_is_closed_in_part_by_percentage_and_wholly(house: House) -> None:
    bot = await house.bot(USD="1000")
    await bought(house, bot)

    async def closed(**query: str) -> Any:
        answer = await bot.http.delete("/v2/positions/BTC/USD", params=query)
        assert answer.status_code == 200, answer.text
        assert_shape("trading", "Order", answer.json())
        order = answer.json()
        assert (order["type"], order["side"], order["status"]) == ("market", "sell", "accepted")
        return order["qty"]

    assert await closed(qty="0.001") == "0.001"
    assert await closed(percentage="50") == "0.0049875"
    assert await closed() == "0.0039875"
    assert (await bot.get("/v2/positions/BTCUSD"))["qty_available"] == "0"
    message = refused(await bot.http.delete("/v2/positions/BTCUSD"), 403, 40310000)
    assert "insufficient qty" in message
    for query in ("qty=0", "qty=abc", "qty=-1", "percentage=NaN"):
        refused(await bot.http.delete(f"/v2/positions/BTCUSD?{query}"), 422, 40010001)
    refused(await bot.http.delete("/v2/positions/BTCUSD?percentage=101"), 422, 42210000)
    refused(await bot.http.delete("/v2/positions/BTCUSD?percentage=1&qty=1"), 422, 42210000)
    refused(await bot.http.delete("/v2/positions/ETHUSD"), 404, 40410000)


async def test_close_all_frees_what_orders_hold_first(house: House) -> None:
    bot = await house.bot(USD="1000", ETH="2", USDC="0.5")
    await bot.submit(symbol="ETH/USD", side="sell", qty="1.5", limit_price="9000")
    answer = await bot.http.delete("/v2/positions?cancel_orders=True")
    assert answer.status_code == 207
    results = {one["symbol"]: one for one in answer.json()}
    assert (results["ETHUSD"]["status"], results["ETHUSD"]["body"]["qty"]) == (200, "2")
    # Half a dollar's coin is below the least that can be sold: said for that one, while the other is sold.
    assert (results["USDCUSD"]["status"], results["USDCUSD"]["body"]["code"]) == (403, 40310000)
    assert_shape("trading", "ClosedPositions", [results["ETHUSD"]])


async def test_activities_tell_every_fill_page_by_page(house: House) -> None:
    bot = await house.bot(USD="10000")
    orders = [await bought(house, bot, "0.01", price) for price in ("50000", "51000", "52000")]
    everything = await bot.get("/v2/account/activities/FILL")
    assert_shape("trading", "Activities", everything)
    assert [one["order_id"] for one in everything] == [orders[2]] * 2 + [orders[1]] * 2 + [orders[0]] * 2
    last, first = everything[-2], everything[-1]
    assert (first["type"], first["cum_qty"], first["leaves_qty"], first["price"]) == (
        "partial_fill",
        "0.005",
        "0.005",
        "50000",
    )
    assert (last["type"], last["cum_qty"], last["leaves_qty"], last["order_status"]) == ("fill", "0.01", "0", "filled")
    assert (first["fee"], first["fee_asset"]) == ("0.0000125", "BTC")
    for direction, expected in (("desc", everything), ("asc", everything[::-1])):
        pages: list[Any] = []
        token = None
        while True:
            query = {"page_size": "4", "direction": direction} | ({"page_token": token} if token else {})
            page = await bot.get("/v2/account/activities", activity_types="FILL", **query)
            pages += page
            if len(page) < 4:
                break
            token = page[-1]["id"]
        assert pages == expected, direction
    assert await bot.get("/v2/account/activities/CFEE") == []
    assert await bot.get("/v2/account/activities", category="non_trade_activity") == []
    assert len(await bot.get("/v2/account/activities", order_id=orders[0])) == 2
    today = everything[0]["transaction_time"][:10]
    assert len(await bot.get("/v2/account/activities", date=today)) == 6
    assert await bot.get("/v2/account/activities", date="2020-01-01") == []
    assert await bot.get("/v2/account/activities", until="2020-01-01T00:00:00Z") == []
    for wrong in ("page_token=x", "page_token=20260101000000000::zz", "page_size=101", "date=soon"):
        assert wrong.partition("=")[0] in refused(await bot.http.get(f"/v2/account/activities?{wrong}"), 422, 40010001)
