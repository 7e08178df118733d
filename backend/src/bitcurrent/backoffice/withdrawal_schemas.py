"""Withdrawals and payouts as operators see them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from bitcurrent.funding.payouts.model import Batch, FileKind, Imported, Waiting
from bitcurrent.funding.withdrawals.model import Step, Withdrawal
from bitcurrent.funding.withdrawals.schemas import StepAnswer, WithdrawalAnswer, parts_of, step_answer
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

_Reason = Annotated[str, msgspec.Meta(min_length=5, max_length=500, description="Why; kept in the audit log.")]


class Reason(Request, frozen=True, kw_only=True):
    """Why something is done."""

    reason: _Reason


class AskBatch(Request, frozen=True, kw_only=True):
    """Pay all that is approved in one currency."""

    currency: Literal["USD", "EUR", "GBP"]
    reason: _Reason


class TakeFile(Request, frozen=True, kw_only=True):
    """A file of the bank, as text. Larger ones go by `bitcurrent payouts import`."""

    content: Annotated[str, msgspec.Meta(min_length=1, max_length=65_000)]


class AdminWithdrawal(WithdrawalAnswer, frozen=True, kw_only=True):
    """A withdrawal with what its owner is not shown."""

    user_id: UUID
    worth_usd: Amount
    screening: str | None
    screening_reference: str | None
    limit_version: str | None
    batch_id: UUID | None
    unknown_since: datetime | None
    network_fee_paid: Amount | None
    approval_id: UUID | None
    """What waits for a second person, or was decided by two."""
    asked_by: UUID | None


class AdminWithdrawalDetail(AdminWithdrawal, frozen=True, kw_only=True):
    """The same with its steps."""

    steps: list[StepAnswer]


class WaitingAnswer(Answer, frozen=True, kw_only=True):
    """What waits for the next batch in a currency."""

    currency: str
    count: int
    total: Amount


class BatchAnswer(Answer, frozen=True, kw_only=True):
    """A batch of payouts. Its file carries `message_id`."""

    id: UUID
    created_at: datetime
    currency: str
    message_id: str
    count: int
    total: Amount
    approval_id: UUID | None
    demo: bool


class BatchDetail(BatchAnswer, frozen=True, kw_only=True):
    """A batch and where its withdrawals stand."""

    withdrawals: list[WithdrawalAnswer]


class PayoutFile(Answer, frozen=True, kw_only=True):
    """A file for the bank, as text in UTF-8."""

    file_name: str
    content: str


class ImportAnswer(Answer, frozen=True, kw_only=True):
    """What became of a bank's file. `flagged` lines are for a person: the bank booked a payment twice."""

    id: UUID
    kind: FileKind
    lines: int
    changed: int
    flagged: int
    repeated: bool


Asked = dict[UUID, tuple[UUID, UUID]]
"""By withdrawal: its newest approval, and who asked for it."""


def admin_withdrawal(withdrawal: Withdrawal, asked: Asked) -> AdminWithdrawal:
    """For the list."""
    return AdminWithdrawal(**parts_of(withdrawal), **_more(withdrawal, asked))


def admin_detail(withdrawal: Withdrawal, steps: list[Step], asked: Asked) -> AdminWithdrawalDetail:
    """For one of them."""
    return AdminWithdrawalDetail(
        **parts_of(withdrawal), **_more(withdrawal, asked), steps=[step_answer(step) for step in steps]
    )


def _more(withdrawal: Withdrawal, asked: Asked) -> dict[str, Any]:
    approval, asker = asked.get(withdrawal.id, (None, None))
    return {
        "user_id": withdrawal.user_id,
        "worth_usd": Amount(withdrawal.worth),
        "screening": withdrawal.screening,
        "screening_reference": withdrawal.screening_reference,
        "limit_version": withdrawal.limit_version,
        "batch_id": withdrawal.batch_id,
        "unknown_since": withdrawal.unknown_since,
        "network_fee_paid": _amount(withdrawal.network_fee_paid),
        "approval_id": approval,
        "asked_by": asker,
    }


def waiting_answer(waiting: Waiting) -> WaitingAnswer:
    """One currency."""
    return WaitingAnswer(currency=waiting.currency, count=waiting.count, total=Amount(waiting.total))


def batch_answer(batch: Batch) -> BatchAnswer:
    """One batch."""
    return BatchAnswer(
        id=batch.id,
        created_at=batch.created_at,
        currency=batch.currency,
        message_id=batch.message_id,
        count=batch.count,
        total=Amount(batch.total),
        approval_id=batch.approval_id,
        demo=batch.demo,
    )


def import_answer(imported: Imported) -> ImportAnswer:
    """What became of a file."""
    return ImportAnswer(
        id=imported.id,
        kind=imported.kind,
        lines=imported.lines,
        changed=imported.changed,
        flagged=imported.flagged,
        repeated=imported.repeated,
    )


def _amount(value: Decimal | None) -> Amount | None:
    return None if value is None else Amount(value)
