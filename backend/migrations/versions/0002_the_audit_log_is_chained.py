"""the audit log is chained

Says who acted, in which role, why, and before and after; every act gets a place in a hash chain.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


class Xid8(sa.types.UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_logs", sa.Column("actor_kind", sa.Text()))
    op.execute("UPDATE audit_logs SET actor_kind = CASE WHEN actor_id IS NULL THEN 'anonymous' ELSE 'user' END")
    op.alter_column("audit_logs", "actor_kind", nullable=False)
    op.add_column("audit_logs", sa.Column("actor_role", sa.Text()))
    op.add_column("audit_logs", sa.Column("reason", sa.Text()))
    op.add_column("audit_logs", sa.Column("before", postgresql.JSONB()))
    op.add_column("audit_logs", sa.Column("after", postgresql.JSONB()))
    # Acts from before share this migration's transaction, in the order of their ids.
    op.add_column(
        "audit_logs",
        sa.Column("transaction_id", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_audit_logs_actor_kind"),
        "audit_logs",
        "actor_kind IN ('user', 'api_key', 'operator', 'system', 'anonymous')",
    )
    for column in ("details", "before", "after"):
        op.create_check_constraint(
            op.f(f"ck_audit_logs_{column}_numberless"),
            "audit_logs",
            f"NOT jsonb_path_exists({column}, '$.** ? (@.type() == \"number\")')",
        )
    op.create_index("idx_audit_logs_actor", "audit_logs", ["actor_id", "created_at"])
    op.create_index("idx_audit_logs_transaction", "audit_logs", ["transaction_id", "id"])
    op.create_table(
        "audit_seals",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_audit_seals_sequence")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_audit_seals_hash")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_seals")),
        sa.UniqueConstraint("audit_id", name=op.f("uq_audit_seals_audit_id")),
    )
