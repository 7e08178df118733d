"""What accounts need from the rooms above: whether an account is empty."""

from collections.abc import Mapping
from typing import Protocol

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


class Leavings(Protocol):
    """Knows what a customer still has here."""

    async def left_in(self, connection: Connection, user_id: UserId) -> Mapping[str, str]:
        """What stands in the way of closing, by name ("open_orders", "balance_USD") with its amount; empty if nothing.

        Runs in the transaction that closes.
        """
        ...
