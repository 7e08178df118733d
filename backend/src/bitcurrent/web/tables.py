"""Saved answers of idempotent writes."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("request_hash", pg.BYTEA, nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("body", pg.BYTEA, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.PrimaryKeyConstraint("user_id", "route", "key"),
    sa.Index("idx_idempotency_keys_created", "created_at"),
)
