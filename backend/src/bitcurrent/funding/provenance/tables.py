"""Card deposits that could still be taken back, and what customers owe. Functions.sql guards both."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)

lots = sa.Table(
    "lots",
    metadata,
    # The deposit's own id.
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    # What the card paid, our fee included: so much can be taken back.
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("fee", AMOUNT, nullable=False),
    sa.Column("payment_intent", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("release_at", sa.DateTime(timezone=True), nullable=False),
    # Our refunds, those on their way included; and those made at the processor itself, which nobody asks us about.
    sa.Column("refunded", AMOUNT, nullable=False, server_default="0"),
    sa.Column("refunded_elsewhere", AMOUNT, nullable=False, server_default="0"),
    # What disputes have taken and not given back.
    sa.Column("disputed", AMOUNT, nullable=False, server_default="0"),
    # While a dispute or an inquiry is open, nothing of it is released.
    sa.Column("blocked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("payment_intent"),
    sa.CheckConstraint("amount > 0", name="amount"),
    sa.CheckConstraint("fee >= 0 AND fee < amount", name="fee"),
    sa.CheckConstraint("refunded BETWEEN 0 AND amount", name="refunded"),
    sa.CheckConstraint("refunded_elsewhere >= 0", name="refunded_elsewhere"),
    sa.CheckConstraint("disputed >= 0", name="disputed"),
    sa.Index("idx_lots_user_created", "user_id", "created_at"),
)

debts = sa.Table(
    "debts",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    # What it comes from: a dispute, or a refund that was made at the processor.
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("cause_id", pg.UUID, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("collected", AMOUNT, nullable=False, server_default="0"),
    sa.Column("written_off", AMOUNT, nullable=False, server_default="0"),
    # Counts the journals that moved it; each has its number in its reference.
    sa.Column("steps", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.UniqueConstraint("cause", "cause_id"),
    sa.CheckConstraint("cause IN ('dispute', 'refund')", name="cause"),
    sa.CheckConstraint("amount >= 0 AND collected >= 0 AND written_off >= 0", name="not_negative"),
    sa.CheckConstraint("collected + written_off <= amount", name="not_more_than_owed"),
    sa.Index("idx_debts_open", "user_id", postgresql_where=sa.text("collected + written_off < amount")),
    sa.Index("idx_debts_user_created", "user_id", "created_at"),
)
