"""refunds and disputes

Card deposits that could still be taken back, what was refunded and disputed of them, and what customers owe.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lots",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("fee", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("payment_intent", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("release_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refunded", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("refunded_elsewhere", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("disputed", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_lots_amount")),
        sa.CheckConstraint("disputed >= 0", name=op.f("ck_lots_disputed")),
        sa.CheckConstraint("fee >= 0 AND fee < amount", name=op.f("ck_lots_fee")),
        sa.CheckConstraint("refunded BETWEEN 0 AND amount", name=op.f("ck_lots_refunded")),
        sa.CheckConstraint("refunded_elsewhere >= 0", name=op.f("ck_lots_refunded_elsewhere")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lots")),
        sa.UniqueConstraint("payment_intent", name=op.f("uq_lots_payment_intent")),
    )
    op.create_index("idx_lots_user_created", "lots", ["user_id", "created_at"], unique=False)
    op.create_table(
        "debts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.UUID(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("collected", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("written_off", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("steps", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("cause IN ('dispute', 'refund')", name=op.f("ck_debts_cause")),
        sa.CheckConstraint("amount >= 0 AND collected >= 0 AND written_off >= 0", name=op.f("ck_debts_not_negative")),
        sa.CheckConstraint("collected + written_off <= amount", name=op.f("ck_debts_not_more_than_owed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debts")),
        sa.UniqueConstraint("cause", "cause_id", name=op.f("uq_debts_cause_cause_id")),
    )
    op.create_index(
        "idx_debts_open",
        "debts",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("collected + written_off < amount"),
    )
    op.create_index("idx_debts_user_created", "debts", ["user_id", "created_at"], unique=False)
    op.create_table(
        "refunds",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="requested", nullable=False),
        sa.Column("taken", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("held", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("shortfall", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("withdrawal_id", sa.UUID(), nullable=True),
        sa.Column("asked_by", sa.UUID(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("processor_refund_id", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unknown_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (state IN ('requested', 'sending', 'pending'))",
            name=op.f("ck_refunds_finished_has_time"),
        ),
        sa.CheckConstraint("(withdrawal_id IS NOT NULL) = (origin = 'withdrawal')", name=op.f("ck_refunds_withdrawal")),
        sa.CheckConstraint(
            "held = CASE WHEN state IN ('requested', 'sending', 'pending') AND NOT taken AND origin IN ('customer', 'operator') THEN amount ELSE 0 END",
            name=op.f("ck_refunds_holds_while_open"),
        ),
        sa.CheckConstraint(
            "origin IN ('customer', 'operator', 'withdrawal', 'processor')", name=op.f("ck_refunds_origin")
        ),
        sa.CheckConstraint("shortfall = 0 OR origin = 'processor'", name=op.f("ck_refunds_only_foreign_leave_debts")),
        sa.CheckConstraint(
            "state IN ('requested', 'sending', 'pending', 'succeeded', 'failed')", name=op.f("ck_refunds_state")
        ),
        sa.CheckConstraint("taken OR state <> 'succeeded'", name=op.f("ck_refunds_succeeded_is_taken")),
        sa.CheckConstraint("unknown_since IS NULL OR state = 'sending'", name=op.f("ck_refunds_unknown_while_sending")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount")),
        sa.CheckConstraint("shortfall BETWEEN 0 AND amount", name=op.f("ck_refunds_shortfall")),
        sa.ForeignKeyConstraint(["lot_id"], ["lots.id"], name=op.f("fk_refunds_lot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("processor_refund_id", name=op.f("uq_refunds_processor_refund_id")),
    )
    op.create_index(
        "idx_refunds_due", "refunds", ["next_at"], unique=False, postgresql_where=sa.text("next_at IS NOT NULL")
    )
    op.create_index("idx_refunds_lot", "refunds", ["lot_id"], unique=False)
    op.create_index("idx_refunds_user", "refunds", ["user_id", "id"], unique=False)
    op.create_index(
        "idx_refunds_withdrawal",
        "refunds",
        ["withdrawal_id"],
        unique=False,
        postgresql_where=sa.text("withdrawal_id IS NOT NULL"),
    )
    op.create_table(
        "disputes",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("processor_dispute_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("withdrawn", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("reinstated", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("fee", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("locked", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("taken", sa.Numeric(precision=38, scale=18), server_default="0", nullable=False),
        sa.Column("steps", sa.Integer(), server_default="0", nullable=False),
        sa.Column("respond_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("noted_by", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(closed_at IS NULL) = (state = 'open')", name=op.f("ck_disputes_closed_has_time")),
        sa.CheckConstraint("locked = 0 OR state <> 'lost'", name=op.f("ck_disputes_lost_locks_nothing")),
        sa.CheckConstraint("state IN ('open', 'won', 'lost', 'closed')", name=op.f("ck_disputes_state")),
        sa.CheckConstraint("(note IS NULL) = (noted_by IS NULL)", name=op.f("ck_disputes_noted_by_somebody")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_disputes_amount")),
        sa.CheckConstraint("length(note) BETWEEN 1 AND 5000", name=op.f("ck_disputes_note")),
        sa.CheckConstraint(
            "withdrawn >= 0 AND reinstated >= 0 AND locked >= 0 AND taken >= 0", name=op.f("ck_disputes_not_negative")
        ),
        sa.ForeignKeyConstraint(["lot_id"], ["lots.id"], name=op.f("fk_disputes_lot_id")),
        sa.ForeignKeyConstraint(["noted_by"], ["users.id"], name=op.f("fk_disputes_noted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("processor_dispute_id", name=op.f("uq_disputes_processor_dispute_id")),
    )
    op.create_index(
        "idx_disputes_holding", "disputes", ["user_id"], unique=False, postgresql_where=sa.text("locked > 0")
    )
    op.create_index("idx_disputes_lot", "disputes", ["lot_id"], unique=False)
    op.create_index("idx_disputes_user", "disputes", ["user_id", "id"], unique=False)
    op.create_table(
        "looks",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("hints", sa.Integer(), server_default="1", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.CheckConstraint("subject IN ('payment', 'refund', 'dispute')", name=op.f("ck_looks_subject")),
        sa.PrimaryKeyConstraint("subject", "object_id", name=op.f("pk_looks")),
    )
    op.create_index("idx_looks_due", "looks", ["next_at"], unique=False)
