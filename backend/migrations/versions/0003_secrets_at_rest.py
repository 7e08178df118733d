"""secrets at rest

E-mail addresses and display names are encrypted under a data key of each row; addresses are found by a blind index.
Customers get encrypted profiles, and erasures a schedule. Existing rows are encrypted here, which needs the keys.
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from bitcurrent.kernel.crypto import BadKeys, Vault

BATCH = 500
CARRIER = "encrypted, with its data key"
VALUE = "encrypted under the row's data key"

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("email_index", postgresql.BYTEA()))
    op.add_column("users", sa.Column("data_key", postgresql.BYTEA(), comment=CARRIER))
    op.add_column("users", sa.Column("email_encrypted", postgresql.BYTEA(), comment=VALUE))
    op.add_column("users", sa.Column("display_name_encrypted", postgresql.BYTEA(), comment=VALUE))
    _encrypt_users()
    op.drop_column("users", "email")
    op.drop_column("users", "display_name")
    # Writes the table anew: what lay open does not stay behind in dead rows or dropped columns.
    op.execute("CLUSTER users USING pk_users")
    op.execute("ALTER TABLE users SET WITHOUT CLUSTER")
    op.create_unique_constraint(op.f("uq_users_email_index"), "users", ["email_index"])
    op.create_check_constraint(
        op.f("ck_users_whole_or_erased"),
        "users",
        "num_nulls(email_index, data_key, email_encrypted, display_name_encrypted) IN (0, 4)",
    )
    op.create_table(
        "customer_profiles",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("data_key", postgresql.BYTEA(), comment=CARRIER),
        sa.Column("legal_name", postgresql.BYTEA(), comment=VALUE),
        sa.Column("birth_date", postgresql.BYTEA(), comment=VALUE),
        sa.Column("address", postgresql.BYTEA(), comment=VALUE),
        sa.Column("phone", postgresql.BYTEA(), comment=VALUE),
        sa.Column("documents", postgresql.BYTEA(), comment=VALUE),
        sa.Column("phone_index", postgresql.BYTEA()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_customer_profiles_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_customer_profiles")),
    )
    op.create_index("idx_customer_profiles_phone", "customer_profiles", ["phone_index"])
    op.create_table(
        "erasures",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_erasures_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_erasures")),
        sa.CheckConstraint("done_at >= due_at", name=op.f("ck_erasures_not_before_due")),
    )
    op.create_index("idx_erasures_due", "erasures", ["due_at"], postgresql_where=sa.text("done_at IS NULL"))


def _encrypt_users() -> None:
    vault: Vault | None = context.config.attributes.get("vault")
    connection = op.get_bind()
    while rows := connection.execute(
        sa.text("SELECT id, email, display_name FROM users WHERE data_key IS NULL LIMIT :limit"), {"limit": BATCH}
    ).all():
        if vault is None:
            raise BadKeys(
                "There are users whose e-mail addresses this version encrypts: set BITCURRENT_ENCRYPTION_KEYS and "
                "BITCURRENT_BLIND_INDEX_KEY as for the API, then migrate again. Nothing was changed."
            )
        connection.execute(
            sa.text(
                "UPDATE users SET email_index = :email_index, data_key = :data_key, email_encrypted = :email, "
                "display_name_encrypted = :display_name WHERE id = :id"
            ),
            [_encrypted(vault, row) for row in rows],
        )


def _encrypted(vault: Vault, row: sa.Row[tuple[object, str, str]]) -> dict[str, object]:
    user_id, email, display_name = row
    record = vault.new_record(table="users", row=str(user_id))
    return {
        "id": user_id,
        "email_index": vault.blind_index(email, purpose="users.email"),
        "data_key": record.wrapped,
        "email": record.encrypt_text(email, column="email_encrypted"),
        "display_name": record.encrypt_text(display_name, column="display_name_encrypted"),
    }
