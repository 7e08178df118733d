"""withdrawal terms

What withdrawals cost and how much may leave at once, as data that is added and never changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# Rail, minimum, maximum, fee, days in which card money goes back to the card first.
DEFAULTS = (
    ("card_refund", "1", "50000", "0", 0),
    ("bank", "10", "100000", "1", 180),
    ("wallet", "0.000000001", "1000000000", "0", 0),
)


def upgrade() -> None:
    op.create_table(
        "withdrawal_terms",
        sa.Column("version", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("rail", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text()),
        sa.Column("minimum", sa.Numeric(38, 18), nullable=False),
        sa.Column("maximum", sa.Numeric(38, 18), nullable=False),
        sa.Column("fee", sa.Numeric(38, 18), nullable=False),
        sa.Column("card_first_days", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.UUID()),
        sa.CheckConstraint("rail IN ('card_refund', 'bank', 'wallet')", name=op.f("ck_withdrawal_terms_rail")),
        sa.CheckConstraint("asset ~ '^[A-Z0-9]{1,20}$'", name=op.f("ck_withdrawal_terms_asset")),
        sa.CheckConstraint("minimum > 0 AND maximum >= minimum", name=op.f("ck_withdrawal_terms_bounds")),
        sa.CheckConstraint("fee >= 0", name=op.f("ck_withdrawal_terms_fee")),
        sa.CheckConstraint(
            "card_first_days BETWEEN 0 AND 180 AND (card_first_days = 0 OR rail = 'bank')",
            name=op.f("ck_withdrawal_terms_card_first"),
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_withdrawal_terms_reason")),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_withdrawal_terms_approval_id")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_withdrawal_terms")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_withdrawal_terms_approval_id")),
    )
    op.create_index("idx_withdrawal_terms_rail", "withdrawal_terms", ["rail", "effective_from"])
    for rail, minimum, maximum, fee, days in DEFAULTS:
        op.execute(
            sa.text(
                "INSERT INTO withdrawal_terms (rail, minimum, maximum, fee, card_first_days, reason)"
                " VALUES (:rail, CAST(:minimum AS numeric), CAST(:maximum AS numeric), CAST(:fee AS numeric), :days,"
                " 'Came with the house')"
            ).bindparams(rail=rail, minimum=minimum, maximum=maximum, fee=fee, days=days)
        )
