"""keys, roles, approvals

What API keys are bound to and what they have spent today; who is a customer beside being an operator; four eyes.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OPEN = "granted_at IS NULL AND refused_at IS NULL AND expired_at IS NULL"


def upgrade() -> None:
    op.add_column("users", sa.Column("is_customer", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.execute("UPDATE users SET is_customer = false WHERE role <> 'customer'")
    op.add_column("api_keys", sa.Column("last_used_address", sa.Text()))
    op.add_column("api_keys", sa.Column("networks", postgresql.ARRAY(sa.Text())))
    op.add_column("api_keys", sa.Column("symbols", postgresql.ARRAY(sa.Text())))
    op.add_column("api_keys", sa.Column("daily_notional", sa.Numeric(38, 18)))
    op.add_column("api_keys", sa.Column("require_signature", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_check_constraint(op.f("ck_api_keys_daily_notional"), "api_keys", "daily_notional > 0")
    op.create_table(
        "api_key_days",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Numeric(38, 18), nullable=False),
        sa.CheckConstraint("used >= 0", name=op.f("ck_api_key_days_used")),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.key_id"], name=op.f("fk_api_key_days_key_id")),
        sa.PrimaryKeyConstraint("key_id", "day", name=op.f("pk_api_key_days")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.UUID(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by", sa.UUID()),
        sa.Column("granted_at", sa.DateTime(timezone=True)),
        sa.Column("refused_by", sa.UUID()),
        sa.Column("refused_at", sa.DateTime(timezone=True)),
        sa.Column("refusal_reason", sa.Text()),
        sa.Column("expired_at", sa.DateTime(timezone=True)),
        sa.Column("executed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("granted_by <> asked_by", name=op.f("ck_approvals_two_people")),
        sa.CheckConstraint(
            "(granted_by IS NULL) = (granted_at IS NULL)", name=op.f("ck_approvals_granted_by_somebody")
        ),
        sa.CheckConstraint(
            "(refused_by IS NULL) = (refused_at IS NULL)", name=op.f("ck_approvals_refused_by_somebody")
        ),
        sa.CheckConstraint("num_nonnulls(granted_at, refused_at, expired_at) <= 1", name=op.f("ck_approvals_one_end")),
        sa.CheckConstraint("granted_at < expires_at", name=op.f("ck_approvals_granted_in_time")),
        sa.CheckConstraint("expired_at >= expires_at", name=op.f("ck_approvals_not_expired_early")),
        sa.CheckConstraint(
            "executed_at IS NULL OR granted_at IS NOT NULL", name=op.f("ck_approvals_executed_when_granted")
        ),
        sa.CheckConstraint(
            "expires_at > asked_at AND expires_at <= asked_at + interval '31 days'", name=op.f("ck_approvals_lifetime")
        ),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_approvals_reason")),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_approvals_asked_by")),
        sa.ForeignKeyConstraint(["granted_by"], ["users.id"], name=op.f("fk_approvals_granted_by")),
        sa.ForeignKeyConstraint(["refused_by"], ["users.id"], name=op.f("fk_approvals_refused_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index("idx_approvals_open", "approvals", ["kind", "subject"], unique=True, postgresql_where=sa.text(OPEN))
    op.create_index("idx_approvals_expiring", "approvals", ["expires_at"], postgresql_where=sa.text(OPEN))
