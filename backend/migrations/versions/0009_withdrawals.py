"""withdrawals

Withdrawals and their steps, bank accounts of customers, batches of payouts and what the bank says of them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bank_accounts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("usable_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("fingerprint", postgresql.BYTEA(), nullable=False),
        sa.Column("data_key", postgresql.BYTEA(), comment="encrypted, with its data key"),
        sa.Column("details", postgresql.BYTEA(), comment="encrypted under the row's data key"),
        sa.CheckConstraint("(data_key IS NULL) = (details IS NULL)", name=op.f("ck_bank_accounts_whole")),
        sa.CheckConstraint(
            "data_key IS NOT NULL OR removed_at IS NOT NULL", name=op.f("ck_bank_accounts_erased_is_removed")
        ),
        sa.CheckConstraint("currency IN ('USD', 'EUR', 'GBP')", name=op.f("ck_bank_accounts_currency")),
        sa.CheckConstraint("scheme IN ('iban', 'gb', 'us')", name=op.f("ck_bank_accounts_scheme")),
        sa.CheckConstraint("length(label) BETWEEN 4 AND 60", name=op.f("ck_bank_accounts_label")),
        sa.CheckConstraint("usable_at >= created_at", name=op.f("ck_bank_accounts_usable_at")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_bank_accounts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_accounts")),
    )
    op.create_index("idx_bank_accounts_fingerprint", "bank_accounts", ["fingerprint"], unique=False)
    op.create_index(
        "idx_bank_accounts_once",
        "bank_accounts",
        ["user_id", "fingerprint", "currency"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "bank_files",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("imported_by", sa.UUID()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", postgresql.BYTEA(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('pain.002', 'camt.053', 'csv')", name=op.f("ck_bank_files_kind")),
        sa.CheckConstraint("length(sha256) = 32 AND lines >= 0 AND changed >= 0", name=op.f("ck_bank_files_whole")),
        sa.ForeignKeyConstraint(["imported_by"], ["users.id"], name=op.f("fk_bank_files_imported_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_files")),
        sa.UniqueConstraint("sha256", name=op.f("uq_bank_files_sha256")),
    )
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("fee", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("network_fee", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("network_fee_paid", sa.Numeric(precision=38, scale=18)),
        sa.Column("held", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("paid", sa.Numeric(precision=38, scale=18)),
        sa.Column("worth", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("rail", sa.Text(), nullable=False),
        sa.Column("destination", sa.UUID()),
        sa.Column("destination_label", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="requested", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("reference", sa.Text()),
        sa.Column("details", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("screening", sa.Text()),
        sa.Column("screening_reference", sa.Text()),
        sa.Column("limit_version", sa.Text()),
        sa.Column("batch_id", sa.UUID()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("unknown_since", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("(destination IS NULL) = (rail = 'card_refund')", name=op.f("ck_withdrawals_destination")),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('settled', 'failed', 'returned', 'refused', 'canceled', 'expired'))",
            name=op.f("ck_withdrawals_ended_has_time"),
        ),
        sa.CheckConstraint(
            "(paid IS NOT NULL) = (state IN ('settled', 'returned'))", name=op.f("ck_withdrawals_paid_when_settled")
        ),
        sa.CheckConstraint("batch_id IS NULL OR rail = 'bank'", name=op.f("ck_withdrawals_batches_are_for_banks")),
        sa.CheckConstraint("rail IN ('card_refund', 'bank', 'wallet')", name=op.f("ck_withdrawals_rail")),
        sa.CheckConstraint("screening IN ('clear', 'review', 'block', 'none')", name=op.f("ck_withdrawals_screening")),
        sa.CheckConstraint(
            "state IN ('requested', 'screening', 'review', 'approved', 'sending', 'sent', 'settled', 'failed', 'returned', 'refused', 'canceled', 'expired')",
            name=op.f("ck_withdrawals_state"),
        ),
        sa.CheckConstraint(
            "unknown_since IS NULL OR state = 'sending'", name=op.f("ck_withdrawals_unknown_while_sending")
        ),
        sa.CheckConstraint(
            "amount > 0 AND fee >= 0 AND network_fee >= 0 AND worth >= 0", name=op.f("ck_withdrawals_amounts")
        ),
        sa.CheckConstraint(
            "held = CASE WHEN finished_at IS NULL THEN amount + fee + network_fee ELSE 0 END",
            name=op.f("ck_withdrawals_holds_until_ended"),
        ),
        sa.CheckConstraint(
            "length(destination_label) BETWEEN 1 AND 200", name=op.f("ck_withdrawals_destination_label")
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 100", name=op.f("ck_withdrawals_reason")),
        sa.CheckConstraint("network_fee_paid >= 0", name=op.f("ck_withdrawals_network_fee_paid")),
        sa.CheckConstraint("paid > 0 AND paid <= amount", name=op.f("ck_withdrawals_paid")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_withdrawals_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawals")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "idx_withdrawals_batch",
        "withdrawals",
        ["batch_id"],
        unique=False,
        postgresql_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index(
        "idx_withdrawals_reference",
        "withdrawals",
        ["rail", "reference"],
        unique=True,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index(
        "idx_withdrawals_state",
        "withdrawals",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index("idx_withdrawals_user", "withdrawals", ["user_id", "id"], unique=False)
    op.create_table(
        "bank_lines",
        sa.Column("file_id", sa.UUID(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("bank_reference", sa.Text(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("withdrawal_id", sa.UUID()),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_bank_lines_amount")),
        sa.ForeignKeyConstraint(["file_id"], ["bank_files.id"], name=op.f("fk_bank_lines_file_id")),
        sa.ForeignKeyConstraint(["withdrawal_id"], ["withdrawals.id"], name=op.f("fk_bank_lines_withdrawal_id")),
        sa.PrimaryKeyConstraint("file_id", "line", name=op.f("pk_bank_lines")),
        sa.UniqueConstraint("bank_reference", name=op.f("uq_bank_lines_bank_reference")),
    )
    op.create_index("idx_bank_lines_booked", "bank_lines", ["currency", "booked_on"], unique=False)
    op.create_index(
        "idx_bank_lines_withdrawal",
        "bank_lines",
        ["withdrawal_id"],
        unique=False,
        postgresql_where=sa.text("withdrawal_id IS NOT NULL"),
    )
    op.create_table(
        "payout_batches",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("approval_id", sa.UUID()),
        sa.Column("demo", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint("currency IN ('USD', 'EUR', 'GBP')", name=op.f("ck_payout_batches_currency")),
        sa.CheckConstraint("count BETWEEN 1 AND 1000 AND total > 0", name=op.f("ck_payout_batches_amounts")),
        sa.CheckConstraint("demo = (approval_id IS NULL)", name=op.f("ck_payout_batches_four_eyes")),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_payout_batches_approval_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_batches")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_payout_batches_approval_id")),
        sa.UniqueConstraint("message_id", name=op.f("uq_payout_batches_message_id")),
    )
    op.create_table(
        "withdrawal_steps",
        sa.Column("withdrawal_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["withdrawal_id"], ["withdrawals.id"], name=op.f("fk_withdrawal_steps_withdrawal_id")),
        sa.PrimaryKeyConstraint("withdrawal_id", "number", name=op.f("pk_withdrawal_steps")),
    )
