"""Customers' bank accounts. What would let anybody pay or charge them is encrypted; removed ones are kept."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata

bank_accounts = sa.Table(
    "bank_accounts",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("usable_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("removed_at", sa.DateTime(timezone=True)),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("scheme", sa.Text, nullable=False),
    # "GB •••• 5678": enough to recognise, too little to use.
    sa.Column("label", sa.Text, nullable=False),
    # The same account of anybody's has the same one.
    sa.Column("fingerprint", pg.BYTEA, nullable=False),
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("details", pg.BYTEA, comment=VALUE_COMMENT),
    sa.CheckConstraint("currency IN ('USD', 'EUR', 'GBP')", name="currency"),
    sa.CheckConstraint("scheme IN ('iban', 'gb', 'us')", name="scheme"),
    sa.CheckConstraint("length(label) BETWEEN 4 AND 60", name="label"),
    sa.CheckConstraint("usable_at >= created_at", name="usable_at"),
    # Erased ones are removed.
    sa.CheckConstraint("(data_key IS NULL) = (details IS NULL)", name="whole"),
    sa.CheckConstraint("data_key IS NOT NULL OR removed_at IS NOT NULL", name="erased_is_removed"),
    sa.Index(
        "idx_bank_accounts_once",
        "user_id",
        "fingerprint",
        "currency",
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    ),
    sa.Index("idx_bank_accounts_fingerprint", "fingerprint"),
)
