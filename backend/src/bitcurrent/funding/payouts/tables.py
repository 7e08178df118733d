"""Batches of payouts, the bank's files that were read in, and the lines of its statements."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)

payout_batches = sa.Table(
    "payout_batches",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("total", AMOUNT, nullable=False),
    # Null only for the demo's own bank, which pays nobody.
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), unique=True),
    sa.Column("demo", sa.Boolean, nullable=False, server_default="false"),
    sa.CheckConstraint("currency IN ('USD', 'EUR', 'GBP')", name="currency"),
    sa.CheckConstraint("count BETWEEN 1 AND 1000 AND total > 0", name="amounts"),
    sa.CheckConstraint("demo = (approval_id IS NULL)", name="four_eyes"),
)

bank_files = sa.Table(
    "bank_files",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("imported_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sha256", pg.BYTEA, nullable=False, unique=True),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("changed", sa.Integer, nullable=False),
    sa.CheckConstraint("kind IN ('pain.002', 'camt.053', 'csv')", name="kind"),
    sa.CheckConstraint("length(sha256) = 32 AND lines >= 0 AND changed >= 0", name="whole"),
)

# What a statement says an account closed with; negative when it is overdrawn.
bank_balances = sa.Table(
    "bank_balances",
    metadata,
    sa.Column("file_id", pg.UUID, sa.ForeignKey("bank_files.id"), nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("closed_on", sa.Date, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.PrimaryKeyConstraint("currency", "closed_on", "file_id"),
)

bank_lines = sa.Table(
    "bank_lines",
    metadata,
    sa.Column("file_id", pg.UUID, sa.ForeignKey("bank_files.id"), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    # The bank's own name for it: the same line in two statements is one.
    sa.Column("bank_reference", sa.Text, nullable=False, unique=True),
    sa.Column("booked_on", sa.Date, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    # Positive when it came in, negative when it went out.
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("withdrawal_id", pg.UUID, sa.ForeignKey("withdrawals.id")),
    sa.CheckConstraint("amount <> 0", name="amount"),
    sa.Index("idx_bank_lines_withdrawal", "withdrawal_id", postgresql_where=sa.text("withdrawal_id IS NOT NULL")),
    sa.Index("idx_bank_lines_booked", "currency", "booked_on"),
)
