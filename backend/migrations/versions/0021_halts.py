"""halts

Stops and limits by side of an order; the circuit breaker's rules; what a fill is worth in USD, for the 30-day volume.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

PRODUCTS = (
    "'card_deposit', 'card_refund', 'bank_withdrawal', 'crypto_withdrawal', 'crypto_deposit', 'conversion', "
    "'trading', 'order_buy', 'order_sell', 'order_market', 'bonus'"
)


def upgrade() -> None:
    for table in ("stops", "limit_rules"):
        op.drop_constraint(op.f(f"ck_{table}_product"), table)
        op.create_check_constraint(op.f(f"ck_{table}_product"), table, f"product IN ({PRODUCTS})")
    _worths()
    rules = _breaker_rules()
    op.bulk_insert(
        rules,
        [
            # A tenth away from what it was the minute before: nobody trades in that asset until it has calmed down.
            {
                "kind": "jump",
                "stops": "trading",
                "percent": 10,
                "within_seconds": 60,
                "calm_seconds": 300,
                "resume": "calm",
                "reason": "Came with the house",
            },
            # Nobody buys or sells at a price that nobody knows.
            {
                "kind": "stale",
                "stops": "order_market",
                "percent": None,
                "within_seconds": 60,
                "calm_seconds": 15,
                "resume": "calm",
                "reason": "Came with the house",
            },
        ],
    )


def _worths() -> None:
    op.create_table(
        "usd_prices",
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price", sa.Numeric(38, 18), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("price > 0", name=op.f("ck_usd_prices_price")),
        sa.PrimaryKeyConstraint("currency", name=op.f("pk_usd_prices")),
    )
    op.add_column("fills", sa.Column("worth", sa.Numeric(38, 18)))
    op.execute("UPDATE fills SET worth = cost WHERE market LIKE '%/USD'")
    # Costs in other currencies were added as if they were USD; value_fills adds what they are worth.
    op.execute(
        """
        UPDATE trading_volumes t SET volume = t.volume - x.cost FROM (
            SELECT user_id, (filled_at AT TIME ZONE 'UTC')::date AS day, sum(cost) AS cost FROM fills
            WHERE market NOT LIKE '%/USD' GROUP BY 1, 2
        ) x WHERE x.user_id = t.user_id AND x.day = t.day
        """
    )
    op.create_check_constraint(op.f("ck_fills_worth"), "fills", "worth >= 0")
    op.create_index("idx_fills_unvalued", "fills", ["created_at"], postgresql_where=sa.text("worth IS NULL"))


def _breaker_rules() -> sa.Table:
    return op.create_table(
        "breaker_rules",
        sa.Column("version", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text()),
        sa.Column("stops", sa.Text()),
        sa.Column("percent", sa.Numeric(9, 4)),
        sa.Column("within_seconds", sa.Integer(), nullable=False),
        sa.Column("calm_seconds", sa.Integer(), nullable=False),
        sa.Column("resume", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.UUID()),
        sa.CheckConstraint("kind IN ('jump', 'stale')", name=op.f("ck_breaker_rules_kind")),
        sa.CheckConstraint("asset ~ '^[A-Z0-9]{1,20}$'", name=op.f("ck_breaker_rules_asset")),
        sa.CheckConstraint("stops IN ('trading', 'order_market')", name=op.f("ck_breaker_rules_stops")),
        sa.CheckConstraint(
            "(kind = 'jump') = (percent IS NOT NULL) AND percent BETWEEN 0.1 AND 100",
            name=op.f("ck_breaker_rules_percent"),
        ),
        sa.CheckConstraint("within_seconds BETWEEN 2 AND 3600", name=op.f("ck_breaker_rules_within_seconds")),
        sa.CheckConstraint("calm_seconds BETWEEN 1 AND 86400", name=op.f("ck_breaker_rules_calm_seconds")),
        sa.CheckConstraint("resume IN ('calm', 'operator')", name=op.f("ck_breaker_rules_resume")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_breaker_rules_reason")),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_breaker_rules_approval_id")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_breaker_rules")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_breaker_rules_approval_id")),
    )
