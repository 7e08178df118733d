"""Refunds, disputes and debts as operators see them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.backoffice.schemas import ApprovalAnswer
from bitcurrent.funding.reversals.model import Dispute
from bitcurrent.funding.reversals.schemas import DisputeStateName, Reason, RefundAnswer
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request


class OperatorRefund(Request, frozen=True, kw_only=True):
    """A refund for a customer. Without an amount all that is left of the deposit."""

    reason: Reason
    amount: Amount | None = None


class RefundAsked(Answer, frozen=True, kw_only=True):
    """Either the refund, which is sent at once, or the approval that somebody else has to grant first."""

    refund: RefundAnswer | None
    approval: ApprovalAnswer | None


class WriteOff(Request, frozen=True, kw_only=True):
    """Why nobody shall wait for it any more."""

    reason: Reason


class DisputeNote(Request, frozen=True, kw_only=True):
    """What there is as evidence, or what was done."""

    note: Annotated[str, msgspec.Meta(min_length=1, max_length=5_000)]


class AdminDispute(Answer, frozen=True, kw_only=True):
    """A dispute with everything that operators need: whose, until when, what it took, who covers it."""

    id: UUID
    processor_dispute_id: str
    user_id: UUID
    deposit_id: UUID
    currency: str
    amount: Amount
    reason: str
    status: str
    state: DisputeStateName
    withdrawn: Amount
    reinstated: Amount
    fee: Amount
    locked: Amount
    taken: Amount
    respond_by: datetime | None
    note: str | None
    noted_by: UUID | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None


def admin_dispute(dispute: Dispute) -> AdminDispute:
    """A dispute for operators."""
    return AdminDispute(
        id=dispute.id,
        processor_dispute_id=dispute.processor_dispute_id,
        user_id=dispute.user_id,
        deposit_id=dispute.lot_id,
        currency=dispute.currency,
        amount=Amount(dispute.amount),
        reason=dispute.reason,
        status=dispute.status,
        state=dispute.state.value,
        withdrawn=Amount(dispute.withdrawn),
        reinstated=Amount(dispute.reinstated),
        fee=Amount(dispute.fee),
        locked=Amount(dispute.locked),
        taken=Amount(dispute.taken),
        respond_by=dispute.respond_by,
        note=dispute.note,
        noted_by=dispute.noted_by,
        created_at=dispute.created_at,
        updated_at=dispute.updated_at,
        closed_at=dispute.closed_at,
    )
