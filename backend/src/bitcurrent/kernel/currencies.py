"""The currencies that are money and no coin, with their decimals (ISO 4217); balances may be in any of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

FiatCode = Literal["USD", "EUR", "GBP"]

BASE: Final = "USD"
"""Coins are priced in it; every worth is counted in it and then shown in whatever currency somebody wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """One currency. `places` are the decimals that are paid, converted and withdrawn in it."""

    code: FiatCode
    name: str
    places: int

    @property
    def step(self) -> Decimal:
        """The smallest amount that can be paid: 0.01."""
        return Decimal(1).scaleb(-self.places)


CURRENCIES: Final[Mapping[str, Currency]] = {
    "USD": Currency(code="USD", name="US Dollar", places=2),
    "EUR": Currency(code="EUR", name="Euro", places=2),
    "GBP": Currency(code="GBP", name="Pound Sterling", places=2),
}


def is_fiat(code: str) -> bool:
    """Whether a code is a currency's and not a coin's."""
    return code in CURRENCIES
