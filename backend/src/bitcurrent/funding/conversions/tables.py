"""Quotes, the conversions that used them, and the rates of each day."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)

conversion_quotes = sa.Table(
    "conversion_quotes",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("from_currency", sa.Text, nullable=False),
    sa.Column("to_currency", sa.Text, nullable=False),
    sa.Column("give", AMOUNT, nullable=False),
    sa.Column("get", AMOUNT, nullable=False),
    # The middle's worth of `give`, less `get`: in to_currency.
    sa.Column("spread", AMOUNT, nullable=False),
    # What `give` is worth in USD: limits count it.
    sa.Column("worth", AMOUNT, nullable=False),
    sa.Column("rate", AMOUNT, nullable=False),
    sa.Column("middle", AMOUNT, nullable=False),
    sa.Column("spread_bps", sa.Numeric(9, 4), nullable=False),
    sa.Column("rate_source", sa.Text, nullable=False),
    sa.Column("rate_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("from_currency <> to_currency", name="two_currencies"),
    sa.CheckConstraint("give > 0 AND get > 0 AND worth > 0 AND rate > 0 AND middle > 0", name="positive"),
    sa.CheckConstraint("spread >= 0 AND spread_bps >= 0 AND rate <= middle", name="never_better_than_the_middle"),
    sa.CheckConstraint("expires_at > created_at AND expires_at <= created_at + interval '1 minute'", name="short"),
    sa.Index("idx_conversion_quotes_created", "created_at"),
)

conversions = sa.Table(
    "conversions",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    # A quote is used once.
    sa.Column("quote_id", pg.UUID, sa.ForeignKey("conversion_quotes.id"), nullable=False, unique=True),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("created_at = uuid_extract_timestamp(id)", name="time_is_in_id"),
    sa.Index("idx_conversions_user_created", "user_id", sa.text("created_at DESC")),
)

fx_rates = sa.Table(
    "fx_rates",
    metadata,
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    # USD for one unit.
    sa.Column("worth", AMOUNT, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("rate_at", sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("day", "currency"),
    sa.CheckConstraint("worth > 0", name="worth"),
)
