"""The coins that the venue lists, with their trading rules and the temper of their market."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("5f6b2c1e-7b61-4d0c-9a57-3d6a2c5f1b10")


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin quoted in US dollars.

    `beta` ties it to the common market factor, `volatility` is that of a day, `spread_bps` and
    `depth_usd` shape its order book, `turnover_usd` is the volume of an ordinary day.
    """

    code: str
    name: str
    base_price: Decimal
    price_step: Decimal
    size_step: Decimal
    min_size: Decimal
    volume_step: Decimal
    beta: float
    volatility: float
    spread_bps: float
    depth_usd: int
    turnover_usd: int

    @property
    def symbol(self) -> str:
        """The pair as the venue writes it, `BTC/USD`."""
        return f"{self.code}/USD"

    @property
    def asset_id(self) -> str:
        """A UUID that is the same in every sandbox."""
        return str(uuid5(_NAMESPACE, self.symbol))


def _coin(line: str) -> Coin:
    code, name, price, step, size, least, volume, beta, sigma, spread, depth, turnover = (
        part.strip() for part in line.split("|")
    )
    return Coin(
        code=code,
        name=f"{name} / US Dollar",
        base_price=Decimal(price),
        price_step=Decimal(step),
        size_step=Decimal(size),
        min_size=Decimal(least),
        volume_step=Decimal(volume),
        beta=float(beta),
        volatility=float(sigma),
        spread_bps=float(spread),
        depth_usd=int(depth),
        turnover_usd=int(turnover),
    )


# code | name | price | price step | size step | least size | volume step | beta | sigma | spread bps | depth | turnover
_TABLE: Final = """\
BTC|Bitcoin|65000|0.01|0.000000001|0.00001|0.00000001|1.0|0.010|2.0|60000|900000000
ETH|Ethereum|3200|0.01|0.000000001|0.0003|0.00000001|1.15|0.015|2.5|45000|500000000
SOL|Solana|150|0.001|0.000000001|0.006|0.0000001|1.3|0.025|3.5|25000|200000000
XRP|XRP|0.62|0.00001|0.000001|1.6|0.00001|0.95|0.024|4.0|20000|120000000
DOGE|Dogecoin|0.14|0.00001|0.000001|7|0.0001|1.2|0.030|5.0|15000|90000000
LTC|Litecoin|82|0.01|0.00000001|0.012|0.0000001|0.95|0.018|5.0|15000|40000000
BCH|Bitcoin Cash|410|0.01|0.00000001|0.0024|0.00000001|1.0|0.022|6.0|12000|25000000
AVAX|Avalanche|32|0.001|0.00000001|0.03|0.000001|1.25|0.028|6.0|12000|30000000
LINK|Chainlink|15.5|0.001|0.00000001|0.065|0.000001|1.15|0.024|5.5|12000|35000000
UNI|Uniswap|8.9|0.001|0.00000001|0.11|0.000001|1.15|0.030|7.0|9000|18000000
AAVE|Aave|145|0.01|0.00000001|0.007|0.0000001|1.2|0.030|7.0|9000|16000000
DOT|Polkadot|6.4|0.0001|0.00000001|0.16|0.000001|1.1|0.024|6.0|10000|20000000
SHIB|Shiba Inu|0.0000185|0.000000001|1|54000|1|1.25|0.034|7.0|9000|40000000
PEPE|Pepe|0.0000098|0.0000000001|1|102000|1|1.35|0.045|8.0|8000|45000000
CRV|Curve DAO Token|0.48|0.00001|0.000001|2.1|0.00001|1.15|0.036|9.0|6000|9000000
GRT|The Graph|0.19|0.00001|0.000001|5.3|0.0001|1.15|0.034|9.0|6000|7000000
MKR|Maker|1900|0.1|0.00000001|0.0005|0.00000001|0.95|0.028|9.0|6000|8000000
SUSHI|SushiSwap|0.95|0.0001|0.000001|1.05|0.00001|1.15|0.038|10.0|5000|5000000
XTZ|Tezos|0.88|0.0001|0.000001|1.15|0.00001|1.0|0.028|10.0|5000|4000000
YFI|yearn.finance|6100|1|0.000000001|0.00017|0.00000001|1.0|0.032|11.0|5000|5000000
BAT|Basic Attention Token|0.21|0.00001|0.000001|4.8|0.0001|1.0|0.028|10.0|5000|4000000
ADA|Cardano|0.46|0.00001|0.000001|2.2|0.00001|1.1|0.024|5.0|12000|50000000
POL|Polygon|0.55|0.00001|0.000001|1.85|0.00001|1.2|0.030|7.0|8000|15000000
USDC|USD Coin|1|0.0001|0.000001|1|0.0001|0.0|0.00015|1.0|150000|60000000
USDT|Tether|1|0.0001|0.000001|1|0.0001|0.0|0.0002|1.0|150000|150000000
"""

COINS: Final[tuple[Coin, ...]] = tuple(_coin(line) for line in _TABLE.splitlines())
_BY_NAME: Final[dict[str, Coin]] = {
    name: coin for coin in COINS for name in (coin.symbol, f"{coin.code}USD", coin.asset_id)
}


def find(name: str) -> Coin | None:
    """The coin meant by `BTC/USD`, `BTCUSD` or its asset id, or None."""
    return _BY_NAME.get(name) or _BY_NAME.get(name.upper())


def wire(coin: Coin, *, active: bool) -> dict[str, Any]:
    """The venue's Asset object."""
    return {
        "id": coin.asset_id,
        "class": "crypto",
        "exchange": "CRYPTO",
        "symbol": coin.symbol,
        "name": coin.name,
        "status": "active",
        "tradable": active,
        "marginable": False,
        "maintenance_margin_requirement": 100,
        "margin_requirement_long": "100",
        "margin_requirement_short": "100",
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": True,
        "attributes": [],
        "min_order_size": format(coin.min_size, "f"),
        "min_trade_increment": format(coin.size_step, "f"),
        "price_increment": format(coin.price_step, "f"),
    }
