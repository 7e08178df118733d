"""What monitoring is told by others: what things are worth, and where a customer lives."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from bitcurrent.kernel.ids import UserId


class Prices(Protocol):
    """What things are worth."""

    async def usd(self, assets: Iterable[str]) -> Mapping[str, Decimal]:
        """USD for one of each asset whose price is fresh; the others are left out. Never in a transaction."""
        ...


class Homes(Protocol):
    """Where customers live."""

    async def __call__(self, connection: Any, user_id: UserId, /) -> str | None:
        """A country of ISO 3166, as the customer says; None when it is not known."""
        ...
