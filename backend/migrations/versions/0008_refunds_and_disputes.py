"""refunds and disputes

Card deposits that could still be taken back, and what customers owe.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "debts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.UUID(), nullable=False),
        sa.Column("amount", sa.Numeric(38, 18), nullable=False),
        sa.Column("collected", sa.Numeric(38, 18), server_default="0", nullable=False),
        sa.Column("written_off", sa.Numeric(38, 18), server_default="0", nullable=False),
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
        "idx_debts_open", "debts", ["user_id"], postgresql_where=sa.text("collected + written_off < amount")
    )
    op.create_index("idx_debts_user_created", "debts", ["user_id", "created_at"])
    op.create_table(
        "lots",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(38, 18), nullable=False),
        sa.Column("fee", sa.Numeric(38, 18), nullable=False),
        sa.Column("payment_intent", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("release_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refunded", sa.Numeric(38, 18), server_default="0", nullable=False),
        sa.Column("disputed", sa.Numeric(38, 18), server_default="0", nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_lots_amount")),
        sa.CheckConstraint("disputed >= 0", name=op.f("ck_lots_disputed")),
        sa.CheckConstraint("fee >= 0 AND fee < amount", name=op.f("ck_lots_fee")),
        sa.CheckConstraint("refunded BETWEEN 0 AND amount", name=op.f("ck_lots_refunded")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lots")),
        sa.UniqueConstraint("payment_intent", name=op.f("uq_lots_payment_intent")),
    )
    op.create_index("idx_lots_user_created", "lots", ["user_id", "created_at"])
