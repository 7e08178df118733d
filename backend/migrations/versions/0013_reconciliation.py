"""reconciliation

Runs that compared our books with venue, processor and bank; the breaks that they found; the processor's own lines.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "processor_lines",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("fee", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("net", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("payment_intent", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(reference IS NULL) = (bound_at IS NULL)", name=op.f("ck_processor_lines_bound_has_time")),
        sa.CheckConstraint("net = amount - fee", name=op.f("ck_processor_lines_net")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processor_lines")),
    )
    op.create_index("idx_processor_lines_created", "processor_lines", ["created_at"], unique=False)
    op.create_index(
        "idx_processor_lines_reference",
        "processor_lines",
        ["reference"],
        unique=False,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index(
        "idx_processor_lines_unbound",
        "processor_lines",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("reference IS NULL"),
    )
    op.create_table(
        "reconciliation_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reconciliation_cursors")),
    )
    op.create_table(
        "reconciliation_doubts",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column(
            "first_seen", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("kind IN ('order', 'fee', 'movement')", name=op.f("ck_reconciliation_doubts_kind")),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_reconciliation_doubts")),
    )
    op.create_table(
        "reconciliation_runs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("wholly", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "finished_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("table", postgresql.JSONB(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("troubles", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("findings >= 0", name=op.f("ck_reconciliation_runs_findings")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_runs")),
    )
    op.create_index(
        "idx_reconciliation_runs_finished", "reconciliation_runs", [sa.literal_column("finished_at DESC")], unique=False
    )
    op.create_table(
        "reconciliation_totals",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("through", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "currency", name=op.f("pk_reconciliation_totals")),
    )
    op.create_table(
        "reconciliation_breaks",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("expected", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("found", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column(
            "difference",
            sa.Numeric(precision=38, scale=18),
            sa.Computed("found - expected", persisted=True),
            nullable=False,
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("looks", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "first_seen", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("last_seen", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("gone_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner", sa.UUID(), nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.UUID(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("journal_reference", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'resolved') = (resolved_at IS NOT NULL)", name=op.f("ck_reconciliation_breaks_resolved_has_time")
        ),
        sa.CheckConstraint("party IN ('venue', 'processor', 'bank')", name=op.f("ck_reconciliation_breaks_party")),
        sa.CheckConstraint(
            "state <> 'assigned' OR owner IS NOT NULL", name=op.f("ck_reconciliation_breaks_assigned_to_somebody")
        ),
        sa.CheckConstraint(
            "state <> 'resolved' OR (resolved_by IS NOT NULL AND note IS NOT NULL)",
            name=op.f("ck_reconciliation_breaks_resolved_by_somebody"),
        ),
        sa.CheckConstraint(
            "state IN ('suspected', 'cleared') OR opened_at IS NOT NULL", name=op.f("ck_reconciliation_breaks_opened")
        ),
        sa.CheckConstraint(
            "state IN ('suspected', 'cleared', 'open', 'assigned', 'resolved')",
            name=op.f("ck_reconciliation_breaks_state"),
        ),
        sa.CheckConstraint("looks > 0 AND last_seen >= first_seen", name=op.f("ck_reconciliation_breaks_seen")),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_reconciliation_breaks_owner")),
        sa.ForeignKeyConstraint(["resolved_by"], ["users.id"], name=op.f("fk_reconciliation_breaks_resolved_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_breaks")),
    )
    op.create_index(
        "idx_reconciliation_breaks_active",
        "reconciliation_breaks",
        ["subject"],
        unique=True,
        postgresql_where=sa.text("state IN ('suspected', 'open', 'assigned')"),
    )
    op.create_index("idx_reconciliation_breaks_state", "reconciliation_breaks", ["state", "first_seen"], unique=False)
    op.create_index("idx_reconciliation_breaks_subject", "reconciliation_breaks", ["subject"], unique=False)
