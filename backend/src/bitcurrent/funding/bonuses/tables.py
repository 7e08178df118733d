"""Campaigns, version by version, and what customers earned by them. Never deleted."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)
MOMENT = sa.DateTime(timezone=True)

bonus_campaigns = sa.Table(
    "bonus_campaigns",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("starts_at", MOMENT, nullable=False),
    sa.Column("ends_at", MOMENT, nullable=False),
    sa.Column("minimum", AMOUNT, nullable=False),
    sa.Column("amount", AMOUNT),
    sa.Column("percent", sa.Numeric(9, 4)),
    sa.Column("cap", AMOUNT),
    sa.Column("first_deposit_only", sa.Boolean, nullable=False),
    sa.Column("once_per_customer", sa.Boolean, nullable=False),
    sa.Column("release_days", sa.Integer),
    sa.Column("release_volume", AMOUNT),
    sa.Column("state", sa.Text, nullable=False, server_default="draft"),
    sa.Column("created_by", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("activated_at", MOMENT),
    sa.Column("ended_at", MOMENT),
    sa.UniqueConstraint("code", "version", name="uq_bonus_campaigns_code_version"),
    # Of one campaign one version gives.
    sa.Index("idx_bonus_campaigns_active", "code", unique=True, postgresql_where=sa.text("state = 'active'")),
    sa.CheckConstraint("state IN ('draft', 'active', 'ended')", name="state"),
    sa.CheckConstraint("(amount IS NULL) <> (percent IS NULL)", name="amount_or_percent"),
    sa.CheckConstraint("percent IS NULL OR cap IS NOT NULL", name="percent_has_cap"),
    sa.CheckConstraint("amount > 0 AND minimum >= 0 AND cap > 0 AND percent > 0", name="positive"),
    sa.CheckConstraint("ends_at > starts_at", name="dates"),
    sa.CheckConstraint("num_nonnulls(release_days, release_volume) >= 1", name="released_some_day"),
    sa.CheckConstraint("state = 'draft' OR activated_at IS NOT NULL", name="activated"),
)

bonuses = sa.Table(
    "bonuses",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("campaign_id", pg.UUID, sa.ForeignKey("bonus_campaigns.id"), nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("once", sa.Boolean, nullable=False),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("deposit_id", pg.UUID, sa.ForeignKey("deposits.id"), nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="earned"),
    sa.Column("earned_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("release_at", MOMENT),
    sa.Column("release_volume", AMOUNT),
    sa.Column("look_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("ended_at", MOMENT),
    sa.Column("reason", sa.Text),
    # All versions of a campaign are one campaign to a customer.
    sa.Index("idx_bonuses_once", "code", "user_id", unique=True, postgresql_where=sa.text("once")),
    sa.UniqueConstraint("deposit_id", "code", name="uq_bonuses_deposit_code"),
    sa.Index("idx_bonuses_user", "user_id", "earned_at"),
    sa.Index("idx_bonuses_earned", "look_at", postgresql_where=sa.text("state = 'earned'")),
    sa.CheckConstraint("state IN ('earned', 'released', 'forfeited')", name="state"),
    sa.CheckConstraint("(state = 'earned') = (ended_at IS NULL)", name="ended"),
    sa.CheckConstraint("amount > 0", name="amount"),
)
