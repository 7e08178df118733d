"""Links that were mailed, addresses that were confirmed, devices that were seen."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata

account_links = sa.Table(
    "account_links",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("used_at", sa.DateTime(timezone=True)),
    # The address that a change or its undoing is about.
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("email", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Index("idx_account_links_user", "user_id", "purpose"),
    sa.CheckConstraint("purpose IN ('verify_email', 'reset_password', 'change_email', 'undo_email')", name="purpose"),
    sa.CheckConstraint("(data_key IS NULL) = (email IS NULL)", name="whole"),
)

verified_emails = sa.Table(
    "verified_emails",
    metadata,
    # A changed address is confirmed before it counts: once confirmed, an account always is.
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)

known_devices = sa.Table(
    "known_devices",
    metadata,
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), primary_key=True),
    # A keyed hash of the browser's kind and the network it came from.
    sa.Column("fingerprint", pg.BYTEA, primary_key=True),
    sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
