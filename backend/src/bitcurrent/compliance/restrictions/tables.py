"""Restrictions, those that ended too. Compliance's functions.sql lets a restriction only end, once."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.compliance.restrictions.model import SCOPES
from bitcurrent.kernel.database import metadata

_SCOPES = ", ".join(f"'{scope}'" for scope in SCOPES)

restrictions = sa.Table(
    "restrictions",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    # The case that ends it when there was nothing in it.
    sa.Column("case_id", pg.UUID, sa.ForeignKey("cases.id")),
    # Nobody: the house itself.
    sa.Column("started_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("ended_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("end_reason", sa.Text),
    sa.CheckConstraint(f"scope IN ({_SCOPES})", name="scope"),
    sa.CheckConstraint("code ~ '^[a-z][a-z0-9_.:-]{0,99}$'", name="code"),
    sa.CheckConstraint("length(words) BETWEEN 1 AND 300", name="words"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="end_has_a_reason"),
    sa.CheckConstraint("ended_by IS NULL OR ended_at IS NOT NULL", name="ended_by_when_ended"),
    sa.Index(
        "idx_restrictions_standing",
        "user_id",
        "scope",
        "code",
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
    sa.Index("idx_restrictions_user", "user_id", "id"),
    sa.Index("idx_restrictions_case", "case_id", postgresql_where=sa.text("case_id IS NOT NULL")),
)
