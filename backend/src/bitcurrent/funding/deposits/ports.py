"""What deposits need to know from elsewhere in the house."""

from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from bitcurrent.kernel.ids import UserId


class Worths(Protocol):
    """What a currency is worth in USD."""

    async def __call__(self, currency: str) -> Decimal:
        """USD for one unit. Raises Unavailable when nobody can say."""
        ...


class GivesBack(Protocol):
    """Sends money of a payment back to its card."""

    async def give_back(
        self, connection: Any, *, user_id: UserId, deposit_id: UUID, amount: Decimal, asked_by: UserId, reason: str
    ) -> object:
        """Begin it in the open transaction, for operators; raises why that cannot be.

        `connection` is one of kernel.database (ports name no driver).
        """
        ...
