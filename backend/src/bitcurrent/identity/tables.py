"""Users, their sessions and their API keys."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # Lower-cased and normalised by the service; unique as stored.
    sa.Column("email", sa.Text, nullable=False, unique=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False, server_default="customer"),
    sa.Column("status", sa.Text, nullable=False, server_default="active"),
    sa.Column("kyc_level", sa.Text, nullable=False, server_default="none"),
    sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("role IN ('customer', 'support', 'compliance', 'finance', 'admin')", name="role"),
    sa.CheckConstraint("status IN ('active', 'frozen', 'closed')", name="status"),
    sa.CheckConstraint("kyc_level IN ('none', 'basic', 'full')", name="kyc_level"),
)

user_sessions = sa.Table(
    "user_sessions",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
    sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Index("idx_user_sessions_user", "user_id", "created_at"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("key_id", sa.Text, nullable=False, unique=True),
    # SHA-256 of a secret of at least 128 random bits: nothing to guess, so nothing slower is needed.
    sa.Column("secret_hash", pg.BYTEA, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
    sa.Column("last_used_at", sa.DateTime(timezone=True)),
    sa.Index("idx_api_keys_user", "user_id", "created_at"),
    sa.CheckConstraint("scopes <@ ARRAY['read', 'trade']::text[]", name="scopes"),
)
