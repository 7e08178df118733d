"""Assets and markets as the venue describes them."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)

assets = sa.Table(
    "assets",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("shown_places", sa.SmallInteger, nullable=False),
    sa.CheckConstraint("kind IN ('fiat', 'crypto')", name="kind"),
)

markets = sa.Table(
    "markets",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("venue_asset_id", pg.UUID, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("base", sa.Text, sa.ForeignKey("assets.code"), nullable=False),
    sa.Column("quote", sa.Text, sa.ForeignKey("assets.code"), nullable=False),
    sa.Column("min_order_size", AMOUNT, nullable=False),
    sa.Column("min_trade_increment", AMOUNT, nullable=False),
    sa.Column("price_increment", AMOUNT, nullable=False),
    sa.Column("tradable", sa.Boolean, nullable=False),
    # Set by us: an operator or a circuit breaker stops this market whatever the venue says.
    sa.Column("halted_reason", sa.Text),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("min_order_size > 0 AND min_trade_increment > 0 AND price_increment > 0", name="increments"),
)
