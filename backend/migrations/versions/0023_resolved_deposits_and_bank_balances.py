"""resolved deposits and bank balances

What two operators decided about card money that came otherwise than asked for, and what the bank says an account closed with.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deposit_resolutions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("deposit_id", sa.UUID(), nullable=False),
        sa.Column("payment_intent", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(38, 18), nullable=False),
        sa.Column("approval_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("outcome IN ('credit', 'refund')", name=op.f("ck_deposit_resolutions_outcome")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_deposit_resolutions_amount")),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposits.id"], name=op.f("fk_deposit_resolutions_deposit_id")),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_deposit_resolutions_approval_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deposit_resolutions")),
        sa.UniqueConstraint("payment_intent", name=op.f("uq_deposit_resolutions_payment_intent")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_deposit_resolutions_approval_id")),
    )
    op.create_index("idx_deposit_resolutions_deposit", "deposit_resolutions", ["deposit_id"])
    op.create_table(
        "bank_balances",
        sa.Column("file_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(38, 18), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["bank_files.id"], name=op.f("fk_bank_balances_file_id")),
        sa.PrimaryKeyConstraint("currency", "closed_on", "file_id", name=op.f("pk_bank_balances")),
    )
