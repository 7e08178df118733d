"""The letters that wait, and what became of those that were sent."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata

mails = sa.Table(
    "mails",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    # Address and values (links that open accounts are among them) go as soon as the letter is sent or dead.
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("recipient", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("content", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("trouble", sa.Text),
    sa.Index("idx_mails_waiting", "next_at", postgresql_where=sa.text("state = 'waiting'")),
    sa.Index("idx_mails_user", "user_id", "created_at"),
    sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name="state"),
    sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended"),
    sa.CheckConstraint(
        "num_nulls(data_key, recipient, content) = CASE state WHEN 'waiting' THEN 0 ELSE 3 END", name="emptied"
    ),
)
