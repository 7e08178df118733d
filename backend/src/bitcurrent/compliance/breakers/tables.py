"""The circuit breaker's rules, every version that there ever was."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

breaker_rules = sa.Table(
    "breaker_rules",
    metadata,
    sa.Column("version", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("kind", sa.Text, nullable=False),
    # Nothing: every asset that has no rule of this kind of its own.
    sa.Column("asset", sa.Text),
    # Nothing: the rule only says that nothing is stopped.
    sa.Column("stops", sa.Text),
    sa.Column("percent", sa.Numeric(9, 4)),
    sa.Column("within_seconds", sa.Integer, nullable=False),
    sa.Column("calm_seconds", sa.Integer, nullable=False),
    sa.Column("resume", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), unique=True),
    sa.CheckConstraint("kind IN ('jump', 'stale')", name="kind"),
    sa.CheckConstraint("asset ~ '^[A-Z0-9]{1,20}$'", name="asset"),
    sa.CheckConstraint("stops IN ('trading', 'order_market')", name="stops"),
    sa.CheckConstraint("(kind = 'jump') = (percent IS NOT NULL) AND percent BETWEEN 0.1 AND 100", name="percent"),
    sa.CheckConstraint("within_seconds BETWEEN 2 AND 3600", name="within_seconds"),
    sa.CheckConstraint("calm_seconds BETWEEN 1 AND 86400", name="calm_seconds"),
    sa.CheckConstraint("resume IN ('calm', 'operator')", name="resume"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
)
