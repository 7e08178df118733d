"""Notes about customers. The room's functions.sql lets them only grow, or be erased."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata

customer_notes = sa.Table(
    "customer_notes",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("author", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("text", pg.BYTEA, comment=VALUE_COMMENT),
    sa.CheckConstraint("num_nulls(data_key, text) IN (0, 2)", name="whole_or_erased"),
    sa.Index("idx_customer_notes_user", "user_id", "id"),
)
