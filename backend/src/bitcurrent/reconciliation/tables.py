"""What reconciliation remembers: its runs, the breaks, the processor's lines, and how far it has read."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("clock_timestamp()")
ACTIVE = sa.text("state IN ('suspected', 'open', 'assigned')")

reconciliation_runs = sa.Table(
    "reconciliation_runs",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("wholly", sa.Boolean, nullable=False),
    sa.Column("started_at", MOMENT, nullable=False),
    sa.Column("finished_at", MOMENT, nullable=False, server_default=NOW),
    # The table as it was: rows with exact amounts as text.
    sa.Column("table", pg.JSONB, nullable=False),
    sa.Column("findings", sa.Integer, nullable=False),
    sa.Column("troubles", pg.JSONB, nullable=False),
    sa.CheckConstraint("findings >= 0", name="findings"),
    sa.Index("idx_reconciliation_runs_finished", sa.text("finished_at DESC")),
)

reconciliation_breaks = sa.Table(
    "reconciliation_breaks",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    # What it is about, for good: "venue:BTC", "processor-line:txn_…".
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("account", sa.Text),
    sa.Column("expected", AMOUNT, nullable=False),
    sa.Column("found", AMOUNT, nullable=False),
    sa.Column("difference", AMOUNT, sa.Computed("found - expected", persisted=True), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("looks", sa.Integer, nullable=False, server_default="1"),
    sa.Column("first_seen", MOMENT, nullable=False, server_default=NOW),
    sa.Column("last_seen", MOMENT, nullable=False, server_default=NOW),
    sa.Column("gone_since", MOMENT),
    sa.Column("opened_at", MOMENT),
    sa.Column("owner", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("assigned_at", MOMENT),
    sa.Column("resolved_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("resolved_at", MOMENT),
    sa.Column("note", sa.Text),
    sa.Column("journal_reference", sa.Text),
    sa.CheckConstraint("party IN ('venue', 'processor', 'bank')", name="party"),
    sa.CheckConstraint("state IN ('suspected', 'cleared', 'open', 'assigned', 'resolved')", name="state"),
    sa.CheckConstraint("state IN ('suspected', 'cleared') OR opened_at IS NOT NULL", name="opened"),
    sa.CheckConstraint("state <> 'assigned' OR owner IS NOT NULL", name="assigned_to_somebody"),
    sa.CheckConstraint("(state = 'resolved') = (resolved_at IS NOT NULL)", name="resolved_has_time"),
    sa.CheckConstraint(
        "state <> 'resolved' OR (resolved_by IS NOT NULL AND note IS NOT NULL)", name="resolved_by_somebody"
    ),
    sa.CheckConstraint("looks > 0 AND last_seen >= first_seen", name="seen"),
    sa.Index("idx_reconciliation_breaks_active", "subject", unique=True, postgresql_where=ACTIVE),
    sa.Index("idx_reconciliation_breaks_subject", "subject"),
    sa.Index("idx_reconciliation_breaks_state", "state", "first_seen"),
)

# What was seen outside and could not be tied to our books yet: it is looked at again until it is, or is a break.
reconciliation_doubts = sa.Table(
    "reconciliation_doubts",
    metadata,
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("facts", pg.JSONB, nullable=False),
    sa.Column("first_seen", MOMENT, nullable=False, server_default=NOW),
    sa.PrimaryKeyConstraint("kind", "id"),
    sa.CheckConstraint("kind IN ('order', 'fee', 'movement')", name="kind"),
)

reconciliation_cursors = sa.Table(
    "reconciliation_cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
)

# Sums of house accounts up to a moment that no running transaction can reach back to.
reconciliation_totals = sa.Table(
    "reconciliation_totals",
    metadata,
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("balance", AMOUNT, nullable=False),
    sa.Column("through", MOMENT, nullable=False),
    sa.PrimaryKeyConstraint("account", "currency"),
)

processor_lines = sa.Table(
    "processor_lines",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("fee", AMOUNT, nullable=False),
    sa.Column("net", AMOUNT, nullable=False),
    sa.Column("source", sa.Text),
    sa.Column("payment_intent", sa.Text),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("available_at", MOMENT, nullable=False),
    sa.Column("seen_at", MOMENT, nullable=False, server_default=NOW),
    # The group of journals that stands for it, by name; null as long as none does.
    sa.Column("reference", sa.Text),
    sa.Column("bound_at", MOMENT),
    sa.CheckConstraint("net = amount - fee", name="net"),
    sa.CheckConstraint("(reference IS NULL) = (bound_at IS NULL)", name="bound_has_time"),
    sa.Index("idx_processor_lines_unbound", "created_at", postgresql_where=sa.text("reference IS NULL")),
    sa.Index("idx_processor_lines_created", "created_at"),
    sa.Index("idx_processor_lines_reference", "reference", postgresql_where=sa.text("reference IS NOT NULL")),
)
