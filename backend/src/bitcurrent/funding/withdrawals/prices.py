"""What assets are worth in USD, from the market and from the exchange rates: the `Prices` of withdrawals."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from bitcurrent.funding.conversions.rates import Rates
from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.market_data.model import UnknownMarket
from bitcurrent.market_data.service import MarketData

USD = "USD"


class UsdPrices:
    """Fresh prices only. Coins count at what a seller would get (the bid)."""

    def __init__(self, market_data: MarketData, rates: Rates) -> None:
        self._market_data = market_data
        self._rates = rates

    async def usd(self, assets: Iterable[str]) -> Mapping[str, Decimal]:
        """See Prices."""
        found = {asset: await self._one(asset) for asset in dict.fromkeys(assets)}
        return {asset: price for asset, price in found.items() if price is not None}

    async def _one(self, asset: str) -> Decimal | None:
        if asset == USD:
            return Decimal(1)
        if asset in CURRENCIES:
            rate = await self._rates.find_worth(asset)
            return rate.middle if rate else None
        try:
            quote = await self._market_data.fresh_quote(f"{asset}/{USD}")
        except UnknownMarket:
            return None
        return quote.bid if quote and quote.bid > 0 else None
