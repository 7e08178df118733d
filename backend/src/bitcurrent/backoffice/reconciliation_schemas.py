"""Reconciliation on the wire of the back office."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec

from bitcurrent.backoffice.schemas import Reason
from bitcurrent.kernel.clock import now
from bitcurrent.reconciliation import model
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

AccountName = Annotated[str, msgspec.Meta(min_length=1, max_length=40, description="Such as adjustments or losses.")]


class AssignBreak(Request, frozen=True, kw_only=True):
    """Who looks after it; yourself when nobody is named."""

    owner: UUID | None = None


class ResolveBreak(Request, frozen=True, kw_only=True):
    """Why the difference is none, or none any more."""

    note: Reason


class BookBreak(Request, frozen=True, kw_only=True):
    """Ask that the difference is booked against a house account.

    `amount` is how much less our books shall say that there is (negative: more); the whole difference by default.
    """

    counterpart: AccountName = "adjustments"
    amount: Amount | None = None
    reason: Reason


class ReasonAnswer(Answer, frozen=True, kw_only=True):
    """A part of a difference that is no mistake."""

    what: str
    amount: Amount


class RowAnswer(Answer, frozen=True, kw_only=True):
    """An asset at one party. `difference` is ours less theirs less what `reasons` explain: zero when all is well."""

    party: model.Party
    asset: str
    ours: Amount
    theirs: Amount
    difference: Amount
    reasons: list[ReasonAnswer]


class ReconciliationAnswer(Answer, frozen=True, kw_only=True):
    """The newest comparison of our books with venue, processor and bank; empty before the first one."""

    compared_at: datetime | None
    age_seconds: int | None
    wholly: bool | None
    last_wholly_at: datetime | None
    findings: int
    troubles: list[str]
    open_breaks: int
    oldest_break_seconds: int
    table: list[RowAnswer]


class BreakAnswer(Answer, frozen=True, kw_only=True):
    """Something that did not agree. `gone_since` says since when it is not there any more."""

    id: UUID
    kind: model.BreakKind
    subject: str
    party: model.Party
    asset: str
    account: str | None
    expected: Amount
    found: Amount
    difference: Amount
    text: str
    state: model.BreakState
    looks: int
    first_seen: datetime
    last_seen: datetime
    gone_since: datetime | None
    age_seconds: int
    owner: UUID | None
    assigned_at: datetime | None
    resolved_by: UUID | None
    resolved_at: datetime | None
    note: str | None
    journal_reference: str | None


def reconciliation_answer(
    run: model.Run | None, whole: model.Run | None, *, open_breaks: int, oldest: int
) -> ReconciliationAnswer:
    """The newest run as an answer."""
    return ReconciliationAnswer(
        compared_at=run.finished_at if run else None,
        age_seconds=int((now() - run.finished_at).total_seconds()) if run else None,
        wholly=run.wholly if run else None,
        last_wholly_at=whole.finished_at if whole else None,
        findings=run.findings if run else 0,
        troubles=list(run.troubles) if run else [],
        open_breaks=open_breaks,
        oldest_break_seconds=oldest,
        table=[_row(row) for row in run.table] if run else [],
    )


def _row(row: Mapping[str, Any]) -> RowAnswer:
    return RowAnswer(
        party=model.Party(row["party"]),
        asset=row["asset"],
        ours=Amount(row["ours"]),
        theirs=Amount(row["theirs"]),
        difference=Amount(row["difference"]),
        reasons=[ReasonAnswer(what=each["what"], amount=Amount(each["amount"])) for each in row["reasons"]],
    )


def break_answer(value: model.Break) -> BreakAnswer:
    """A break as an answer."""
    return BreakAnswer(
        id=value.id,
        kind=value.kind,
        subject=value.subject,
        party=value.party,
        asset=value.asset,
        account=value.account,
        expected=_amount(value.expected),
        found=_amount(value.found),
        difference=_amount(value.difference),
        text=value.text,
        state=value.state,
        looks=value.looks,
        first_seen=value.first_seen,
        last_seen=value.last_seen,
        gone_since=value.gone_since,
        age_seconds=value.age_seconds(now()),
        owner=value.owner,
        assigned_at=value.assigned_at,
        resolved_by=value.resolved_by,
        resolved_at=value.resolved_at,
        note=value.note,
        journal_reference=value.journal_reference,
    )


def _amount(value: Decimal) -> Amount:
    return Amount(value)
