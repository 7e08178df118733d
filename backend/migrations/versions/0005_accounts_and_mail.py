"""accounts and mail

Links that were mailed, confirmed addresses, known devices, and the letters that wait. Whoever has an account already
counts as confirmed: they came before the rule.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

CARRIER = "encrypted, with its data key"
VALUE = "encrypted under the row's data key"

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_links",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.Column("data_key", postgresql.BYTEA(), comment=CARRIER),
        sa.Column("email", postgresql.BYTEA(), comment=VALUE),
        sa.CheckConstraint(
            "purpose IN ('verify_email', 'reset_password', 'change_email', 'undo_email')",
            name=op.f("ck_account_links_purpose"),
        ),
        sa.CheckConstraint("(data_key IS NULL) = (email IS NULL)", name=op.f("ck_account_links_whole")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_account_links_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_links")),
    )
    op.create_index("idx_account_links_user", "account_links", ["user_id", "purpose"])
    op.create_table(
        "verified_emails",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_verified_emails_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_verified_emails")),
    )
    op.execute("INSERT INTO verified_emails (user_id, verified_at) SELECT id, created_at FROM users")
    op.create_table(
        "known_devices",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("fingerprint", postgresql.BYTEA(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_known_devices_user_id")),
        sa.PrimaryKeyConstraint("user_id", "fingerprint", name=op.f("pk_known_devices")),
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("data_key", postgresql.BYTEA(), comment=CARRIER),
        sa.Column("recipient", postgresql.BYTEA(), comment=VALUE),
        sa.Column("content", postgresql.BYTEA(), comment=VALUE),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("trouble", sa.Text()),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name=op.f("ck_mails_state")),
        sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_mails_ended")),
        sa.CheckConstraint(
            "num_nulls(data_key, recipient, content) = CASE state WHEN 'waiting' THEN 0 ELSE 3 END",
            name=op.f("ck_mails_emptied"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mails_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index("idx_mails_user", "mails", ["user_id", "created_at"])
    op.create_index("idx_mails_waiting", "mails", ["next_at"], postgresql_where=sa.text("state = 'waiting'"))


def downgrade() -> None:
    for table in ("mails", "known_devices", "verified_emails", "account_links"):
        op.drop_table(table)
