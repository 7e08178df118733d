"""Orders, their keys, fills, and what is derived from them: positions, volume, fee tiers, the venue's inbox."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)
BPS = sa.Numeric(9, 4)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", pg.UUID, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("client_order_id", sa.Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("market", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("time_in_force", sa.Text, nullable=False),
    sa.Column("quantity", AMOUNT),
    sa.Column("notional", AMOUNT),
    sa.Column("limit_price", AMOUNT),
    sa.Column("stop_price", AMOUNT),
    # The worst price at which a market buy by quantity may fill; the hold is quantity times this.
    sa.Column("collar_price", AMOUNT),
    sa.Column("fee_bps", BPS, nullable=False),
    sa.Column("liquidity", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("hold_currency", sa.Text, nullable=False),
    sa.Column("hold_amount", AMOUNT, nullable=False),
    sa.Column("held", AMOUNT, nullable=False),
    sa.Column("filled_quantity", AMOUNT, nullable=False, server_default="0"),
    sa.Column("filled_cost", AMOUNT, nullable=False, server_default="0"),
    sa.Column("fee", AMOUNT, nullable=False, server_default="0"),
    sa.Column("fee_currency", sa.Text, nullable=False),
    sa.Column("venue_order_id", sa.Text),
    sa.Column("replaces", pg.UUID),
    sa.Column("replaced_by", pg.UUID),
    # What the venue said the end is, and with how much filled, while fills are still missing.
    sa.Column("closing_state", sa.Text),
    sa.Column("closing_filled", AMOUNT),
    sa.Column("cancel_requested_at", sa.DateTime(timezone=True)),
    sa.Column("cancel_sent_at", sa.DateTime(timezone=True)),
    sa.Column("claimed_at", sa.DateTime(timezone=True)),
    sa.Column("unknown_since", sa.DateTime(timezone=True)),
    sa.Column("checked_at", sa.DateTime(timezone=True)),
    sa.Column("submitted_at", sa.DateTime(timezone=True)),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.PrimaryKeyConstraint("id", "created_at"),
    sa.CheckConstraint("created_at = uuid_extract_timestamp(id)", name="time_is_in_id"),
    sa.CheckConstraint("side IN ('buy', 'sell')", name="side"),
    sa.CheckConstraint("type IN ('market', 'limit', 'stop_limit')", name="type"),
    sa.CheckConstraint("time_in_force IN ('gtc', 'ioc')", name="time_in_force"),
    sa.CheckConstraint(
        "state IN ('accepted', 'submitting', 'unknown', 'submitted', 'partially_filled',"
        " 'filled', 'canceled', 'expired', 'rejected', 'replaced')",
        name="state",
    ),
    sa.CheckConstraint("held >= 0", name="held_not_negative"),
    # Law I7 in one line: an order that has ended holds nothing.
    sa.CheckConstraint("finished_at IS NULL OR held = 0", name="ended_holds_nothing"),
    sa.CheckConstraint(
        "(finished_at IS NOT NULL) = (state IN ('filled', 'canceled', 'expired', 'rejected', 'replaced'))",
        name="ended_has_time",
    ),
    sa.CheckConstraint("quantity IS NOT NULL OR notional IS NOT NULL", name="size"),
    sa.CheckConstraint("quantity IS NULL OR filled_quantity <= quantity", name="never_overfilled"),
    sa.Index("idx_orders_user_created", "user_id", sa.text("created_at DESC")),
    sa.Index("idx_orders_accepted", "created_at", postgresql_where=sa.text("state = 'accepted'")),
    sa.Index("idx_orders_venue", "venue_order_id", postgresql_where=sa.text("venue_order_id IS NOT NULL")),
    sa.Index(
        "idx_orders_cancel",
        "cancel_requested_at",
        postgresql_where=sa.text("cancel_requested_at IS NOT NULL AND finished_at IS NULL"),
    ),
    sa.Index("idx_orders_open", "user_id", "created_at", postgresql_where=sa.text("finished_at IS NULL")),
    postgresql_partition_by="RANGE (created_at)",
)

order_keys = sa.Table(
    "order_keys",
    metadata,
    sa.Column("user_id", pg.UUID, nullable=False),
    # 'c:' + client_order_id or 'i:' + Idempotency-Key: unique for good, across partitions of orders.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("order_id", pg.UUID, nullable=False),
    sa.Column("request_hash", pg.BYTEA, nullable=False),
    sa.PrimaryKeyConstraint("user_id", "key"),
)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("id", pg.UUID, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("execution_id", sa.Text, nullable=False),
    sa.Column("order_id", pg.UUID, nullable=False),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("market", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("quantity", AMOUNT, nullable=False),
    sa.Column("price", AMOUNT, nullable=False),
    sa.Column("cost", AMOUNT, nullable=False),
    sa.Column("fee", AMOUNT, nullable=False),
    sa.Column("fee_currency", sa.Text, nullable=False),
    sa.Column("fee_bps", BPS, nullable=False),
    sa.Column("liquidity", sa.Text, nullable=False),
    sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
    # The cost in USD, by the price of the quote currency then; null as long as no such price was ever heard.
    sa.Column("worth", AMOUNT),
    sa.PrimaryKeyConstraint("id", "created_at"),
    sa.CheckConstraint("created_at = uuid_extract_timestamp(id)", name="time_is_in_id"),
    sa.CheckConstraint("quantity > 0 AND price > 0", name="positive"),
    sa.CheckConstraint("worth >= 0", name="worth"),
    sa.Index("idx_fills_unvalued", "created_at", postgresql_where=sa.text("worth IS NULL")),
    sa.Index("idx_fills_user_created", "user_id", sa.text("created_at DESC")),
    sa.Index("idx_fills_order", "order_id"),
    postgresql_partition_by="RANGE (created_at)",
)

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("quantity", AMOUNT, nullable=False, server_default="0"),
    sa.Column("cost", AMOUNT, nullable=False, server_default="0"),
    sa.Column("realized", AMOUNT, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("user_id", "currency"),
    postgresql_with={"fillfactor": 50},
)

usd_prices = sa.Table(
    "usd_prices",
    metadata,
    sa.Column("currency", sa.Text, primary_key=True),
    sa.Column("price", AMOUNT, nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("price > 0", name="price"),
)

trading_volumes = sa.Table(
    "trading_volumes",
    metadata,
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("volume", AMOUNT, nullable=False),
    sa.PrimaryKeyConstraint("user_id", "day"),
    postgresql_with={"fillfactor": 50},
)

fee_schedules = sa.Table(
    "fee_schedules",
    metadata,
    sa.Column("version", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False, unique=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("reason", sa.Text, nullable=False),
    # Nobody's: it came with the house.
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), unique=True),
    # What two people decide holds from then on, and never for the past.
    sa.CheckConstraint("approval_id IS NULL OR effective_from >= created_at", name="not_backwards"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
)

fee_tiers = sa.Table(
    "fee_tiers",
    metadata,
    sa.Column(
        "effective_from", sa.DateTime(timezone=True), sa.ForeignKey("fee_schedules.effective_from"), nullable=False
    ),
    sa.Column("volume_from", AMOUNT, nullable=False),
    sa.Column("maker_bps", BPS, nullable=False),
    sa.Column("taker_bps", BPS, nullable=False),
    sa.PrimaryKeyConstraint("effective_from", "volume_from"),
    sa.CheckConstraint("maker_bps BETWEEN 0 AND 1000 AND taker_bps BETWEEN 0 AND 1000", name="range"),
)

venue_events = sa.Table(
    "venue_events",
    metadata,
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("payload", pg.JSONB, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False, server_default="stored"),
    sa.Column("applied_at", sa.DateTime(timezone=True)),
    # Who has looked at what nobody understood, and what it was.
    sa.Column("resolved_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("resolved_at", sa.DateTime(timezone=True)),
    sa.Column("resolution", sa.Text),
    sa.PrimaryKeyConstraint("source", "event_id"),
    sa.CheckConstraint("num_nulls(resolved_by, resolved_at, resolution) IN (0, 3)", name="resolved_by_somebody"),
    sa.Index(
        "idx_venue_events_flagged",
        "received_at",
        postgresql_where=sa.text("outcome NOT IN ('applied', 'seen')"),
    ),
)

venue_cursors = sa.Table(
    "venue_cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
