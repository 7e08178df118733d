"""withdrawal addresses

Address books, what the venue was told of their addresses, transfers out of its wallet, the Travel Rule's evidence.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "venue_destinations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("address_index", postgresql.BYTEA(), nullable=False),
        sa.Column("data_key", postgresql.BYTEA(), nullable=False, comment="encrypted, with its data key"),
        sa.Column("address", postgresql.BYTEA(), nullable=False, comment="encrypted under the row's data key"),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("venue_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state <> 'approved' OR (venue_id IS NOT NULL AND approved_at IS NOT NULL)",
            name=op.f("ck_venue_destinations_approved"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'telling', 'pending', 'approved', 'refused', 'removing', 'removed')",
            name=op.f("ck_venue_destinations_state"),
        ),
        sa.CheckConstraint("length(address_index) = 32", name=op.f("ck_venue_destinations_address_index")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 300", name=op.f("ck_venue_destinations_reason")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venue_destinations")),
        sa.UniqueConstraint("network", "address_index", name=op.f("uq_venue_destinations_network_address_index")),
    )
    op.create_index(
        "idx_venue_destinations_next",
        "venue_destinations",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('refused', 'removed')"),
    )
    op.create_table(
        "withdrawal_addresses",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.UUID(), nullable=False),
        sa.Column("address_index", postgresql.BYTEA(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("data_key", postgresql.BYTEA(), nullable=True, comment="encrypted, with its data key"),
        sa.Column("address", postgresql.BYTEA(), nullable=True, comment="encrypted under the row's data key"),
        sa.Column("label", postgresql.BYTEA(), nullable=True, comment="encrypted under the row's data key"),
        sa.Column("beneficiary", postgresql.BYTEA(), nullable=True, comment="encrypted under the row's data key"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("usable_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "data_key IS NOT NULL OR removed_at IS NOT NULL", name=op.f("ck_withdrawal_addresses_erased_when_removed")
        ),
        sa.CheckConstraint("length(address_index) = 32", name=op.f("ck_withdrawal_addresses_address_index")),
        sa.CheckConstraint(
            "num_nulls(data_key, address) IN (0, 2)", name=op.f("ck_withdrawal_addresses_erased_wholly")
        ),
        sa.CheckConstraint("usable_at >= created_at", name=op.f("ck_withdrawal_addresses_waits")),
        sa.ForeignKeyConstraint(
            ["destination_id"], ["venue_destinations.id"], name=op.f("fk_withdrawal_addresses_destination_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_withdrawal_addresses_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawal_addresses")),
    )
    op.create_index("idx_withdrawal_addresses_destination", "withdrawal_addresses", ["destination_id"], unique=False)
    op.create_index(
        "idx_withdrawal_addresses_once",
        "withdrawal_addresses",
        ["user_id", "asset", "network", "address_index"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index("idx_withdrawal_addresses_same", "withdrawal_addresses", ["address_index"], unique=False)
    op.create_index("idx_withdrawal_addresses_user", "withdrawal_addresses", ["user_id", "id"], unique=False)
    op.create_table(
        "travel_rule_records",
        sa.Column("withdrawal_id", sa.UUID(), nullable=False),
        sa.Column("address_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("worth", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("threshold", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("data_key", postgresql.BYTEA(), nullable=False, comment="encrypted, with its data key"),
        sa.Column("evidence", postgresql.BYTEA(), nullable=False, comment="encrypted under the row's data key"),
        sa.CheckConstraint("required = (worth >= threshold)", name=op.f("ck_travel_rule_records_required")),
        sa.CheckConstraint("worth >= 0 AND threshold >= 0", name=op.f("ck_travel_rule_records_amounts")),
        sa.ForeignKeyConstraint(
            ["address_id"], ["withdrawal_addresses.id"], name=op.f("fk_travel_rule_records_address_id")
        ),
        sa.ForeignKeyConstraint(
            ["withdrawal_id"], ["withdrawals.id"], name=op.f("fk_travel_rule_records_withdrawal_id")
        ),
        sa.PrimaryKeyConstraint("withdrawal_id", name=op.f("pk_travel_rule_records")),
    )
    op.create_table(
        "wallet_transfers",
        sa.Column("withdrawal_id", sa.UUID(), nullable=False),
        sa.Column("destination_id", sa.UUID(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("venue_id", sa.Text(), nullable=True),
        sa.Column("network_fee", sa.Numeric(precision=38, scale=18), nullable=True),
        sa.Column("transaction_hash", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('complete', 'failed'))", name=op.f("ck_wallet_transfers_finished")
        ),
        sa.CheckConstraint("decision IN ('send_again', 'give_back')", name=op.f("ck_wallet_transfers_decision")),
        sa.CheckConstraint(
            "state IN ('asked', 'nothing_there', 'processing', 'complete', 'failed')",
            name=op.f("ck_wallet_transfers_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('asked', 'nothing_there') OR venue_id IS NULL", name=op.f("ck_wallet_transfers_unbound")
        ),
        sa.CheckConstraint(
            "state NOT IN ('processing', 'complete') OR venue_id IS NOT NULL", name=op.f("ck_wallet_transfers_bound")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_wallet_transfers_amount")),
        sa.CheckConstraint("attempts > 0 AND looks >= 0", name=op.f("ck_wallet_transfers_counts")),
        sa.CheckConstraint("network_fee >= 0", name=op.f("ck_wallet_transfers_network_fee")),
        sa.ForeignKeyConstraint(
            ["destination_id"], ["venue_destinations.id"], name=op.f("fk_wallet_transfers_destination_id")
        ),
        sa.ForeignKeyConstraint(["withdrawal_id"], ["withdrawals.id"], name=op.f("fk_wallet_transfers_withdrawal_id")),
        sa.PrimaryKeyConstraint("withdrawal_id", name=op.f("pk_wallet_transfers")),
        sa.UniqueConstraint("venue_id", name=op.f("uq_wallet_transfers_venue_id")),
    )
    op.create_index(
        "idx_wallet_transfers_open",
        "wallet_transfers",
        ["state"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index(
        "idx_wallet_transfers_unanswered",
        "wallet_transfers",
        ["asset", "destination_id", "amount"],
        unique=True,
        postgresql_where=sa.text("state = 'asked'"),
    )
