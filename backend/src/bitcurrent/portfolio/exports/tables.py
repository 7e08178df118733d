"""What was asked for, how far it is, and the pieces of the file."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

exports = sa.Table(
    "exports",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("until_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="asked"),
    sa.Column("rows_total", sa.BigInteger),
    sa.Column("rows_done", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    # Set anew with each piece: who is silent for too long has died.
    sa.Column("claimed_at", sa.DateTime(timezone=True)),
    sa.Column("trouble", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("kind IN ('transactions', 'trades')", name="kind"),
    sa.CheckConstraint("state IN ('asked', 'running', 'done', 'failed')", name="state"),
    sa.CheckConstraint("from_at < until_at", name="span"),
    sa.CheckConstraint("rows_done >= 0 AND bytes >= 0", name="progress"),
    sa.CheckConstraint("(finished_at IS NOT NULL) = (state IN ('done', 'failed'))", name="ended_has_time"),
    sa.CheckConstraint("(finished_at IS NULL) = (expires_at IS NULL)", name="ended_expires"),
    sa.Index("idx_exports_user_created", "user_id", sa.text("created_at DESC")),
    sa.Index("idx_exports_waiting", "created_at", postgresql_where=sa.text("state IN ('asked', 'running')")),
)

export_pieces = sa.Table(
    "export_pieces",
    metadata,
    sa.Column("export_id", pg.UUID, sa.ForeignKey("exports.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("export_id", "number"),
)
