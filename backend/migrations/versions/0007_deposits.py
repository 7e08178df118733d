"""deposits

The processor's inbox, deposits by card, campaigns and the bonuses that deposits earn.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "processor_events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("payment_intent", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("data_key", postgresql.BYTEA(), nullable=True, comment="encrypted, with its data key"),
        sa.Column("body", postgresql.BYTEA(), nullable=True, comment="encrypted under the row's data key"),
        sa.CheckConstraint("(state = 'applied') = (applied_at IS NOT NULL)", name=op.f("ck_processor_events_applied")),
        sa.CheckConstraint("state <> 'waiting' OR body IS NOT NULL", name=op.f("ck_processor_events_waiting_has_body")),
        sa.CheckConstraint("state IN ('waiting', 'applied', 'ignored')", name=op.f("ck_processor_events_state")),
        sa.CheckConstraint("(data_key IS NULL) = (body IS NULL)", name=op.f("ck_processor_events_body_with_key")),
        sa.CheckConstraint(
            "length(event_id) BETWEEN 1 AND 255 AND length(type) BETWEEN 1 AND 255",
            name=op.f("ck_processor_events_lengths"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processor_events")),
        sa.UniqueConstraint("source", "event_id", name="uq_processor_events_source_event"),
    )
    op.create_index(
        "idx_processor_events_bodies",
        "processor_events",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("body IS NOT NULL"),
    )
    op.create_index("idx_processor_events_object", "processor_events", ["object_id"], unique=False)
    op.create_index("idx_processor_events_payment", "processor_events", ["payment_intent"], unique=False)
    op.create_index(
        "idx_processor_events_waiting",
        "processor_events",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "deposits",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("fee", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("worth", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("limit_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="created", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("checkout_id", sa.Text(), nullable=True),
        sa.Column("checkout_url", sa.Text(), nullable=True),
        sa.Column("checkout_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payment_intent", sa.Text(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("problem_details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("card_fingerprint", sa.Text(), nullable=True),
        sa.Column("card_brand", sa.Text(), nullable=True),
        sa.Column("card_last4", sa.Text(), nullable=True),
        sa.Column("card_country", sa.Text(), nullable=True),
        sa.Column("card_authenticated", sa.Boolean(), nullable=True),
        sa.Column("risk_level", sa.Text(), nullable=True),
        sa.Column("card_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('paid', 'refunded', 'disputed', 'won', 'lost')) = (paid_at IS NOT NULL)",
            name=op.f("ck_deposits_paid_has_time"),
        ),
        sa.CheckConstraint(
            "state <> 'pending' OR checkout_id IS NOT NULL", name=op.f("ck_deposits_pending_has_checkout")
        ),
        sa.CheckConstraint(
            "state IN ('created', 'pending', 'paid', 'refunded', 'disputed', 'won', 'lost', 'expired', 'failed')",
            name=op.f("ck_deposits_state"),
        ),
        sa.CheckConstraint("(problem IS NULL) = (problem_details IS NULL)", name=op.f("ck_deposits_problem")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_deposits_amount")),
        sa.CheckConstraint("fee >= 0 AND fee < amount", name=op.f("ck_deposits_fee")),
        sa.CheckConstraint(
            "paid_at IS NULL OR (payment_intent IS NOT NULL AND release_at IS NOT NULL)", name=op.f("ck_deposits_paid")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_deposits_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deposits")),
        sa.UniqueConstraint("checkout_id", name=op.f("uq_deposits_checkout_id")),
        sa.UniqueConstraint("payment_intent", name=op.f("uq_deposits_payment_intent")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "idx_deposits_look", "deposits", ["look_at"], unique=False, postgresql_where=sa.text("look_at IS NOT NULL")
    )
    op.create_index(
        "idx_deposits_problem",
        "deposits",
        [sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("problem IS NOT NULL"),
    )
    op.create_index(
        "idx_deposits_untold",
        "deposits",
        ["paid_at"],
        unique=False,
        postgresql_where=sa.text("paid_at IS NOT NULL AND told_at IS NULL"),
    )
    op.create_index("idx_deposits_user_created", "deposits", ["user_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("idx_deposits_user_status", "deposits", ["user_id", "state"], unique=False)
    op.create_table(
        "bonus_campaigns",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minimum", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=True),
        sa.Column("percent", sa.Numeric(precision=9, scale=4), nullable=True),
        sa.Column("cap", sa.Numeric(precision=38, scale=18), nullable=True),
        sa.Column("first_deposit_only", sa.Boolean(), nullable=False),
        sa.Column("once_per_customer", sa.Boolean(), nullable=False),
        sa.Column("release_days", sa.Integer(), nullable=True),
        sa.Column("release_volume", sa.Numeric(precision=38, scale=18), nullable=True),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("created_by", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state = 'draft' OR activated_at IS NOT NULL", name=op.f("ck_bonus_campaigns_activated")),
        sa.CheckConstraint("state IN ('draft', 'active', 'ended')", name=op.f("ck_bonus_campaigns_state")),
        sa.CheckConstraint("(amount IS NULL) <> (percent IS NULL)", name=op.f("ck_bonus_campaigns_amount_or_percent")),
        sa.CheckConstraint(
            "amount > 0 AND minimum >= 0 AND cap > 0 AND percent > 0", name=op.f("ck_bonus_campaigns_positive")
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_bonus_campaigns_dates")),
        sa.CheckConstraint(
            "num_nonnulls(release_days, release_volume) >= 1", name=op.f("ck_bonus_campaigns_released_some_day")
        ),
        sa.CheckConstraint("percent IS NULL OR cap IS NOT NULL", name=op.f("ck_bonus_campaigns_percent_has_cap")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_bonus_campaigns_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bonus_campaigns")),
        sa.UniqueConstraint("code", "version", name="uq_bonus_campaigns_code_version"),
    )
    op.create_index(
        "idx_bonus_campaigns_active",
        "bonus_campaigns",
        ["code"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "bonuses",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("campaign_id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("deposit_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("state", sa.Text(), server_default="earned", nullable=False),
        sa.Column("earned_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("release_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release_volume", sa.Numeric(precision=38, scale=18), nullable=True),
        sa.Column("look_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'earned') = (ended_at IS NULL)", name=op.f("ck_bonuses_ended")),
        sa.CheckConstraint("state IN ('earned', 'released', 'forfeited')", name=op.f("ck_bonuses_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_bonuses_amount")),
        sa.ForeignKeyConstraint(["campaign_id"], ["bonus_campaigns.id"], name=op.f("fk_bonuses_campaign_id")),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposits.id"], name=op.f("fk_bonuses_deposit_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_bonuses_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bonuses")),
        sa.UniqueConstraint("deposit_id", "code", name="uq_bonuses_deposit_code"),
    )
    op.create_index(
        "idx_bonuses_earned", "bonuses", ["look_at"], unique=False, postgresql_where=sa.text("state = 'earned'")
    )
    op.create_index("idx_bonuses_once", "bonuses", ["code", "user_id"], unique=True, postgresql_where=sa.text("once"))
    op.create_index("idx_bonuses_user", "bonuses", ["user_id", "earned_at"], unique=False)
