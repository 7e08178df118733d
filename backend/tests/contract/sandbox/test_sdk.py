"""The vendor's own SDK, unmodified, against the sandbox; every answer in the shapes that we rely on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.historical import CryptoHistoricalDataClient
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoLatestOrderbookRequest,
    CryptoLatestQuoteRequest,
    CryptoQuoteRequest,
    CryptoSnapshotRequest,
    CryptoTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AssetClass, OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    ClosePositionRequest,
    CreateWatchlistRequest,
    GetAssetsRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
)

from tests.contract.sandbox.conftest import Venue, fresh_id
from tests.support.alpaca_shapes import assert_shape


@pytest.fixture
def client(venue: Venue) -> Any:
    """The SDK types each answer as "model or raw"; as Any the tests read it as the model that it is."""
    sandbox = venue.sandbox
    return TradingClient(sandbox.key_id, sandbox.secret_key, url_override=sandbox.trading_url)


@pytest.fixture
def data(venue: Venue) -> Any:
    return CryptoHistoricalDataClient(url_override=venue.sandbox.data_url)


def test_the_account_the_assets_and_the_clock_read(client: Any) -> None:
    assert client.get_account().currency == "USD"
    assert client.get_account_configurations().suspend_trade is False
    assets = client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    assert len(assets) >= 20
    assert client.get_asset("BTC/USD").symbol == "BTC/USD"
    assert client.get_clock().is_open
    assert len(client.get_calendar()) in (365, 366)


def test_an_order_goes_through_its_life(client: Any, venue: Venue) -> None:
    mine = fresh_id()
    bought = client.submit_order(
        MarketOrderRequest(
            symbol="BTC/USD", notional=1000, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, client_order_id=mine
        )
    )
    venue.settled({"id": str(bought.id)}, "filled")
    assert client.get_order_by_client_id(mine).id == bought.id
    resting = client.submit_order(
        LimitOrderRequest(
            symbol="BTC/USD", qty=1e-3, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=40000
        )
    )
    venue.settled({"id": str(resting.id)}, "new")
    replaced = client.replace_order_by_id(resting.id, ReplaceOrderRequest(limit_price=41000))
    assert replaced.replaces == resting.id
    venue.settled({"id": str(replaced.id)}, "new")
    assert [order.id for order in client.get_orders()] == [replaced.id]
    client.cancel_order_by_id(replaced.id)
    stop = client.submit_order(
        StopLimitOrderRequest(
            symbol="BTC/USD",
            qty=0.001,
            side=OrderSide.SELL,
            time_in_force=TimeInForce.GTC,
            stop_price=30000,
            limit_price=29900,
        )
    )
    assert [one.id for one in client.cancel_orders()] == [stop.id]
    everything = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, limit=10))
    assert {order.id for order in everything} == {bought.id, resting.id, replaced.id, stop.id}
    assert client.get_portfolio_history(GetPortfolioHistoryRequest(period="1D")).equity[-1] > 0


def test_positions_are_read_and_closed(client: Any, venue: Venue) -> None:
    venue.filled(qty="0.2")
    venue.filled(symbol="ETH/USD", qty="1")
    assert {position.symbol for position in client.get_all_positions()} == {"BTCUSD", "ETHUSD"}
    assert Decimal(client.get_open_position("BTC/USD").qty) == Decimal("0.1995")
    half = client.close_position("BTCUSD", ClosePositionRequest(percentage="50"))
    assert venue.settled({"id": str(half.id)}, "filled")["qty"] == "0.09975"
    assert [one.status for one in client.close_all_positions(cancel_orders=True)] == [200, 200]


def test_watchlists_are_kept(client: Any) -> None:
    made = client.create_watchlist(CreateWatchlistRequest(name="mine", symbols=["BTC/USD"]))
    client.add_asset_to_watchlist_by_id(made.id, "ETH/USD")
    assert [asset.symbol for asset in client.get_watchlist_by_id(made.id).assets] == ["BTC/USD", "ETH/USD"]
    client.remove_asset_from_watchlist_by_id(made.id, "BTC/USD")
    assert [one.name for one in client.get_watchlists()] == ["mine"]
    client.delete_watchlist_by_id(made.id)
    assert client.get_watchlists() == []


def test_refusals_reach_the_caller_with_code_and_words(client: Any) -> None:
    with pytest.raises(APIError) as refusal:
        client.submit_order(
            MarketOrderRequest(symbol="BTC/USD", qty=0.1, side=OrderSide.SELL, time_in_force=TimeInForce.GTC)
        )
    assert (refusal.value.status_code, refusal.value.code) == (403, 40310000)
    with pytest.raises(APIError, match="position does not exist"):
        client.get_open_position("ETH/USD")


def test_market_data_reads_in_pages(data: Any) -> None:
    start = datetime.now(UTC) - timedelta(days=95)
    days = data.get_crypto_bars(CryptoBarsRequest(symbol_or_symbols=["BTC/USD"], timeframe=TimeFrame.Day, start=start))
    assert len(days["BTC/USD"]) >= 95
    minutes = data.get_crypto_bars(
        CryptoBarsRequest(
            symbol_or_symbols=["ETH/USD", "BTC/USD"],
            timeframe=TimeFrame(5, TimeFrameUnit.Minute),
            start=datetime.now(UTC) - timedelta(days=1),
        )
    )
    assert len(minutes["BTC/USD"]) == len(minutes["ETH/USD"]) in (288, 289)
    recent = datetime.now(UTC) - timedelta(minutes=1)
    assert data.get_crypto_trades(CryptoTradesRequest(symbol_or_symbols="BTC/USD", start=recent))["BTC/USD"]
    assert data.get_crypto_quotes(CryptoQuoteRequest(symbol_or_symbols="BTC/USD", start=recent))["BTC/USD"]
    quote = data.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"]
    book = data.get_crypto_latest_orderbook(CryptoLatestOrderbookRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"]
    assert (book.bids[0].price, book.asks[0].price) == (quote.bid_price, quote.ask_price)
    assert data.get_crypto_snapshot(CryptoSnapshotRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"].daily_bar


def test_every_answer_has_the_shape_we_rely_on(venue: Venue) -> None:
    venue.filled(qty="0.1")
    venue.submit(type="limit", limit_price="40000", qty="0.01")
    venue.control("fees")
    asked: list[tuple[str, str, dict[str, str]]] = [
        ("Account", "account", {}),
        ("AccountConfiguration", "account/configurations", {}),
        ("Assets", "assets", {"asset_class": "crypto"}),
        ("Asset", "assets/ETHUSD", {}),
        ("Orders", "orders", {"status": "all"}),
        ("Positions", "positions", {}),
        ("Activities", "account/activities", {}),
        ("Clock", "clock", {}),
        ("Calendar", "calendar", {"start": "2026-01-01", "end": "2026-01-31"}),
        ("PortfolioHistory", "account/portfolio/history", {"period": "1D", "timeframe": "1H"}),
    ]
    for name, path, query in asked:
        assert_shape("trading", name, venue.get(f"/v2/{path}", **query))
    for name, path in (
        ("Bars", "bars?timeframe=1Hour"),
        ("Trades", "trades?limit=100"),
        ("Quotes", "quotes?limit=100"),
        ("LatestBars", "latest/bars?"),
        ("LatestTrades", "latest/trades?"),
        ("LatestQuotes", "latest/quotes?"),
        ("LatestOrderBooks", "latest/orderbooks?"),
        ("Snapshots", "snapshots?"),
    ):
        answer = venue.http.get(f"/v1beta3/crypto/us/{path}&symbols=BTC/USD,SHIB/USD,YFIUSD")
        assert_shape("market_data", name, answer.json())
