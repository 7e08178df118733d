"""Users, their profiles, sessions and API keys."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # A blind index of the address as the service normalises it. This and the three below go together at erasure.
    sa.Column("email_index", pg.BYTEA, unique=True),
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("email_encrypted", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("display_name_encrypted", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False, server_default="customer"),
    sa.Column("status", sa.Text, nullable=False, server_default="active"),
    sa.Column("kyc_level", sa.Text, nullable=False, server_default="none"),
    # Operators look after other people's accounts; only who became a customer has one.
    sa.Column("is_customer", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("role IN ('customer', 'support', 'compliance', 'finance', 'admin')", name="role"),
    sa.CheckConstraint("status IN ('active', 'frozen', 'closed')", name="status"),
    sa.CheckConstraint("kyc_level IN ('none', 'basic', 'full')", name="kyc_level"),
    sa.CheckConstraint(
        "num_nulls(email_index, data_key, email_encrypted, display_name_encrypted) IN (0, 4)", name="whole_or_erased"
    ),
)

customer_profiles = sa.Table(
    "customer_profiles",
    metadata,
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # Dropped at erasure, and with it everything below for good.
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("legal_name", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("birth_date", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("address", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("phone", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("documents", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("phone_index", pg.BYTEA),
    sa.Index("idx_customer_profiles_phone", "phone_index"),
)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("done_at", sa.DateTime(timezone=True)),
    sa.Index("idx_erasures_due", "due_at", postgresql_where=sa.text("done_at IS NULL")),
    sa.CheckConstraint("done_at >= due_at", name="not_before_due"),
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
    # When a second factor was last used in it.
    sa.Column("stepped_up_at", sa.DateTime(timezone=True)),
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
    sa.Column("last_used_address", sa.Text),
    # What the owner bound it to; null allows all.
    sa.Column("networks", pg.ARRAY(sa.Text)),
    sa.Column("symbols", pg.ARRAY(sa.Text)),
    sa.Column("daily_notional", sa.Numeric(38, 18)),
    sa.Column("require_signature", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint("daily_notional > 0", name="daily_notional"),
    sa.Index("idx_api_keys_user", "user_id", "created_at"),
    sa.CheckConstraint("scopes <@ ARRAY['read', 'trade']::text[]", name="scopes"),
)

api_key_days = sa.Table(
    "api_key_days",
    metadata,
    sa.Column("key_id", sa.Text, sa.ForeignKey("api_keys.key_id"), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    # USD worth of the orders placed with the key on that day (UTC).
    sa.Column("used", sa.Numeric(38, 18), nullable=False),
    sa.PrimaryKeyConstraint("key_id", "day"),
    sa.CheckConstraint("used >= 0", name="used"),
    postgresql_with={"fillfactor": 50},
)
