"""Monitoring on the wire, for operators: alerts with their evidence, and rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from bitcurrent.compliance.monitoring import model
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

Reason = Annotated[str, msgspec.Meta(min_length=5, max_length=500)]


class AlertAnswer(Answer, frozen=True, kw_only=True):
    """What a rule said of a customer, and what became of it. Nobody decided: a rule opened the case itself."""

    id: UUID
    rule: model.RuleName
    rule_version: int
    user_id: UUID
    event: int
    at: datetime
    score: int
    parts: dict[str, str]
    words: str
    state: model.AlertState
    held: bool
    case_id: UUID | None
    decided_by: UUID | None
    decided_at: datetime | None
    decision: str | None


class RuleAnswer(Answer, frozen=True, kw_only=True):
    """One version of a rule."""

    version: int
    name: model.RuleName
    parameters: dict[str, Any]
    action: model.Action
    enabled: bool
    active_from: datetime
    created_at: datetime
    reason: str
    approval_id: UUID | None


class MonitoredTransaction(Answer, frozen=True, kw_only=True):
    """What was judged. `worth` is USD; `rule_hits` is all that rules said of it, by version."""

    event: int
    kind: model.FactKind
    subject: UUID | None
    at: datetime
    worth: Amount | None
    facts: dict[str, Any]
    rule_hits: list[dict[str, Any]]


class AlertWithEvidence(Answer, frozen=True, kw_only=True):
    """An alert, the version of the rule that spoke, and the transaction that it spoke of."""

    alert: AlertAnswer
    rule: RuleAnswer | None
    transaction: MonitoredTransaction | None


class DecideAlert(Request, frozen=True, kw_only=True):
    """Why it is dismissed or escalated."""

    reason: Reason


class ChangeRule(Request, frozen=True, kw_only=True):
    """A rule's next version. Parameters that are left out are as the house comes; amounts are text, in USD."""

    parameters: dict[str, str | int | list[str]]
    reason: Reason
    action: model.Action = "alert"
    enabled: bool = True
    active_from: datetime | None = None


def alert_answer(value: model.Alert) -> AlertAnswer:
    """An alert as an answer."""
    return AlertAnswer(
        id=value.id,
        rule=value.rule,
        rule_version=value.rule_version,
        user_id=value.user_id,
        event=value.position,
        at=value.at,
        score=value.score,
        parts=dict(value.parts),
        words=value.words,
        state=value.state,
        held=value.held,
        case_id=value.case_id,
        decided_by=value.decided_by,
        decided_at=value.decided_at,
        decision=value.decision,
    )


def rule_answer(value: model.RuleRecord) -> RuleAnswer:
    """A rule's version as an answer."""
    return RuleAnswer(
        version=value.version,
        name=value.name,
        parameters=dict(value.parameters),
        action=value.action,
        enabled=value.enabled,
        active_from=value.active_from,
        created_at=value.created_at,
        reason=value.reason,
        approval_id=value.approval_id,
    )


def with_evidence(
    alert: model.Alert, rule: model.RuleRecord | None, fact: model.Fact | None, said: Sequence[Mapping[str, Any]]
) -> AlertWithEvidence:
    """An alert with what it stands on."""
    return AlertWithEvidence(
        alert=alert_answer(alert),
        rule=rule_answer(rule) if rule else None,
        transaction=None
        if fact is None
        else MonitoredTransaction(
            event=fact.position,
            kind=fact.kind,
            subject=fact.subject,
            at=fact.at,
            worth=None if fact.worth is None else Amount(fact.worth),
            facts=dict(fact.facts),
            rule_hits=[dict(each) for each in said],
        ),
    )
