"""Deposits by card. Never deleted; functions.sql guards their states, and money only comes by its function."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)
MOMENT = sa.DateTime(timezone=True)
PAID = "'paid', 'refunded', 'disputed', 'won', 'lost'"

deposits = sa.Table(
    "deposits",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("fee", AMOUNT, nullable=False),
    # In USD when it was asked for, and the rules that let it pass: limits count by it.
    sa.Column("worth", AMOUNT, nullable=False),
    sa.Column("limit_version", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="created"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("checkout_id", sa.Text),
    sa.Column("checkout_url", sa.Text),
    sa.Column("checkout_expires_at", MOMENT, nullable=False),
    sa.Column("payment_intent", sa.Text),
    sa.Column("paid_at", MOMENT),
    sa.Column("release_at", MOMENT),
    sa.Column("cancel_requested_at", MOMENT),
    sa.Column("failure", sa.Text),
    # What only a person can put right, and the facts of it.
    sa.Column("problem", sa.Text),
    sa.Column("problem_details", pg.JSONB),
    # Of the card no more than it takes to recognise it.
    sa.Column("card_fingerprint", sa.Text),
    sa.Column("card_brand", sa.Text),
    sa.Column("card_last4", sa.Text),
    sa.Column("card_country", sa.Text),
    sa.Column("card_authenticated", sa.Boolean),
    sa.Column("risk_level", sa.Text),
    sa.Column("card_read_at", MOMENT),
    # When the poll looks again; null when there is nothing to look for.
    sa.Column("looks", sa.Integer, nullable=False, server_default="0"),
    sa.Column("look_at", MOMENT),
    sa.Column("told_at", MOMENT),
    sa.UniqueConstraint("checkout_id"),
    sa.UniqueConstraint("payment_intent"),
    sa.Index("idx_deposits_card", "card_last4", postgresql_where=sa.text("card_last4 IS NOT NULL")),
    sa.Index("idx_deposits_user_status", "user_id", "state"),
    # Ids sort by time.
    sa.Index("idx_deposits_user_created", "user_id", sa.text("id DESC")),
    sa.Index("idx_deposits_look", "look_at", postgresql_where=sa.text("look_at IS NOT NULL")),
    sa.Index("idx_deposits_untold", "paid_at", postgresql_where=sa.text("paid_at IS NOT NULL AND told_at IS NULL")),
    sa.Index("idx_deposits_problem", sa.text("id DESC"), postgresql_where=sa.text("problem IS NOT NULL")),
    sa.CheckConstraint("amount > 0", name="amount"),
    sa.CheckConstraint("fee >= 0 AND fee < amount", name="fee"),
    sa.CheckConstraint(
        "state IN ('created', 'pending', 'paid', 'refunded', 'disputed', 'won', 'lost', 'expired', 'failed')",
        name="state",
    ),
    sa.CheckConstraint(f"(state IN ({PAID})) = (paid_at IS NOT NULL)", name="paid_has_time"),
    sa.CheckConstraint("paid_at IS NULL OR (payment_intent IS NOT NULL AND release_at IS NOT NULL)", name="paid"),
    sa.CheckConstraint("state <> 'pending' OR checkout_id IS NOT NULL", name="pending_has_checkout"),
    sa.CheckConstraint("(problem IS NULL) = (problem_details IS NULL)", name="problem"),
    postgresql_with={"fillfactor": 70},
)

deposit_resolutions = sa.Table(
    "deposit_resolutions",
    metadata,
    # Its lot has this id: what came is followed, refunded and disputed as any deposit.
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("deposit_id", pg.UUID, sa.ForeignKey("deposits.id"), nullable=False),
    sa.Column("payment_intent", sa.Text, nullable=False, unique=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), nullable=False, unique=True),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("outcome IN ('credit', 'refund')", name="outcome"),
    sa.CheckConstraint("amount > 0", name="amount"),
    sa.Index("idx_deposit_resolutions_deposit", "deposit_id"),
)
