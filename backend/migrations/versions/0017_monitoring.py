"""monitoring

What is taken from a customer for a while.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _restrictions()


def _restrictions() -> None:
    op.create_table(
        "restrictions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID()),
        sa.Column("started_by", sa.UUID()),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_by", sa.UUID()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("end_reason", sa.Text()),
        sa.CheckConstraint("scope IN ('withdrawals', 'orders', 'login')", name=op.f("ck_restrictions_scope")),
        sa.CheckConstraint("code ~ '^[a-z][a-z0-9_.:-]{0,99}$'", name=op.f("ck_restrictions_code")),
        sa.CheckConstraint("length(words) BETWEEN 1 AND 300", name=op.f("ck_restrictions_words")),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name=op.f("ck_restrictions_reason")),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_restrictions_end_has_a_reason")),
        sa.CheckConstraint(
            "ended_by IS NULL OR ended_at IS NOT NULL", name=op.f("ck_restrictions_ended_by_when_ended")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_restrictions_user_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_restrictions_case_id")),
        sa.ForeignKeyConstraint(["started_by"], ["users.id"], name=op.f("fk_restrictions_started_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_restrictions_ended_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restrictions")),
    )
    op.create_index(
        "idx_restrictions_standing",
        "restrictions",
        ["user_id", "scope", "code"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("idx_restrictions_user", "restrictions", ["user_id", "id"])
    op.create_index(
        "idx_restrictions_case", "restrictions", ["case_id"], postgresql_where=sa.text("case_id IS NOT NULL")
    )
