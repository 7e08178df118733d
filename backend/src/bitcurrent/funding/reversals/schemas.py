"""Refunds, disputes and debts on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from bitcurrent.funding.provenance.model import Cause, Debt
from bitcurrent.funding.reversals.model import REFUND_TOLD, Dispute, Origin, Refund
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

RefundStateName = Literal["requested", "sending", "pending", "succeeded", "failed"]
DisputeStateName = Literal["open", "won", "lost", "closed"]
Reason = Annotated[str, msgspec.Meta(min_length=5, max_length=500)]


class RefundRequest(Request, frozen=True, kw_only=True):
    """Back to the card. Without an amount all that is left of the deposit."""

    amount: Amount | None = None


class RefundAnswer(Answer, frozen=True, kw_only=True):
    """Money on its way back to the card that paid. `told` says in words where it stands."""

    id: UUID
    deposit_id: UUID
    currency: str
    amount: Amount
    state: RefundStateName
    told: str
    origin: Origin
    outcome_unknown: bool
    failure: str | None
    created_at: datetime
    finished_at: datetime | None


class DebtAnswer(Answer, frozen=True, kw_only=True):
    """What you owe (`open`): a card payment was taken back after its money had been used."""

    id: UUID
    currency: str
    cause: Cause
    cause_id: UUID
    amount: Amount
    collected: Amount
    written_off: Amount
    open: Amount
    created_at: datetime


class DisputeAnswer(Answer, frozen=True, kw_only=True):
    """A card payment that its owner's bank takes back. `locked` is held from the balance because of it."""

    id: UUID
    deposit_id: UUID
    currency: str
    amount: Amount
    reason: str
    state: DisputeStateName
    locked: Amount
    created_at: datetime
    closed_at: datetime | None


def refund_answer(refund: Refund) -> RefundAnswer:
    """A refund for its customer."""
    return RefundAnswer(
        id=refund.id,
        deposit_id=refund.lot_id,
        currency=refund.currency,
        amount=Amount(refund.amount),
        state=refund.state.value,
        told=REFUND_TOLD[refund.state],
        origin=refund.origin,
        outcome_unknown=refund.unknown_since is not None,
        failure=refund.failure,
        created_at=refund.created_at,
        finished_at=refund.finished_at,
    )


def debt_answer(debt: Debt) -> DebtAnswer:
    """A debt for its customer."""
    return DebtAnswer(
        id=debt.id,
        currency=debt.currency,
        cause=debt.cause,
        cause_id=debt.cause_id,
        amount=Amount(debt.amount),
        collected=Amount(debt.collected),
        written_off=Amount(debt.written_off),
        open=Amount(debt.open),
        created_at=debt.created_at,
    )


def dispute_answer(dispute: Dispute) -> DisputeAnswer:
    """A dispute for its customer."""
    return DisputeAnswer(
        id=dispute.id,
        deposit_id=dispute.lot_id,
        currency=dispute.currency,
        amount=Amount(dispute.amount),
        reason=dispute.reason,
        state=dispute.state.value,
        locked=Amount(dispute.locked),
        created_at=dispute.created_at,
        closed_at=dispute.closed_at,
    )
