"""The rules of limits: rows are added, never changed. Compliance's functions.sql refuses anything else."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.compliance.products import PRODUCTS
from bitcurrent.kernel.database import metadata

_PRODUCTS = ", ".join(f"'{product}'" for product in PRODUCTS)

limit_rules = sa.Table(
    "limit_rules",
    metadata,
    sa.Column("version", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("product", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("measure", sa.Text, nullable=False),
    # Nothing in these means all of them.
    sa.Column("level", sa.Text),
    sa.Column("asset", sa.Text),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id")),
    # In USD for worth, in the asset for amount, a number for count; none withdraws the rule.
    sa.Column("maximum", sa.Numeric(38, 18)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), unique=True),
    sa.CheckConstraint(f"product IN ({_PRODUCTS})", name="product"),
    sa.CheckConstraint("period IN ('single', 'day', 'week', 'month')", name="period"),
    sa.CheckConstraint("measure IN ('worth', 'amount', 'count')", name="measure"),
    sa.CheckConstraint("level IN ('none', 'basic', 'full')", name="level"),
    sa.CheckConstraint("asset ~ '^[A-Z0-9]{1,20}$'", name="asset"),
    sa.CheckConstraint("maximum >= 0", name="maximum"),
    sa.CheckConstraint("measure <> 'amount' OR asset IS NOT NULL", name="amount_of_an_asset"),
    sa.CheckConstraint("measure <> 'count' OR (period <> 'single' AND maximum = trunc(maximum))", name="count"),
    sa.CheckConstraint("level IS NULL OR user_id IS NULL", name="level_or_customer"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    sa.Index("idx_limit_rules_product", "product", "effective_from"),
    sa.Index("idx_limit_rules_user", "user_id", postgresql_where=sa.text("user_id IS NOT NULL")),
)
