"""What funding holds of customers' money, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

HoldingKind = Literal["withdrawal", "refund", "dispute", "bonus"]

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
