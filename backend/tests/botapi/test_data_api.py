"""Market data in Alpaca's shapes: public, and in JSON numbers."""

from typing import Any

import pytest

from tests.botapi.conftest import House, refused
from tests.support.alpaca_shapes import assert_shape
from tests.support.brokerage import client_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

BASE = "/v1beta3/crypto/us"
BOTH = "BTC/USD,ETH/USD"


async def read(house: House, path: str, **query: Any) -> Any:
    """The JSON of a GET without any key."""
    answer = await client_of(house.app).get(f"{BASE}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("path", "name", "shape"),
    [
        ("latest/quotes", "quotes", "LatestQuotes"),
        ("latest/trades", "trades", "LatestTrades"),
        ("latest/bars", "bars", "LatestBars"),
        ("latest/orderbooks", "orderbooks", "LatestOrderBooks"),
        ("snapshots", "snapshots", "Snapshots"),
    ],
)
async def test_the_newest_of_everything(house: House, path: str, name: str, shape: str) -> None:
    answer = await read(house, path, symbols=BOTH)
    assert_shape("market_data", shape, answer)
    assert set(answer[name]) == {"BTC/USD", "ETH/USD"}


async def test_bars_page_by_page_are_the_bars_at_once(house: House) -> None:
    span = {"symbols": BOTH, "timeframe": "1Hour", "start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    for sort in ("asc", "desc"):
        whole = await read(house, "bars", **span, sort=sort)
        assert_shape("market_data", "Bars", whole)
        assert {symbol: len(bars) for symbol, bars in whole["bars"].items()} == {"BTC/USD": 25, "ETH/USD": 25}
        assert whole["next_page_token"] is None
        gathered: dict[str, list[Any]] = {}
        token = None
        for _ in range(20):
            page = await read(house, "bars", **span, sort=sort, limit=7, **({"page_token": token} if token else {}))
            for symbol, bars in page["bars"].items():
                gathered.setdefault(symbol, []).extend(bars)
            token = page["next_page_token"]
            if token is None:
                break
        assert gathered == whole["bars"], sort


async def test_wrong_questions_are_refused_in_the_same_shape(house: House) -> None:
    stranger = client_of(house.app)
    for path, status, code in (
        (f"{BASE}/latest/quotes", 400, 40010000),
        (f"{BASE}/latest/quotes?symbols=NOPE/USD", 400, 40010000),
        (f"{BASE}/bars?symbols=BTC/USD", 422, 40010001),
        (f"{BASE}/bars?symbols=BTC/USD&timeframe=7Sec", 422, 40010001),
        (f"{BASE}/bars?symbols=BTC/USD&timeframe=1Day&page_token=x", 422, 40010001),
        (f"{BASE}/bars?symbols=BTC/USD&timeframe=1Day&start=2026-03-02&end=2026-03-01", 422, 40010001),
        (f"{BASE}/quotes?symbols=BTC/USD", 404, 40410000),
        ("/v1beta3/crypto/eu/latest/quotes?symbols=BTC/USD", 404, 40410000),
    ):
        refused(await stranger.get(path), status, code)
    bad_key = {"APCA-API-KEY-ID": "BKNOBODY", "APCA-API-SECRET-KEY": "wrong"}
    refused(await stranger.get(f"{BASE}/latest/quotes?symbols=BTC/USD", headers=bad_key), 401, 40110000)
