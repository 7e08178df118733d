"""Adjustments that were granted. What is only asked for stands among the approvals."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata


def _person(name: str) -> "sa.Column[object]":
    return sa.Column(name, pg.UUID, sa.ForeignKey("users.id"), nullable=False)


adjustments = sa.Table(
    "adjustments",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    _person("user_id"),
    sa.Column("currency", sa.Text, nullable=False),
    # Above zero the customer gets it, below zero it is taken.
    sa.Column("amount", sa.Numeric(38, 18), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), nullable=False, unique=True),
    _person("asked_by"),
    _person("granted_by"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # The four eyes, and none of them the customer's.
    sa.CheckConstraint("asked_by <> granted_by", name="two_people"),
    sa.CheckConstraint("user_id NOT IN (asked_by, granted_by)", name="nobodys_own"),
    sa.CheckConstraint("amount <> 0 AND amount <> 'NaN'", name="amount"),
    sa.CheckConstraint("currency ~ '^[A-Z0-9]{1,20}$'", name="currency"),
    sa.CheckConstraint("length(reason) BETWEEN 5 AND 500", name="reason"),
    sa.CheckConstraint("length(evidence) BETWEEN 3 AND 300", name="evidence"),
    sa.Index("idx_adjustments_user", "user_id", "id"),
)
