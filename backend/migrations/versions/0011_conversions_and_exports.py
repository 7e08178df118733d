"""conversions and exports"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

AMOUNT = sa.Numeric(precision=38, scale=18)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "conversion_quotes",
        sa.Column("id", postgresql.UUID(), nullable=False),
        sa.Column("user_id", postgresql.UUID(), nullable=False),
        sa.Column("from_currency", sa.Text(), nullable=False),
        sa.Column("to_currency", sa.Text(), nullable=False),
        sa.Column("give", AMOUNT, nullable=False),
        sa.Column("get", AMOUNT, nullable=False),
        sa.Column("spread", AMOUNT, nullable=False),
        sa.Column("worth", AMOUNT, nullable=False),
        sa.Column("rate", AMOUNT, nullable=False),
        sa.Column("middle", AMOUNT, nullable=False),
        sa.Column("spread_bps", sa.Numeric(precision=9, scale=4), nullable=False),
        sa.Column("rate_source", sa.Text(), nullable=False),
        sa.Column("rate_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("from_currency <> to_currency", name=op.f("ck_conversion_quotes_two_currencies")),
        sa.CheckConstraint(
            "give > 0 AND get > 0 AND worth > 0 AND rate > 0 AND middle > 0",
            name=op.f("ck_conversion_quotes_positive"),
        ),
        sa.CheckConstraint(
            "spread >= 0 AND spread_bps >= 0 AND rate <= middle",
            name=op.f("ck_conversion_quotes_never_better_than_the_middle"),
        ),
        sa.CheckConstraint(
            "expires_at > created_at AND expires_at <= created_at + interval '1 minute'",
            name=op.f("ck_conversion_quotes_short"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversion_quotes")),
    )
    op.create_index("idx_conversion_quotes_created", "conversion_quotes", ["created_at"])
    op.create_table(
        "conversions",
        sa.Column("id", postgresql.UUID(), nullable=False),
        sa.Column("quote_id", postgresql.UUID(), nullable=False),
        sa.Column("user_id", postgresql.UUID(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("created_at = uuid_extract_timestamp(id)", name=op.f("ck_conversions_time_is_in_id")),
        sa.ForeignKeyConstraint(["quote_id"], ["conversion_quotes.id"], name=op.f("fk_conversions_quote_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversions")),
        sa.UniqueConstraint("quote_id", name=op.f("uq_conversions_quote_id")),
    )
    op.create_index("idx_conversions_user_created", "conversions", ["user_id", sa.literal_column("created_at DESC")])
    op.create_table(
        "fx_rates",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("worth", AMOUNT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rate_at", MOMENT, nullable=False),
        sa.CheckConstraint("worth > 0", name=op.f("ck_fx_rates_worth")),
        sa.PrimaryKeyConstraint("day", "currency", name=op.f("pk_fx_rates")),
    )
    op.create_table(
        "exports",
        sa.Column("id", postgresql.UUID(), nullable=False),
        sa.Column("user_id", postgresql.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_at", MOMENT, nullable=False),
        sa.Column("until_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), server_default="asked", nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=True),
        sa.Column("rows_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.CheckConstraint("kind IN ('transactions', 'trades')", name=op.f("ck_exports_kind")),
        sa.CheckConstraint("state IN ('asked', 'running', 'done', 'failed')", name=op.f("ck_exports_state")),
        sa.CheckConstraint("from_at < until_at", name=op.f("ck_exports_span")),
        sa.CheckConstraint("rows_done >= 0 AND bytes >= 0", name=op.f("ck_exports_progress")),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('done', 'failed'))", name=op.f("ck_exports_ended_has_time")
        ),
        sa.CheckConstraint("(finished_at IS NULL) = (expires_at IS NULL)", name=op.f("ck_exports_ended_expires")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index("idx_exports_user_created", "exports", ["user_id", sa.literal_column("created_at DESC")])
    op.create_index(
        "idx_exports_waiting", "exports", ["created_at"], postgresql_where=sa.text("state IN ('asked', 'running')")
    )
    op.create_table(
        "export_pieces",
        sa.Column("export_id", postgresql.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["exports.id"], name=op.f("fk_export_pieces_export_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("export_id", "number", name=op.f("pk_export_pieces")),
    )
