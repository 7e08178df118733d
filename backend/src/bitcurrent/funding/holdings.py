"""What funding holds of customers' money and why: withdrawals, refunds, disputes and bonuses, for whoever explains it.

Reads in the connection it is given, so that all it says is of one moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from bitcurrent.funding import holdings_repository as repository
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

HoldingKind = Literal["withdrawal", "refund", "dispute", "bonus"]
HOLDINGS_MAX = 1_000

RELEASED: Mapping[HoldingKind, str] = {
    "withdrawal": "when the withdrawal has left, or is canceled, refused or failed",
    "refund": "when the card's bank has it, or does not take it",
    "dispute": "when the bank has decided the dispute",
    "bonus": "when the bonus's conditions are met; it is lost when they no longer can be",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Money of one customer that is set aside, for what, since when, and until when where a date is known."""

    kind: HoldingKind
    id: UUID
    currency: str
    amount: Decimal
    since: datetime
    until: datetime | None
    state: str

    @property
    def released_when(self) -> str:
        """What frees it, in words."""
        return RELEASED[self.kind]


async def list_holdings(
    connection: Connection, user_id: UserId, currency: str | None = None, *, limit: int = HOLDINGS_MAX
) -> list[Holding]:
    """Everything of funding that holds something (of one currency), oldest first."""
    rows = await repository.list_holdings(connection, user_id, currency, limit)
    return [Holding(**dict(row)) for row in rows]
