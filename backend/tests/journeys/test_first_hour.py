"""A customer's first hours, from registering to selling, over HTTP and the live socket."""

import asyncio
from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.ids import UserId, new_id
from tests.journeys.conftest import PRICE
from tests.support.own_api import Contract
from tests.support.system import System
from tests.support.visitors import Visitor, client, has, visitor


async def test_register_log_in_buy_see_it_live_and_sell_half(system: System, contract: Contract) -> None:
    async with client(system, contract) as http:
        wish = {"email": f"ann-{new_id()}@journeys.test", "password": "a horse of her own", "display_name": "Ann"}
        assert (await http.post("/api/register", json=wish)).status_code == 202
        logged_in = await http.post("/api/login", json={"email": wish["email"], "password": wish["password"]})
        http.cookies.clear()
        token, user = logged_in.json()["token"], logged_in.json()["user"]
        http.headers["Authorization"] = f"Bearer {token}"
        ann = Visitor(system, http, UserId(UUID(user["id"])), user["email"], token)
        assert (await ann.ask("GET", "/api/me", 200))["user"]["email"] == wish["email"]
        assert await ann.balance("USD") == has(0)
        await ann.credit("USD", "1000")
        await ann.refused("/api/orders", 403, "email_unverified", ann.wish(type="market", notional="250"))
        (letter,) = system.sandbox.letters(ann.email)
        token = letter["links"][0].partition("#verify_email=")[2]
        await ann.ask("POST", "/api/email/verify", 200, {"token": token})

        market = await ann.ask("GET", "/api/markets/BTC-USD", 200)
        assert Decimal(market["bid"]) <= PRICE <= Decimal(market["ask"])
        wish = ann.wish(type="market", notional="250")
        shown = await ann.ask("POST", "/api/orders/preview", 200, wish)
        assert (shown["hold_currency"], shown["hold_amount"]) == ("USD", "250")
        assert await ann.balance("USD") == has(1000)

        async with ann.watching("orders", "balances") as live:
            bought = await ann.place(notional="250")
            assert bought["state"] == "accepted"
            assert Decimal(bought["held"]) == 250
            filled = (await ann.heard(live, bought["id"], "order.filled"))["order"]
            assert filled["state"] == "filled"
            sold = await ann.place(side="sell", quantity=half_of(filled["net"]))
            assert (await ann.heard(live, sold["id"], "order.filled"))["order"]["fee_currency"] == "USD"

        # The fee is as it was shown, in basis points and as the venue would: out of what is received.
        bought, sold = await ann.order(bought["id"]), await ann.order(sold["id"])
        assert bought["fee_bps"] == shown["fee_bps"]
        assert Decimal(bought["net"]) == Decimal(bought["filled_quantity"]) - Decimal(bought["fee"])
        spent, received = Decimal(bought["filled_cost"]), Decimal(sold["net"])
        assert await ann.balance("USD") == has(1000 - spent + received)
        left = Decimal(bought["net"]) - Decimal(sold["filled_quantity"])
        assert await ann.balance("BTC") == has(left)
        (position,) = (await ann.ask("GET", "/api/positions", 200))["items"]
        assert (position["currency"], Decimal(position["quantity"])) == ("BTC", left)
        fills = (await ann.ask("GET", "/api/fills", 200))["items"]
        assert sum(Decimal(fill["cost"]) for fill in fills if fill["side"] == "buy") == spent


async def test_a_limit_order_rests_is_replaced_and_canceled(ann: Visitor) -> None:
    resting = await ann.resting(quantity="0.01", limit_price="40000")
    assert await ann.balance("USD") == has(9600, 400)
    new = await ann.ask("PATCH", f"/api/orders/{resting['id']}", 201, {"limit_price": "42000"})
    assert new["replaces"] == resting["id"]
    old = await ann.until(resting["id"], "replaced")
    assert (old["replaced_by"], old["held"]) == (new["id"], "0")
    await ann.until(new["id"], "submitted")
    assert await ann.balance("USD") == has(9580, 420)
    canceled = await ann.ask("DELETE", f"/api/orders/{new['id']}", 200)
    assert canceled["pending_cancel"] or canceled["state"] == "canceled"
    await ann.until(new["id"], "canceled")
    assert await ann.balance("USD") == has(10_000)


async def test_a_market_buy_by_quantity_gives_the_rest_back(ann: Visitor) -> None:
    async with ann.watching("orders") as live:
        placed = await ann.place(quantity="0.01")
        held = Decimal(placed["hold_amount"])
        assert held == Decimal(placed["quantity"]) * Decimal(placed["collar_price"]) > 500
        await ann.heard(live, placed["id"], "order.filled")
    order = await ann.order(placed["id"])
    assert Decimal(order["filled_quantity"]) == Decimal("0.01")
    assert Decimal(order["filled_cost"]) < held
    assert await ann.balance("USD") == has(10_000 - Decimal(order["filled_cost"]))


async def test_an_immediate_order_keeps_the_part_that_it_found(system: System, contract: Contract) -> None:
    async with visitor(system, contract, USD="200000") as rich:
        system.sandbox.control("settings", depth_usd=1000)
        placed = await rich.place(quantity="2", limit_price="50200", time_in_force="ioc")
        order = await rich.until(placed["id"], "canceled")
        assert 0 < Decimal(order["filled_quantity"]) < 2
        assert await rich.balance("USD") == has(200_000 - Decimal(order["filled_cost"]))


async def test_an_order_that_the_venue_rejects_gives_its_money_back(system: System, ann: Visitor) -> None:
    system.sandbox.control("faults", kind="reject_order")
    placed = await ann.place(quantity="0.01", limit_price="40000")
    order = await ann.until(placed["id"], "rejected")
    assert order["finished_at"]
    assert await ann.balance("USD") == has(10_000)


async def test_an_order_that_expires_at_the_venue_gives_its_money_back(system: System, ann: Visitor) -> None:
    resting = await ann.resting()
    system.sandbox.control("fill", client_order_id=resting["id"], qty="0.004", price="40000")
    system.sandbox.control("expire", client_order_id=resting["id"])
    order = await ann.until(resting["id"], "expired")
    assert Decimal(order["filled_quantity"]) == Decimal("0.004")
    assert await ann.balance("USD") == has(10_000 - 160)


async def test_the_fee_that_was_shown_is_the_fee_that_is_taken(system: System, ann: Visitor) -> None:
    wish = ann.wish(type="limit", quantity="0.02", limit_price="40000")
    shown = await ann.ask("POST", "/api/orders/preview", 200, wish)
    fees = await ann.ask("GET", "/api/fees", 200)
    assert (shown["liquidity"], shown["fee_bps"]) == ("maker", fees["maker_bps"])
    resting = await ann.resting(quantity="0.02")
    system.sandbox.control("fill", client_order_id=resting["id"], qty="0.02", price="40000")
    order = await ann.until(resting["id"], "filled")
    assert (order["fee"], order["fee_currency"]) == (shown["expected_fee"], shown["fee_currency"])
    assert order["net"] == shown["expected_net"]
    (fill,) = (await ann.ask("GET", f"/api/fills?order_id={order['id']}", 200))["items"]
    assert (fill["fee"], fill["net"]) == (order["fee"], order["net"])


async def test_a_halted_market_takes_no_order_and_then_takes_them_again(system: System, ann: Visitor) -> None:
    resting = await ann.resting(quantity="0.01")
    for reason, seconds in (("An audit of the venue.", 8.0), (None, 8.0)):
        async with system.connection() as connection:
            await connection.execute("UPDATE markets SET halted_reason = $1 WHERE symbol = 'BTC/USD'", reason)
        await _until_halted(ann, reason is not None, seconds)
        if reason:
            problem = await ann.refused("/api/orders", 409, "market_halted", ann.wish(type="market", notional="50"))
            assert reason.rstrip(".") in problem["detail"]
            await ann.ask("DELETE", f"/api/orders/{resting['id']}", 200)
            await ann.until(resting["id"], "canceled")
    placed = await ann.place(notional="50")
    await ann.until(placed["id"], "filled")


async def _until_halted(who: Visitor, halted: bool, seconds: float) -> None:
    for _ in range(int(seconds / 0.1)):
        if (await who.ask("GET", "/api/markets/BTC-USD", 200))["halted"] is halted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the market is not {'halted' if halted else 'open'} after {seconds} s")


async def test_cancel_all_ends_every_open_order_and_only_those_asked_for(ann: Visitor, ben: Visitor) -> None:
    first, second = await ann.resting(), await ann.resting(limit_price="41000")
    third = await ann.place(symbol="ETH-USD", type="limit", quantity="0.1", limit_price="100")
    await ann.until(third["id"], "submitted")
    of_ben = await ben.resting()
    asked = await ann.ask("DELETE", "/api/orders?symbol=BTCUSD", 200)
    assert {order["id"] for order in asked} == {first["id"], second["id"]}
    for order in (first, second):
        await ann.until(order["id"], "canceled")
    assert (await ann.order(third["id"]))["state"] == "submitted"
    await ann.ask("DELETE", "/api/orders", 200)
    await ann.until(third["id"], "canceled")
    assert await ann.balance("USD") == has(10_000)
    assert (await ben.order(of_ben["id"]))["state"] == "submitted"
    await ben.ask("DELETE", f"/api/orders/{of_ben['id']}", 200)
    await ben.until(of_ben["id"], "canceled")


async def test_stop_limit_waits_for_its_price(system: System, ann: Visitor) -> None:
    placed = await ann.place(quantity="0.01", limit_price="52000", stop_price="51000")
    await ann.until(placed["id"], "submitted")
    system.sandbox.control("price", symbol="BTC/USD", price="51500")
    order = await ann.until(placed["id"], "filled")
    assert Decimal(order["average_price"]) <= 52_000


def half_of(amount: str) -> str:
    """Half of a quantity, in the venue's increments."""
    return f"{(Decimal(amount) / 2).quantize(Decimal('1e-9')):f}"
