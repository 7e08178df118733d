"""Approvals. Identity's functions.sql has the trigger that lets them only go forward."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

_OPEN = "granted_at IS NULL AND refused_at IS NULL AND expired_at IS NULL"


def _moment(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True))


def _person(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, pg.UUID, sa.ForeignKey("users.id"), nullable=nullable)


approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("payload", pg.JSONB, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    _person("asked_by", nullable=False),
    sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    _person("granted_by"),
    _moment("granted_at"),
    _person("refused_by"),
    _moment("refused_at"),
    sa.Column("refusal_reason", sa.Text),
    _moment("expired_at"),
    _moment("executed_at"),
    # The four eyes.
    sa.CheckConstraint("granted_by <> asked_by", name="two_people"),
    sa.CheckConstraint("(granted_by IS NULL) = (granted_at IS NULL)", name="granted_by_somebody"),
    sa.CheckConstraint("(refused_by IS NULL) = (refused_at IS NULL)", name="refused_by_somebody"),
    sa.CheckConstraint("num_nonnulls(granted_at, refused_at, expired_at) <= 1", name="one_end"),
    sa.CheckConstraint("granted_at < expires_at", name="granted_in_time"),
    sa.CheckConstraint("expired_at >= expires_at", name="not_expired_early"),
    sa.CheckConstraint("executed_at IS NULL OR granted_at IS NOT NULL", name="executed_when_granted"),
    sa.CheckConstraint("expires_at > asked_at AND expires_at <= asked_at + interval '31 days'", name="lifetime"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    sa.Index("idx_approvals_open", "kind", "subject", unique=True, postgresql_where=sa.text(_OPEN)),
    sa.Index("idx_approvals_expiring", "expires_at", postgresql_where=sa.text(_OPEN)),
)
