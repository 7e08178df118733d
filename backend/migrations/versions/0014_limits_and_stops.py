"""limits and stops

Rules of limits, with those that the house comes with, and what stands still.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PRODUCTS = (
    "'card_deposit', 'card_refund', 'bank_withdrawal', 'crypto_withdrawal', 'crypto_deposit', 'conversion', "
    "'trading', 'bonus'"
)
# Worth in USD by level and period. Nobody is let through who has not been verified; what is free of limits has no line.
DEFAULTS = (
    ("card_deposit", "none", "single", 0),
    ("card_deposit", "basic", "single", 2_000),
    ("card_deposit", "basic", "day", 5_000),
    ("card_deposit", "basic", "month", 20_000),
    ("card_deposit", "full", "single", 10_000),
    ("card_deposit", "full", "day", 25_000),
    ("card_deposit", "full", "month", 100_000),
    ("card_refund", "none", "single", 0),
    ("card_refund", "basic", "day", 5_000),
    ("card_refund", "full", "day", 25_000),
    ("bank_withdrawal", "none", "single", 0),
    ("bank_withdrawal", "basic", "day", 5_000),
    ("bank_withdrawal", "basic", "month", 20_000),
    ("bank_withdrawal", "full", "day", 50_000),
    ("bank_withdrawal", "full", "month", 500_000),
    ("crypto_withdrawal", "none", "single", 0),
    ("crypto_withdrawal", "basic", "day", 2_000),
    ("crypto_withdrawal", "basic", "month", 10_000),
    ("crypto_withdrawal", "full", "day", 50_000),
    ("crypto_withdrawal", "full", "month", 500_000),
    ("conversion", "none", "single", 1_000),
    ("conversion", "basic", "day", 20_000),
    ("conversion", "full", "day", 100_000),
)
# How often, for everybody: what moves faster than people do is looked at by people.
COUNTS = (
    ("card_deposit", "day", 20),
    ("card_refund", "day", 10),
    ("bank_withdrawal", "day", 10),
    ("crypto_withdrawal", "day", 10),
    ("conversion", "day", 200),
)


def upgrade() -> None:
    rules = _limit_rules()
    came = "Came with the house"
    op.bulk_insert(
        rules,
        [
            {"product": product, "period": period, "measure": "worth", "level": level, "maximum": most, "reason": came}
            for product, level, period, most in DEFAULTS
        ]
        + [
            {"product": product, "period": period, "measure": "count", "level": None, "maximum": most, "reason": came}
            for product, period, most in COUNTS
        ],
    )
    _stops()


def _limit_rules() -> sa.Table:
    table = op.create_table(
        "limit_rules",
        sa.Column("version", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("level", sa.Text()),
        sa.Column("asset", sa.Text()),
        sa.Column("user_id", sa.UUID()),
        sa.Column("maximum", sa.Numeric(38, 18)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.UUID()),
        sa.CheckConstraint(f"product IN ({PRODUCTS})", name=op.f("ck_limit_rules_product")),
        sa.CheckConstraint("period IN ('single', 'day', 'week', 'month')", name=op.f("ck_limit_rules_period")),
        sa.CheckConstraint("measure IN ('worth', 'amount', 'count')", name=op.f("ck_limit_rules_measure")),
        sa.CheckConstraint("level IN ('none', 'basic', 'full')", name=op.f("ck_limit_rules_level")),
        sa.CheckConstraint("asset ~ '^[A-Z0-9]{1,20}$'", name=op.f("ck_limit_rules_asset")),
        sa.CheckConstraint("maximum >= 0", name=op.f("ck_limit_rules_maximum")),
        sa.CheckConstraint("measure <> 'amount' OR asset IS NOT NULL", name=op.f("ck_limit_rules_amount_of_an_asset")),
        sa.CheckConstraint(
            "measure <> 'count' OR (period <> 'single' AND maximum = trunc(maximum))",
            name=op.f("ck_limit_rules_count"),
        ),
        sa.CheckConstraint("level IS NULL OR user_id IS NULL", name=op.f("ck_limit_rules_level_or_customer")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_limit_rules_reason")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_limit_rules_user_id")),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_limit_rules_approval_id")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_limit_rules")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_limit_rules_approval_id")),
    )
    op.create_index("idx_limit_rules_product", "limit_rules", ["product", "effective_from"])
    op.create_index("idx_limit_rules_user", "limit_rules", ["user_id"], postgresql_where=sa.text("user_id IS NOT NULL"))
    return table


def _stops() -> None:
    op.create_table(
        "stops",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("asset", sa.Text()),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("started_by", sa.UUID()),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_by", sa.UUID()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("end_reason", sa.Text()),
        sa.CheckConstraint(f"product IN ({PRODUCTS})", name=op.f("ck_stops_product")),
        sa.CheckConstraint("asset ~ '^[A-Z0-9]{1,20}$'", name=op.f("ck_stops_asset")),
        sa.CheckConstraint("length(cause) BETWEEN 1 AND 100", name=op.f("ck_stops_cause")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_stops_reason")),
        sa.CheckConstraint("length(words) BETWEEN 1 AND 300", name=op.f("ck_stops_words")),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_stops_end_has_a_reason")),
        sa.CheckConstraint("ended_by IS NULL OR ended_at IS NOT NULL", name=op.f("ck_stops_ended_by_when_ended")),
        sa.ForeignKeyConstraint(["started_by"], ["users.id"], name=op.f("fk_stops_started_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_stops_ended_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stops")),
    )
    op.create_index(
        "idx_stops_standing",
        "stops",
        ["product", "asset", "cause"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
