"""An adjustment as a value, and the journal that it is."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.errors import Forbidden
from bitcurrent.kernel.ids import UserId
from bitcurrent.ledger.model import Journal, Move, available, house

EVIDENCE_LENGTH_MIN = 3
EVIDENCE_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """Money that two operators gave a customer, or took (below zero). `evidence` says where the proof lies."""

    id: UUID
    user_id: UserId
    currency: str
    amount: Decimal
    reason: str
    evidence: str
    approval_id: UUID
    asked_by: UserId
    granted_by: UserId
    created_at: datetime


class OwnMoney(Forbidden):
    """Nobody adjusts their own balance."""

    code = "own_money"

    def __init__(self) -> None:
        super().__init__("This is your own account: two other people have to ask for it and grant it.")


def journal_of(adjustment_id: UUID, user_id: UserId, currency: str, amount: Decimal) -> Journal:
    """The journal of an adjustment: the house's adjustments account against what is available."""
    theirs, ours = available(user_id, currency), house("adjustments", currency)
    source, target = (ours, theirs) if amount > 0 else (theirs, ours)
    return Journal(
        kind="adjustment",
        reference=f"adjustment:{adjustment_id}",
        moves=(Move(source=source, target=target, amount=abs(amount)),),
    )
