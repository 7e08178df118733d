"""The issue's promise in the SDK's own words: an unmodified alpaca-py trades here, through API, worker and venue."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TypeVar
from uuid import uuid4

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.historical import CryptoHistoricalDataClient
from alpaca.data.models import BarSet
from alpaca.data.requests import CryptoBarsRequest, CryptoLatestQuoteRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AssetClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Asset, Clock, Order, Position, TradeAccount
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
)

from bitcurrent.kernel.money import round_up
from tests.support.alpaca_shapes import assert_shape
from tests.support.system import System
from tests.support.system import eventually as soon

T = TypeVar("T")
BTC, BUY, SELL, GTC, IOC = "BTC/USD", OrderSide.BUY, OrderSide.SELL, TimeInForce.GTC, TimeInForce.IOC


def eventually(look: Callable[[], T]) -> T:
    """What `look()` gives once that is true. A program has 200 requests a minute: it looks ten times a second."""
    return soon(look, pause=0.1)


def status(client: TradingClient, order_id: object) -> OrderStatus:
    """Where an order is now."""
    order = client.get_order_by_id(str(order_id))
    assert isinstance(order, Order)
    return order.status


@pytest.fixture(autouse=True)
def still_prices(system: System) -> Iterator[None]:
    """BTC costs 65,000 and the books are right afterwards."""
    system.sandbox.control("reset")
    system.sandbox.control("price", symbol=BTC, price="65000")
    eventually(lambda: 64_000 < float(httpx.get(f"{system.url}/api/markets/BTC-USD").json()["ask"]) < 66_000)
    yield
    system.sandbox.control("reset")
    assert system.broken_laws() == []


def filled(client: TradingClient, order: object) -> Order:
    """The order once the venue has filled it."""
    assert isinstance(order, Order)

    def look() -> Order | None:
        now = client.get_order_by_id(order.id)
        assert isinstance(now, Order)
        return now if now.status is OrderStatus.FILLED else None

    found = eventually(look)
    assert found is not None
    return found


def buy(client: TradingClient, notional: float) -> Order:
    """Buy BTC for so many dollars and wait for it."""
    wish = MarketOrderRequest(symbol=BTC, notional=notional, side=BUY, time_in_force=GTC)
    return filled(client, client.submit_order(wish))


def test_an_account_its_assets_and_the_clock(system: System) -> None:
    client = system.customer(USD="1000").alpaca()
    account = client.get_account()
    assert isinstance(account, TradeAccount)
    assert (account.cash, account.equity, account.buying_power, account.currency) == ("1000", "1000", "1000", "USD")
    assets = client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    assert len(assets) >= 20
    asset = client.get_asset(BTC)
    assert isinstance(asset, Asset)
    assert client.get_asset("BTCUSD") == client.get_asset(asset.id) == asset
    clock = client.get_clock()
    assert isinstance(clock, Clock)
    assert clock.is_open
    assert client.get_account_configurations() == client.set_account_configurations(
        client.get_account_configurations()  # type: ignore[arg-type]  # the SDK says "or raw data" of its own answers
    )
    assert len(client.get_calendar()) >= 365


def test_a_market_order_by_notional_is_filled_and_becomes_a_position(system: System) -> None:
    ann = system.customer(USD="1000")
    client = ann.alpaca()
    order = buy(client, 250)
    assert order.notional == "250"
    assert order.qty is None
    quantity = Decimal(str(order.filled_qty))
    assert quantity > 0
    available, held = ann.balance("BTC")
    assert held == 0
    # The venue's fee comes out of the coins, and so does ours: a taker's 40 basis points.
    assert available == quantity - round_up(quantity * Decimal("0.004"), Decimal("1e-9"))
    raw = httpx.get(f"{system.url}/v2/orders/{order.id}", headers=ann.keys).json()
    assert Decimal(raw["net_qty"]) == available == quantity - Decimal(raw["fee"])
    position = client.get_open_position(BTC)
    assert isinstance(position, Position)
    assert Decimal(position.qty) == available
    assert client.get_open_position("BTCUSD") == client.get_open_position(position.asset_id) == position
    assert [one.symbol for one in client.get_all_positions() if isinstance(one, Position)] == ["BTCUSD"]
    cash, cash_held = ann.balance("USD")
    assert cash_held == 0
    assert Decimal(749) < cash < Decimal(751)
    account = client.get_account()
    assert isinstance(account, TradeAccount)
    assert Decimal(account.cash or 0) == cash
    assert Decimal(990) < Decimal(account.equity or 0) < Decimal(1000)
    venue = system.venue_order(order.id)
    assert Decimal(venue["order"]["filled_qty"]) == quantity


def test_a_limit_order_rests_is_listed_replaced_and_canceled(system: System) -> None:
    ann = system.customer(USD="1000")
    client = ann.alpaca()
    wish = LimitOrderRequest(
        symbol=BTC, qty=0.002, limit_price=50_000, side=BUY, time_in_force=GTC, client_order_id=f"bot-{uuid4()}"
    )
    order = client.submit_order(wish)
    assert isinstance(order, Order)
    again = client.submit_order(wish)
    assert isinstance(again, Order)
    assert again.id == order.id
    eventually(lambda: status(client, order.id) is OrderStatus.NEW)
    listed = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=[BTC], side=BUY))
    assert [one.id for one in listed if isinstance(one, Order)] == [order.id]
    by_name = client.get_order_by_client_id(wish.client_order_id or "")
    assert isinstance(by_name, Order)
    assert by_name.id == order.id
    assert ann.balance("USD") == (Decimal(900), Decimal(100))
    new = client.replace_order_by_id(order.id, ReplaceOrderRequest(limit_price=51_000))
    assert isinstance(new, Order)
    assert new.replaces == order.id
    eventually(lambda: status(client, new.id) is OrderStatus.NEW)
    eventually(lambda: status(client, order.id) is OrderStatus.REPLACED)
    old = client.get_order_by_id(order.id)
    assert isinstance(old, Order)
    assert old.replaced_by == new.id
    assert ann.balance("USD") == (Decimal(898), Decimal(102))
    client.cancel_order_by_id(new.id)
    eventually(lambda: status(client, new.id) is OrderStatus.CANCELED)
    assert ann.balance("USD") == (Decimal(1000), Decimal(0))
    with pytest.raises(APIError) as refusal:
        client.replace_order_by_id(new.id, ReplaceOrderRequest(limit_price=52_000))
    assert refusal.value.code == 42210000


def test_a_sell_a_stop_limit_and_an_ioc(system: System) -> None:
    ann = system.customer(USD="1000", BTC="0.1")
    client = ann.alpaca()
    sale = MarketOrderRequest(symbol="BTCUSD", qty=0.01, side=SELL, time_in_force=IOC)
    assert float(filled(client, client.submit_order(sale)).filled_qty or 0) == 0.01
    small = LimitOrderRequest(symbol=BTC, qty=1e-05, limit_price=90_000, side=SELL, time_in_force=GTC)
    resting = client.submit_order(small)
    assert isinstance(resting, Order)
    assert resting.qty == "0.00001"
    stop = client.submit_order(
        StopLimitOrderRequest(symbol=BTC, qty=0.01, stop_price=60_000, limit_price=59_500, side=SELL, time_in_force=GTC)
    )
    assert isinstance(stop, Order)
    missed = client.submit_order(
        LimitOrderRequest(symbol=BTC, qty=0.001, limit_price=50_000, side=BUY, time_in_force=IOC)
    )
    assert isinstance(missed, Order)
    ended = {OrderStatus.CANCELED, OrderStatus.EXPIRED}
    eventually(lambda: status(client, missed.id) in ended)
    answers = client.cancel_orders()
    assert {str(one.id) for one in answers if not isinstance(one, str)} == {str(resting.id), str(stop.id)}
    eventually(lambda: client.get_orders() == [])
    available, held = ann.balance("BTC")
    assert (available, held) == (Decimal("0.09"), Decimal(0))


def test_positions_are_closed_in_part_and_wholly(system: System) -> None:
    ann = system.customer(USD="1000")
    client = ann.alpaca()
    buy(client, 500)
    before = ann.balance("BTC")[0]
    part = filled(client, client.close_position(BTC, ClosePositionRequest(percentage="50")))
    assert abs(Decimal(str(part.filled_qty)) * 2 - before) <= Decimal("2e-9")
    client.submit_order(LimitOrderRequest(symbol=BTC, qty=0.001, limit_price=90_000, side=SELL, time_in_force=GTC))
    [closed] = client.close_all_positions(cancel_orders=True)
    assert not isinstance(closed, str)
    assert closed.status == 200
    filled(client, closed.body)
    eventually(lambda: client.get_all_positions() == [])
    assert client.get_orders() == []
    with pytest.raises(APIError) as refusal:
        client.get_open_position(BTC)
    assert (refusal.value.code, refusal.value.status_code) == (40410000, 404)
    answer = httpx.get(f"{system.url}/v2/account/activities/FILL", headers=ann.keys)
    assert_shape("trading", "Activities", answer.json())
    assert {one["side"] for one in answer.json()} == {"buy", "sell"}
    assert sum(Decimal(one["qty"]) for one in answer.json() if one["side"] == "sell") == before


def test_refusals_are_errors_that_the_sdk_can_read(system: System) -> None:
    poor, reader = system.customer(USD="5").alpaca(), system.customer(scopes=("read",), USD="100").alpaca()
    order = MarketOrderRequest(symbol=BTC, notional=20, side=BUY, time_in_force=GTC)
    for client, wish, status, code, says in (
        (poor, order, 403, 40310000, "insufficient balance for USD (requested: 20, available: 5)"),
        (poor, order.model_copy(update={"notional": 3}), 403, 40310000, "cost basis must be >= minimal amount"),
        (poor, order.model_copy(update={"time_in_force": TimeInForce.DAY}), 422, 42210000, "time_in_force"),
        (poor, order.model_copy(update={"symbol": "NOPE/USD"}), 422, 42210000, "symbol"),
        (reader, order, 403, 40110000, "not authorized"),
        (TradingClient("BKNOBODY", "x", url_override=system.url), order, 401, 40110000, "not authorized"),
    ):
        with pytest.raises(APIError) as refusal:
            client.submit_order(wish)
        assert (refusal.value.status_code, refusal.value.code) == (status, code)
        assert says in refusal.value.message


def test_the_data_client_needs_no_key(system: System) -> None:
    client = CryptoHistoricalDataClient(url_override=system.url)
    quotes = client.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols=[BTC]))
    assert 64_000 < quotes[BTC].ask_price < 66_000
    wish = CryptoBarsRequest(symbol_or_symbols=[BTC, "ETH/USD"], timeframe=TimeFrame.Hour, limit=30)
    bars = client.get_crypto_bars(wish)
    assert isinstance(bars, BarSet)
    assert 1 <= len([bar for found in bars.data.values() for bar in found]) <= 30
