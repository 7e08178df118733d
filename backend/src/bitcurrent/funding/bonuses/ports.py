"""What bonuses need to know from elsewhere in the house."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from bitcurrent.kernel.ids import UserId


class MayHave(Protocol):
    """Whether the rules of a customer's country let us give them money for investing."""

    async def __call__(self, connection: Any, user_id: UserId) -> bool:
        """Asked before each bonus. `connection` is one of kernel.database."""
        ...


class Traded(Protocol):
    """What a customer has traded since a moment."""

    async def __call__(self, connection: Any, user_id: UserId, since: datetime) -> Decimal:
        """In USD. `connection` is one of kernel.database (ports name no driver)."""
        ...
