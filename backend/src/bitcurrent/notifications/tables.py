"""The letters and texts that wait and what became of them, the inbox, and what customers chose."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata


def _moment(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True))


def _created() -> "sa.Column[object]":
    return sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _user() -> "sa.Column[object]":
    return sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False)


mails = sa.Table(
    "mails",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    _created(),
    _user(),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    # Address and values (links that open accounts are among them) go as soon as the letter is sent or dead.
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("recipient", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("content", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    _moment("ended_at"),
    sa.Column("trouble", sa.Text),
    sa.Index("idx_mails_waiting", "next_at", postgresql_where=sa.text("state = 'waiting'")),
    sa.Index("idx_mails_user", "user_id", "created_at"),
    sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name="state"),
    sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended"),
    sa.CheckConstraint(
        "num_nulls(data_key, recipient, content) = CASE state WHEN 'waiting' THEN 0 ELSE 3 END", name="emptied"
    ),
)

texts = sa.Table(
    "texts",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    _created(),
    _user(),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    # Number and words go as soon as the text is sent or dead, as with letters.
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("recipient", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("content", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    _moment("ended_at"),
    sa.Column("trouble", sa.Text),
    # What the carrier says became of it after it took it.
    sa.Column("delivery", sa.Text),
    sa.Column("delivery_code", sa.Integer),
    _moment("delivery_at"),
    sa.Index("idx_texts_waiting", "next_at", postgresql_where=sa.text("state = 'waiting'")),
    sa.Index("idx_texts_user", "user_id", "created_at"),
    sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name="state"),
    sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended"),
    sa.CheckConstraint(
        "num_nulls(data_key, recipient, content) = CASE state WHEN 'waiting' THEN 0 ELSE 3 END", name="emptied"
    ),
    sa.CheckConstraint("delivery IN ('queued', 'sent', 'delivered', 'undelivered', 'failed')", name="delivery"),
    sa.CheckConstraint("(delivery IS NULL) = (delivery_at IS NULL)", name="delivery_has_a_moment"),
)

text_reports = sa.Table(
    "text_reports",
    metadata,
    sa.Column("text_id", pg.UUID, sa.ForeignKey("texts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("code", sa.Integer),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # The carrier repeats what was not answered: each report counts once.
    sa.PrimaryKeyConstraint("text_id", "status"),
    sa.CheckConstraint("length(status) BETWEEN 1 AND 40", name="status"),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    _created(),
    _user(),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("template", sa.Text, nullable=False),
    # What fills the template: amounts, devices and addresses of somebody.
    sa.Column("data_key", pg.BYTEA, nullable=False, comment=CARRIER_COMMENT),
    sa.Column("content", pg.BYTEA, nullable=False, comment=VALUE_COMMENT),
    _moment("read_at"),
    sa.Index("idx_messages_user", "user_id", "id"),
    sa.Index("idx_messages_unread", "user_id", postgresql_where=sa.text("read_at IS NULL")),
    sa.Index("idx_messages_created", "created_at"),
)

notification_preferences = sa.Table(
    "notification_preferences",
    metadata,
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.PrimaryKeyConstraint("user_id", "topic", "channel"),
    sa.CheckConstraint("channel IN ('email', 'sms', 'in_app')", name="channel"),
)
