"""Exchange rates with their age: whoever wants a worth in another currency asks here."""

from datetime import datetime
from decimal import Decimal

from bitcurrent.funding.conversions.model import Rate, RateStale, cross, parse_rates
from bitcurrent.funding.ports import NotConfigured, RateSource
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.currencies import BASE
from bitcurrent.kernel.errors import Unavailable


class FixedRates:
    """Rates that an operator has written into the settings; they hold until the operator changes them."""

    def __init__(self, text: str) -> None:
        self._worths = parse_rates(text)

    async def middle(self, *, base: str, quote: str) -> tuple[Decimal, datetime, str]:
        """See RateSource."""
        found = cross(self._worths, base, quote)
        if found is None:
            raise NotConfigured(f"An exchange rate of {base} in {quote}", "BITCURRENT_FX_RATES")
        return found, now(), "fixed"


class NoRates:
    """An installation that has named no source."""

    async def middle(self, *, base: str, quote: str) -> tuple[Decimal, datetime, str]:
        """See RateSource."""
        raise NotConfigured(f"An exchange rate of {base} in {quote}", "BITCURRENT_FX_URL")


class Rates:
    """The source's rates, refused when they are too old."""

    def __init__(self, source: RateSource, *, age_seconds_max: int) -> None:
        self._source = source
        self._age_seconds_max = age_seconds_max

    async def middle(self, base: str, quote: str) -> Rate:
        """The rate of now; raises RateStale, NotConfigured, Unavailable."""
        if base == quote:
            return Rate(base=base, quote=quote, middle=Decimal(1), at=now(), source="itself")
        middle, at, source = await self._source.middle(base=base, quote=quote)
        age = int((now() - at).total_seconds())
        if age > self._age_seconds_max:
            raise RateStale(base=base, quote=quote, age_seconds=age, age_seconds_max=self._age_seconds_max)
        return Rate(base=base, quote=quote, middle=middle, at=at, source=source)

    async def worth(self, currency: str) -> Rate:
        """USD for one unit of a currency; raises as `middle` does."""
        return await self.middle(currency, BASE)

    async def find_worth(self, currency: str) -> Rate | None:
        """The same, or None when nobody can say: for figures that are shown with a gap instead of refused."""
        try:
            return await self.worth(currency)
        except Unavailable:
            return None
