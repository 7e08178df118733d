"""messages

Texts that wait and what became of them, the inbox, and what customers chose to be told.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CARRIER = "encrypted, with its data key"
VALUE = "encrypted under the row's data key"


def upgrade() -> None:
    _texts()
    op.create_table(
        "text_reports",
        sa.Column("text_id", sa.UUID(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer()),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(status) BETWEEN 1 AND 40", name=op.f("ck_text_reports_status")),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name=op.f("fk_text_reports_text_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("text_id", "status", name=op.f("pk_text_reports")),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False, comment=CARRIER),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment=VALUE),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_messages_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index("idx_messages_user", "messages", ["user_id", "id"])
    op.create_index("idx_messages_unread", "messages", ["user_id"], postgresql_where=sa.text("read_at IS NULL"))
    op.create_index("idx_messages_created", "messages", ["created_at"])
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("channel IN ('email', 'sms', 'in_app')", name=op.f("ck_notification_preferences_channel")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notification_preferences_user_id")),
        sa.PrimaryKeyConstraint("user_id", "topic", "channel", name=op.f("pk_notification_preferences")),
    )


def _texts() -> None:
    op.create_table(
        "texts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("data_key", sa.LargeBinary(), comment=CARRIER),
        sa.Column("recipient", sa.LargeBinary(), comment=VALUE),
        sa.Column("content", sa.LargeBinary(), comment=VALUE),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("trouble", sa.Text()),
        sa.Column("delivery", sa.Text()),
        sa.Column("delivery_code", sa.Integer()),
        sa.Column("delivery_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name=op.f("ck_texts_state")),
        sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_texts_ended")),
        sa.CheckConstraint(
            "num_nulls(data_key, recipient, content) = CASE state WHEN 'waiting' THEN 0 ELSE 3 END",
            name=op.f("ck_texts_emptied"),
        ),
        sa.CheckConstraint(
            "delivery IN ('queued', 'sent', 'delivered', 'undelivered', 'failed')", name=op.f("ck_texts_delivery")
        ),
        sa.CheckConstraint("(delivery IS NULL) = (delivery_at IS NULL)", name=op.f("ck_texts_delivery_has_a_moment")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_texts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_texts")),
    )
    op.create_index("idx_texts_waiting", "texts", ["next_at"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("idx_texts_user", "texts", ["user_id", "created_at"])
