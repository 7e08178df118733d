"""second factors

Authenticator apps, passkeys, recovery codes and phones; the tries at them; logins and step-ups that wait for one;
and requests of people who lost all of theirs. A session knows when a factor was last used in it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

CARRIER = "encrypted, with its data key"

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _made() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _user(table: str, *, nullable: bool = False) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("user_id", sa.UUID(), nullable=nullable),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id")),
    ]


def upgrade() -> None:
    op.add_column("user_sessions", _moment("stepped_up_at"))
    op.create_table(
        "totp_factors",
        *_user("totp_factors"),
        sa.Column("secret_encrypted", postgresql.BYTEA(), nullable=False, comment=CARRIER),
        _made(),
        _moment("confirmed_at"),
        sa.Column("last_step", sa.BigInteger()),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_totp_factors")),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.UUID(), nullable=False),
        *_user("passkeys"),
        sa.Column("credential_id", postgresql.BYTEA(), nullable=False),
        sa.Column("public_key", postgresql.BYTEA(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("transports", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        _made(),
        _moment("last_used_at"),
        sa.CheckConstraint("sign_count >= 0", name=op.f("ck_passkeys_sign_count")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index("idx_passkeys_user", "passkeys", ["user_id", "created_at"])
    op.create_table(
        "recovery_codes",
        *_user("recovery_codes"),
        sa.Column("code_hash", postgresql.BYTEA(), nullable=False),
        _made(),
        _moment("used_at"),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "sms_factors",
        *_user("sms_factors"),
        sa.Column("phone_encrypted", postgresql.BYTEA(), nullable=False, comment=CARRIER),
        _made(),
        _moment("confirmed_at"),
        sa.Column("code_hash", postgresql.BYTEA()),
        _moment("code_expires_at"),
        sa.Column("code_tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_sms_factors")),
    )
    op.create_table(
        "factor_tries",
        *_user("factor_tries"),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("failures", postgresql.ARRAY(sa.DateTime(timezone=True)), server_default="{}", nullable=False),
        sa.Column("locks", sa.SmallInteger(), server_default="0", nullable=False),
        _moment("locked_until"),
        sa.CheckConstraint(
            "method IN ('totp', 'passkey', 'recovery_code', 'sms')", name=op.f("ck_factor_tries_method")
        ),
        sa.PrimaryKeyConstraint("user_id", "method", name=op.f("pk_factor_tries")),
    )
    _make_challenges()
    _make_lost_factor_requests()


def _make_challenges() -> None:
    op.create_table(
        "factor_challenges",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("token_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        *_user("factor_challenges", nullable=True),
        sa.Column("session_id", sa.UUID()),
        sa.Column("bytes", postgresql.BYTEA(), nullable=False),
        _made(),
        _moment("expires_at", nullable=False),
        _moment("used_at"),
        sa.CheckConstraint(
            "purpose IN ('login', 'passkey_login', 'step_up', 'passkey_registration')",
            name=op.f("ck_factor_challenges_purpose"),
        ),
        sa.CheckConstraint("(user_id IS NULL) = (purpose = 'passkey_login')", name=op.f("ck_factor_challenges_whose")),
        sa.CheckConstraint(
            "(session_id IS NULL) = (purpose IN ('login', 'passkey_login'))", name=op.f("ck_factor_challenges_session")
        ),
        sa.ForeignKeyConstraint(["session_id"], ["user_sessions.id"], name=op.f("fk_factor_challenges_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factor_challenges")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_factor_challenges_token_hash")),
    )
    op.create_index("idx_factor_challenges_expires", "factor_challenges", ["expires_at"])


def _make_lost_factor_requests() -> None:
    op.create_table(
        "lost_factor_requests",
        sa.Column("id", sa.UUID(), nullable=False),
        *_user("lost_factor_requests"),
        _moment("requested_at", nullable=False),
        _moment("ends_at", nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.UUID()),
        _moment("decided_at"),
        sa.Column("decision", sa.Text()),
        _moment("ended_at"),
        _moment("reminded_at"),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'done', 'canceled', 'refused', 'lapsed')",
            name=op.f("ck_lost_factor_requests_state"),
        ),
        sa.CheckConstraint("decided_by <> user_id", name=op.f("ck_lost_factor_requests_decided_by_another")),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'done') OR decided_by IS NOT NULL",
            name=op.f("ck_lost_factor_requests_approved_by_somebody"),
        ),
        sa.CheckConstraint("state <> 'done' OR ended_at >= ends_at", name=op.f("ck_lost_factor_requests_waited")),
        sa.CheckConstraint("ends_at > requested_at", name=op.f("ck_lost_factor_requests_wait")),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name=op.f("fk_lost_factor_requests_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lost_factor_requests")),
    )
    op.create_index(
        "idx_lost_factor_requests_open",
        "lost_factor_requests",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('approved', 'waiting')"),
    )
    op.create_index("idx_lost_factor_requests_state", "lost_factor_requests", ["state", "id"])
