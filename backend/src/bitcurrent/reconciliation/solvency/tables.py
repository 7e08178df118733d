"""Reports of what is owed, and the trees that prove them: roots are kept for good, trees for a while."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)
UNITS = sa.Numeric(57, 0)

solvency_reports = sa.Table(
    "solvency_reports",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
    sa.Column("books_hold", sa.Boolean, nullable=False),
    sa.Column("key_id", sa.Text),
    sa.Column("signature", sa.LargeBinary),
    sa.CheckConstraint("(key_id IS NULL) = (signature IS NULL)", name="signed_by_somebody"),
)

solvency_assets = sa.Table(
    "solvency_assets",
    metadata,
    sa.Column("report_id", pg.UUID, sa.ForeignKey("solvency_reports.id"), nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("owed", AMOUNT, nullable=False),
    sa.Column("customers", sa.Integer, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    # What each keeper said; null where nobody could be asked.
    sa.Column("venue", AMOUNT),
    sa.Column("processor", AMOUNT),
    sa.Column("bank", AMOUNT),
    sa.PrimaryKeyConstraint("report_id", "asset"),
    sa.CheckConstraint("owed >= 0 AND customers >= 0", name="not_negative"),
    sa.CheckConstraint("length(root) = 32", name="root"),
)

# Trees are written one after the other, and the report that they belong to last.
solvency_leaves = sa.Table(
    "solvency_leaves",
    metadata,
    sa.Column(
        "report_id",
        pg.UUID,
        sa.ForeignKey("solvency_reports.id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("report_id", "asset", "position"),
    sa.Index("idx_solvency_leaves_user", "user_id", "report_id", "asset", unique=True),
    sa.CheckConstraint("length(salt) = 16", name="salt"),
)

solvency_nodes = sa.Table(
    "solvency_nodes",
    metadata,
    sa.Column(
        "report_id",
        pg.UUID,
        sa.ForeignKey("solvency_reports.id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("units", UNITS, nullable=False),
    sa.PrimaryKeyConstraint("report_id", "asset", "level", "position"),
    sa.CheckConstraint("length(hash) = 32 AND units >= 0", name="node"),
)
