"""monitoring

What is taken from a customer for a while; what monitoring saw, its rules and its alerts.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


FACT_KINDS = "'deposit', 'card', 'withdrawal', 'fill', 'conversion', 'refund'"
MARK_KINDS = "'card', 'destination', 'access'"
RULES = (
    "'structuring', 'velocity', 'pass_through', 'dormant_large', 'many_cards', 'shared_marks', 'new_address_drain',"
    " 'wash', 'card_country'"
)
# How the house comes. Only what looks like an account that is being emptied stops money by itself.
DEFAULTS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("structuring", "case", {"limit": "1000", "margin_percent": 10, "count": 3, "hours": 72}),
    ("velocity", "alert", {"count": 20, "worth": "50000", "hours": 24}),
    ("pass_through", "hold", {"minimum": "1000", "out_percent": 80, "traded_percent": 20, "hours": 48}),
    ("dormant_large", "alert", {"days": 180, "minimum": "5000"}),
    ("many_cards", "case", {"cards": 4, "days": 30}),
    ("shared_marks", "alert", {"customers": 3, "kinds": ["card", "destination", "access"], "days": 30}),
    ("new_address_drain", "hold", {"minimum": "5000", "share_percent": 80, "hours": 72}),
    ("wash", "alert", {"minimum": "10000", "flips": 6, "matched_percent": 90, "hours": 1}),
    ("card_country", "alert", {"minimum": "500", "allowed": [], "days": 30}),
)


def upgrade() -> None:
    _restrictions()
    _transactions()
    op.bulk_insert(
        _rules(),
        [
            {"name": name, "parameters": values, "action": action, "enabled": True, "reason": "Came with the house"}
            for name, action, values in DEFAULTS
        ],
    )
    _alerts()
    op.create_table(
        "monitoring_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_monitoring_cursors")),
    )


def _transactions() -> None:
    op.create_table(
        "transaction_monitoring",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_position", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.UUID()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worth", sa.Numeric(38, 18)),
        sa.Column("facts", pg.JSONB(), nullable=False),
        sa.Column("rule_hits", pg.JSONB(), nullable=False),
        sa.Column("requires_review", sa.Boolean(), nullable=False),
        sa.Column("monitored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(f"kind IN ({FACT_KINDS})", name=op.f("ck_transaction_monitoring_kind")),
        sa.CheckConstraint("worth >= 0", name=op.f("ck_transaction_monitoring_worth")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_transaction_monitoring_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transaction_monitoring")),
        sa.UniqueConstraint("event_position", name=op.f("uq_transaction_monitoring_event_position")),
    )
    op.create_index("idx_transactions_monitoring", "transaction_monitoring", ["requires_review", "monitored_at"])
    op.create_index("idx_transaction_monitoring_user", "transaction_monitoring", ["user_id", "id"])
    op.create_index("idx_transaction_monitoring_at", "transaction_monitoring", ["at"])
    op.create_table(
        "monitoring_marks",
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"kind IN ({MARK_KINDS})", name=op.f("ck_monitoring_marks_kind")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction_monitoring.id"], name=op.f("fk_monitoring_marks_transaction_id")
        ),
        sa.PrimaryKeyConstraint("transaction_id", "kind", name=op.f("pk_monitoring_marks")),
    )
    op.create_index("idx_monitoring_marks_value", "monitoring_marks", ["kind", "value", "user_id"])
    op.create_index("idx_monitoring_marks_user", "monitoring_marks", ["user_id"])


def _rules() -> sa.Table:
    table = op.create_table(
        "monitoring_rules",
        sa.Column("version", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parameters", pg.JSONB(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("active_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.UUID()),
        sa.CheckConstraint(f"name IN ({RULES})", name=op.f("ck_monitoring_rules_name")),
        sa.CheckConstraint("action IN ('alert', 'case', 'hold')", name=op.f("ck_monitoring_rules_action")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_monitoring_rules_reason")),
        sa.CheckConstraint("jsonb_typeof(parameters) = 'object'", name=op.f("ck_monitoring_rules_parameters")),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_monitoring_rules_approval_id")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_monitoring_rules")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_monitoring_rules_approval_id")),
    )
    op.create_index("idx_monitoring_rules_name", "monitoring_rules", ["name", "active_from"])
    return table


def _alerts() -> None:
    op.create_table(
        "monitoring_alerts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("parts", pg.JSONB(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("case_id", sa.UUID()),
        sa.Column("decided_by", sa.UUID()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decision", sa.Text()),
        sa.CheckConstraint(f"rule IN ({RULES})", name=op.f("ck_monitoring_alerts_rule")),
        sa.CheckConstraint("state IN ('open', 'dismissed', 'escalated')", name=op.f("ck_monitoring_alerts_state")),
        sa.CheckConstraint("score BETWEEN 1 AND 100", name=op.f("ck_monitoring_alerts_score")),
        sa.CheckConstraint("length(words) BETWEEN 1 AND 300", name=op.f("ck_monitoring_alerts_words")),
        sa.CheckConstraint(
            "(state = 'escalated') = (case_id IS NOT NULL)", name=op.f("ck_monitoring_alerts_escalated_into_a_case")
        ),
        sa.CheckConstraint("NOT held OR case_id IS NOT NULL", name=op.f("ck_monitoring_alerts_held_with_a_case")),
        sa.CheckConstraint(
            "CASE WHEN state = 'dismissed' THEN num_nonnulls(decided_by, decided_at, decision) = 3"
            " WHEN state = 'open' THEN num_nonnulls(decided_by, decided_at, decision) = 0"
            " ELSE num_nonnulls(decided_by, decided_at, decision) IN (0, 3) END",
            name=op.f("ck_monitoring_alerts_decided_by_somebody"),
        ),
        sa.ForeignKeyConstraint(
            ["rule_version"], ["monitoring_rules.version"], name=op.f("fk_monitoring_alerts_rule_version")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_monitoring_alerts_user_id")),
        sa.ForeignKeyConstraint(
            ["position"], ["transaction_monitoring.event_position"], name=op.f("fk_monitoring_alerts_position")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_monitoring_alerts_case_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name=op.f("fk_monitoring_alerts_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monitoring_alerts")),
        sa.UniqueConstraint("rule", "position", name=op.f("uq_monitoring_alerts_rule_position")),
    )
    op.create_index("idx_monitoring_alerts_user", "monitoring_alerts", ["user_id", "rule", "at"])
    op.create_index("idx_monitoring_alerts_state", "monitoring_alerts", ["state", "id"])
    op.create_index(
        "idx_monitoring_alerts_case", "monitoring_alerts", ["case_id"], postgresql_where=sa.text("case_id IS NOT NULL")
    )


def _restrictions() -> None:
    op.create_table(
        "restrictions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID()),
        sa.Column("started_by", sa.UUID()),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_by", sa.UUID()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("end_reason", sa.Text()),
        sa.CheckConstraint("scope IN ('withdrawals', 'orders', 'login')", name=op.f("ck_restrictions_scope")),
        sa.CheckConstraint("code ~ '^[a-z][a-z0-9_.:-]{0,99}$'", name=op.f("ck_restrictions_code")),
        sa.CheckConstraint("length(words) BETWEEN 1 AND 300", name=op.f("ck_restrictions_words")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_restrictions_reason")),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_restrictions_end_has_a_reason")),
        sa.CheckConstraint(
            "ended_by IS NULL OR ended_at IS NOT NULL", name=op.f("ck_restrictions_ended_by_when_ended")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_restrictions_user_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_restrictions_case_id")),
        sa.ForeignKeyConstraint(["started_by"], ["users.id"], name=op.f("fk_restrictions_started_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_restrictions_ended_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restrictions")),
    )
    op.create_index(
        "idx_restrictions_standing",
        "restrictions",
        ["user_id", "scope", "code"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("idx_restrictions_user", "restrictions", ["user_id", "id"])
    op.create_index(
        "idx_restrictions_case", "restrictions", ["case_id"], postgresql_where=sa.text("case_id IS NOT NULL")
    )
