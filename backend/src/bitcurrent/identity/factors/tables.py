"""Second factors, the tries at them, what is begun and not completed, and requests of people who lost theirs."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.identity.factors.model import OPEN, LostState
from bitcurrent.kernel.crypto import CARRIER_COMMENT
from bitcurrent.kernel.database import metadata

_STATES = ", ".join(f"'{state}'" for state in LostState)
_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN))


def _moment(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _made() -> "sa.Column[object]":
    return sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


totp_factors = sa.Table(
    "totp_factors",
    metadata,
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("secret_encrypted", pg.BYTEA, nullable=False, comment=CARRIER_COMMENT),
    _made(),
    _moment("confirmed_at"),
    # The newest half minute whose code was accepted: no code up to it is ever accepted again.
    sa.Column("last_step", sa.BigInteger),
)

passkeys = sa.Table(
    "passkeys",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("credential_id", pg.BYTEA, nullable=False, unique=True),
    sa.Column("public_key", pg.BYTEA, nullable=False),
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("transports", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("backed_up", sa.Boolean, nullable=False),
    _made(),
    _moment("last_used_at"),
    sa.Index("idx_passkeys_user", "user_id", "created_at"),
    sa.CheckConstraint("sign_count >= 0", name="sign_count"),
)

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    # Keyed hash of eighty random bits.
    sa.Column("code_hash", pg.BYTEA, nullable=False),
    _made(),
    _moment("used_at"),
    sa.PrimaryKeyConstraint("user_id", "code_hash"),
)

sms_factors = sa.Table(
    "sms_factors",
    metadata,
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("phone_encrypted", pg.BYTEA, nullable=False, comment=CARRIER_COMMENT),
    _made(),
    _moment("confirmed_at"),
    sa.Column("code_hash", pg.BYTEA),
    _moment("code_expires_at"),
    sa.Column("code_tries", sa.SmallInteger, nullable=False, server_default="0"),
)

factor_tries = sa.Table(
    "factor_tries",
    metadata,
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("failures", pg.ARRAY(sa.DateTime(timezone=True)), nullable=False, server_default="{}"),
    sa.Column("locks", sa.SmallInteger, nullable=False, server_default="0"),
    _moment("locked_until"),
    sa.PrimaryKeyConstraint("user_id", "method"),
    sa.CheckConstraint("method IN ('totp', 'passkey', 'recovery_code', 'sms')", name="method"),
)

factor_challenges = sa.Table(
    "factor_challenges",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("token_hash", pg.BYTEA, nullable=False, unique=True),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("session_id", pg.UUID, sa.ForeignKey("user_sessions.id")),
    sa.Column("bytes", pg.BYTEA, nullable=False),
    _made(),
    _moment("expires_at", nullable=False),
    _moment("used_at"),
    sa.Index("idx_factor_challenges_expires", "expires_at"),
    sa.CheckConstraint("purpose IN ('login', 'passkey_login', 'step_up', 'passkey_registration')", name="purpose"),
    sa.CheckConstraint("(user_id IS NULL) = (purpose = 'passkey_login')", name="whose"),
    sa.CheckConstraint("(session_id IS NULL) = (purpose IN ('login', 'passkey_login'))", name="session"),
)

lost_factor_requests = sa.Table(
    "lost_factor_requests",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    _moment("requested_at", nullable=False),
    _moment("ends_at", nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default=LostState.WAITING),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("decided_by", pg.UUID, sa.ForeignKey("users.id")),
    _moment("decided_at"),
    sa.Column("decision", sa.Text),
    _moment("ended_at"),
    _moment("reminded_at"),
    sa.Index("idx_lost_factor_requests_open", "user_id", unique=True, postgresql_where=sa.text(f"state IN ({_OPEN})")),
    sa.Index("idx_lost_factor_requests_state", "state", "id"),
    sa.CheckConstraint(f"state IN ({_STATES})", name="state"),
    sa.CheckConstraint("decided_by <> user_id", name="decided_by_another"),
    sa.CheckConstraint("state NOT IN ('approved', 'done') OR decided_by IS NOT NULL", name="approved_by_somebody"),
    sa.CheckConstraint("state <> 'done' OR ended_at >= ends_at", name="waited"),
    sa.CheckConstraint("ends_at > requested_at", name="wait"),
)
