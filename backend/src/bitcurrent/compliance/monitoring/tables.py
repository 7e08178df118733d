"""What monitoring has seen, its marks, its rules with all their versions, and its alerts. Guarded by functions.sql."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.compliance.monitoring.model import ACTIONS, ALERT_STATES, FACT_KINDS, MARK_KINDS, RULE_NAMES
from bitcurrent.kernel.database import metadata

MOMENT = sa.DateTime(timezone=True)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


transaction_monitoring = sa.Table(
    "transaction_monitoring",
    metadata,
    # In the order in which they were judged: whatever has a smaller id was known to the rules.
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("event_position", sa.BigInteger, nullable=False, unique=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", pg.UUID),
    sa.Column("at", MOMENT, nullable=False),
    # USD; nothing where nobody could say.
    sa.Column("worth", sa.Numeric(38, 18)),
    sa.Column("facts", pg.JSONB, nullable=False),
    sa.Column("rule_hits", pg.JSONB, nullable=False),
    sa.Column("requires_review", sa.Boolean, nullable=False),
    sa.Column("monitored_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint(_one_of("kind", FACT_KINDS), name="kind"),
    sa.CheckConstraint("worth >= 0", name="worth"),
    sa.Index("idx_transactions_monitoring", "requires_review", "monitored_at"),
    sa.Index("idx_transaction_monitoring_user", "user_id", "id"),
    sa.Index("idx_transaction_monitoring_at", "at"),
)

monitoring_marks = sa.Table(
    "monitoring_marks",
    metadata,
    sa.Column("transaction_id", sa.BigInteger, sa.ForeignKey("transaction_monitoring.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    # A keyed hash, or an id of ours or the processor's: nothing that can be read.
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.PrimaryKeyConstraint("transaction_id", "kind"),
    sa.CheckConstraint(_one_of("kind", MARK_KINDS), name="kind"),
    sa.Index("idx_monitoring_marks_value", "kind", "value", "user_id"),
    sa.Index("idx_monitoring_marks_user", "user_id"),
)

monitoring_rules = sa.Table(
    "monitoring_rules",
    metadata,
    sa.Column("version", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("parameters", pg.JSONB, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("active_from", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("reason", sa.Text, nullable=False),
    # Who asked and who granted; nothing: it came with the house.
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), unique=True),
    sa.CheckConstraint(_one_of("name", RULE_NAMES), name="name"),
    sa.CheckConstraint(_one_of("action", ACTIONS), name="action"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    sa.CheckConstraint("jsonb_typeof(parameters) = 'object'", name="parameters"),
    sa.Index("idx_monitoring_rules_name", "name", "active_from"),
)

monitoring_alerts = sa.Table(
    "monitoring_alerts",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("rule_version", sa.BigInteger, sa.ForeignKey("monitoring_rules.version"), nullable=False),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("position", sa.BigInteger, sa.ForeignKey("transaction_monitoring.event_position"), nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("score", sa.Integer, nullable=False),
    sa.Column("parts", pg.JSONB, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("held", sa.Boolean, nullable=False),
    sa.Column("case_id", pg.UUID, sa.ForeignKey("cases.id")),
    sa.Column("decided_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("decided_at", MOMENT),
    sa.Column("decision", sa.Text),
    sa.UniqueConstraint("rule", "position"),
    sa.CheckConstraint(_one_of("rule", RULE_NAMES), name="rule"),
    sa.CheckConstraint(_one_of("state", ALERT_STATES), name="state"),
    sa.CheckConstraint("score BETWEEN 1 AND 100", name="score"),
    sa.CheckConstraint("length(words) BETWEEN 1 AND 300", name="words"),
    sa.CheckConstraint("(state = 'escalated') = (case_id IS NOT NULL)", name="escalated_into_a_case"),
    sa.CheckConstraint("NOT held OR case_id IS NOT NULL", name="held_with_a_case"),
    sa.CheckConstraint(
        "CASE WHEN state = 'dismissed' THEN num_nonnulls(decided_by, decided_at, decision) = 3"
        " WHEN state = 'open' THEN num_nonnulls(decided_by, decided_at, decision) = 0"
        " ELSE num_nonnulls(decided_by, decided_at, decision) IN (0, 3) END",
        name="decided_by_somebody",
    ),
    sa.Index("idx_monitoring_alerts_user", "user_id", "rule", "at"),
    sa.Index("idx_monitoring_alerts_state", "state", "id"),
    sa.Index("idx_monitoring_alerts_case", "case_id", postgresql_where=sa.text("case_id IS NOT NULL")),
)

monitoring_cursors = sa.Table(
    "monitoring_cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("transaction_id", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
)
