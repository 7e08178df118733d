"""solvency

Reports of what is owed to customers, and the Merkle-sum trees that prove them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "solvency_reports",
        sa.Column("id", postgresql.UUID(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("books_hold", sa.Boolean(), nullable=False),
        sa.Column("key_id", sa.Text()),
        sa.Column("signature", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solvency_reports")),
        sa.CheckConstraint(
            "(key_id IS NULL) = (signature IS NULL)", name=op.f("ck_solvency_reports_signed_by_somebody")
        ),
    )
    op.create_table(
        "solvency_assets",
        sa.Column("report_id", postgresql.UUID(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("owed", sa.Numeric(38, 18), nullable=False),
        sa.Column("customers", sa.Integer(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("venue", sa.Numeric(38, 18)),
        sa.Column("processor", sa.Numeric(38, 18)),
        sa.Column("bank", sa.Numeric(38, 18)),
        sa.PrimaryKeyConstraint("report_id", "asset", name=op.f("pk_solvency_assets")),
        sa.ForeignKeyConstraint(["report_id"], ["solvency_reports.id"], name=op.f("fk_solvency_assets_report_id")),
        sa.CheckConstraint("owed >= 0 AND customers >= 0", name=op.f("ck_solvency_assets_not_negative")),
        sa.CheckConstraint("length(root) = 32", name=op.f("ck_solvency_assets_root")),
    )
    op.create_table(
        "solvency_leaves",
        sa.Column("report_id", postgresql.UUID(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("user_id", postgresql.UUID(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", "asset", "position", name=op.f("pk_solvency_leaves")),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["solvency_reports.id"],
            name=op.f("fk_solvency_leaves_report_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.CheckConstraint("length(salt) = 16", name=op.f("ck_solvency_leaves_salt")),
    )
    op.create_index("idx_solvency_leaves_user", "solvency_leaves", ["user_id", "report_id", "asset"], unique=True)
    op.create_table(
        "solvency_nodes",
        sa.Column("report_id", postgresql.UUID(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("units", sa.Numeric(57, 0), nullable=False),
        sa.PrimaryKeyConstraint("report_id", "asset", "level", "position", name=op.f("pk_solvency_nodes")),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["solvency_reports.id"],
            name=op.f("fk_solvency_nodes_report_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.CheckConstraint("length(hash) = 32 AND units >= 0", name=op.f("ck_solvency_nodes_node")),
    )
