"""The back office on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from bitcurrent.identity import model as identity
from bitcurrent.identity.approvals import model as approvals
from bitcurrent.identity.operators_model import Operator
from bitcurrent.identity.permissions import permissions_of
from bitcurrent.kernel.clock import now
from bitcurrent.web.schemas import Answer, Request

Reason = Annotated[str, msgspec.Meta(max_length=1_000, description="Why, in 5 to 500 characters. It is kept for good.")]


class ChangeRole(Request, frozen=True, kw_only=True):
    """Ask that somebody gets another role; `customer` takes an operator's away."""

    role: identity.Role
    reason: Reason


class RefuseApproval(Request, frozen=True, kw_only=True):
    """Say no, and why."""

    reason: Reason


class ApprovalAnswer(Answer, frozen=True, kw_only=True):
    """Something that one operator asked for and another one decides. `payload` is what will be done, exactly."""

    id: UUID
    kind: str
    subject: str
    payload: dict[str, Any]
    reason: str
    state: approvals.State
    asked_by: UUID
    asked_at: datetime
    expires_at: datetime
    granted_by: UUID | None
    granted_at: datetime | None
    refused_by: UUID | None
    refused_at: datetime | None
    refusal_reason: str | None
    executed_at: datetime | None
    may_grant: bool
    """Whether the asker of this request may: not what they asked for themselves."""


class OperatorAnswer(Answer, frozen=True, kw_only=True):
    """Somebody who looks after other people's accounts."""

    id: UUID
    created_at: datetime
    email: str
    display_name: str
    role: identity.Role
    status: identity.Status
    is_customer: bool
    last_seen_at: datetime | None
    permissions: list[str]


def approval_answer(
    value: approvals.Approval, actor: identity.Actor, kinds: Mapping[str, approvals.Kind]
) -> ApprovalAnswer:
    """An approval as an answer to one operator."""
    state = value.state_at(now())
    kind = kinds.get(value.kind)
    allowed = kind is not None and kind.grant in permissions_of(actor.role)
    return ApprovalAnswer(
        id=value.id,
        kind=value.kind,
        subject=value.subject,
        payload=dict(value.payload),
        reason=value.reason,
        state=state,
        asked_by=value.asked_by,
        asked_at=value.asked_at,
        expires_at=value.expires_at,
        granted_by=value.granted_by,
        granted_at=value.granted_at,
        refused_by=value.refused_by,
        refused_at=value.refused_at,
        refusal_reason=value.refusal_reason,
        executed_at=value.executed_at,
        may_grant=state == "open" and allowed and value.asked_by != actor.user_id,
    )


def operator_answer(value: Operator) -> OperatorAnswer:
    """An operator as an answer."""
    return OperatorAnswer(
        id=value.id,
        created_at=value.created_at,
        email=value.email,
        display_name=value.display_name,
        role=value.role,
        status=value.status,
        is_customer=value.is_customer,
        last_seen_at=value.last_seen_at,
        permissions=sorted(permissions_of(value.role)),
    )
