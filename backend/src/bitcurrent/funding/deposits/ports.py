"""What deposits need to know from elsewhere in the house."""

from decimal import Decimal
from typing import Protocol


class Worths(Protocol):
    """What a currency is worth in USD."""

    async def __call__(self, currency: str) -> Decimal:
        """USD for one unit. Raises Unavailable when nobody can say."""
        ...
