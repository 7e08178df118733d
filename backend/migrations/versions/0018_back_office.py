"""back office

Notes about customers, adjustments by four eyes, versions of fee schedules, proofs of the audit log, and who has looked
at what the venue said.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _notes()
    _adjustments()
    _fees()
    _audit()
    op.create_index("idx_deposits_card", "deposits", ["card_last4"], postgresql_where=sa.text("card_last4 IS NOT NULL"))
    op.add_column("venue_events", sa.Column("resolved_by", sa.UUID()))
    op.add_column("venue_events", sa.Column("resolved_at", sa.DateTime(timezone=True)))
    op.add_column("venue_events", sa.Column("resolution", sa.Text()))
    op.create_foreign_key(op.f("fk_venue_events_resolved_by"), "venue_events", "users", ["resolved_by"], ["id"])
    op.create_check_constraint(
        op.f("ck_venue_events_resolved_by_somebody"),
        "venue_events",
        "num_nulls(resolved_by, resolved_at, resolution) IN (0, 3)",
    )


def _notes() -> None:
    op.create_table(
        "customer_notes",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("author", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("data_key", pg.BYTEA(), nullable=True, comment=CARRIER_COMMENT),
        sa.Column("text", pg.BYTEA(), nullable=True, comment=VALUE_COMMENT),
        sa.CheckConstraint("num_nulls(data_key, text) IN (0, 2)", name=op.f("ck_customer_notes_whole_or_erased")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_customer_notes_user_id")),
        sa.ForeignKeyConstraint(["author"], ["users.id"], name=op.f("fk_customer_notes_author")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_notes")),
    )
    op.create_index("idx_customer_notes_user", "customer_notes", ["user_id", "id"])


def _adjustments() -> None:
    op.create_table(
        "adjustments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(38, 18), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.UUID(), nullable=False),
        sa.Column("asked_by", sa.UUID(), nullable=False),
        sa.Column("granted_by", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("asked_by <> granted_by", name=op.f("ck_adjustments_two_people")),
        sa.CheckConstraint("user_id NOT IN (asked_by, granted_by)", name=op.f("ck_adjustments_nobodys_own")),
        sa.CheckConstraint("amount <> 0 AND amount <> 'NaN'", name=op.f("ck_adjustments_amount")),
        sa.CheckConstraint("currency ~ '^[A-Z0-9]{1,20}$'", name=op.f("ck_adjustments_currency")),
        sa.CheckConstraint("length(reason) BETWEEN 5 AND 500", name=op.f("ck_adjustments_reason")),
        sa.CheckConstraint("length(evidence) BETWEEN 3 AND 300", name=op.f("ck_adjustments_evidence")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_adjustments_user_id")),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_adjustments_approval_id")),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_adjustments_asked_by")),
        sa.ForeignKeyConstraint(["granted_by"], ["users.id"], name=op.f("fk_adjustments_granted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustments")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_adjustments_approval_id")),
    )
    op.create_index("idx_adjustments_user", "adjustments", ["user_id", "id"])


def _fees() -> None:
    op.create_table(
        "fee_schedules",
        sa.Column("version", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.UUID()),
        # What two people decide holds from then on, and never for the past.
        sa.CheckConstraint(
            "approval_id IS NULL OR effective_from >= created_at", name=op.f("ck_fee_schedules_not_backwards")
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_fee_schedules_reason")),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_fee_schedules_approval_id")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_fee_schedules")),
        sa.UniqueConstraint("effective_from", name=op.f("uq_fee_schedules_effective_from")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_fee_schedules_approval_id")),
    )
    op.execute(
        "INSERT INTO fee_schedules (effective_from, reason) "
        "SELECT DISTINCT effective_from, 'Came with the house' FROM fee_tiers ORDER BY 1"
    )
    op.create_foreign_key(
        op.f("fk_fee_tiers_effective_from"), "fee_tiers", "fee_schedules", ["effective_from"], ["effective_from"]
    )


def _audit() -> None:
    op.create_table(
        "audit_verifications",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("asked_by", sa.UUID()),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("holds", sa.Boolean()),
        sa.Column("sealed", sa.BigInteger()),
        sa.Column("waiting", sa.BigInteger()),
        sa.Column("first_break", sa.Text()),
        sa.Column("trouble", sa.Text()),
        sa.CheckConstraint(
            "finished_at IS NOT NULL OR num_nonnulls(holds, sealed, waiting, first_break) = 0",
            name=op.f("ck_audit_verifications_known_when_finished"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_verifications")),
    )
    op.create_index(
        "idx_audit_verifications_open",
        "audit_verifications",
        ["asked_at"],
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index("idx_audit_logs_action", "audit_logs", ["action", "id"])
