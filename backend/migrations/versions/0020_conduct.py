"""conduct

What customers were shown and answered before money went in.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

CARRIER = "encrypted, with its data key"
VALUE = "encrypted under the row's data key"


def upgrade() -> None:
    op.create_table(
        "conduct_evidence",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("choice", sa.Text()),
        sa.Column("refers_to", sa.UUID()),
        sa.Column("text_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("origin", sa.Text(), server_default="customer", nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False, comment=CARRIER),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment=VALUE),
        sa.CheckConstraint("jurisdiction IN ('uk', 'us', 'none')", name=op.f("ck_conduct_evidence_jurisdiction")),
        sa.CheckConstraint("version > 0", name=op.f("ck_conduct_evidence_version")),
        sa.CheckConstraint(
            "step IN ('warning', 'disclosures', 'category', 'appropriateness', 'cooling_off')",
            name=op.f("ck_conduct_evidence_step"),
        ),
        sa.CheckConstraint(
            "outcome IN ('continued', 'left', 'declared', 'begun', 'passed', 'failed')",
            name=op.f("ck_conduct_evidence_outcome"),
        ),
        sa.CheckConstraint(
            "CASE step WHEN 'category' THEN outcome = 'declared'"
            " WHEN 'appropriateness' THEN outcome IN ('begun', 'passed', 'failed')"
            " ELSE outcome IN ('continued', 'left') END",
            name=op.f("ck_conduct_evidence_outcome_of_the_step"),
        ),
        sa.CheckConstraint("(choice IS NOT NULL) = (outcome = 'declared')", name=op.f("ck_conduct_evidence_choice")),
        sa.CheckConstraint(
            "(refers_to IS NOT NULL) = (outcome IN ('passed', 'failed'))", name=op.f("ck_conduct_evidence_refers_to")
        ),
        sa.CheckConstraint("length(text_sha256) = 32", name=op.f("ck_conduct_evidence_text_sha256")),
        sa.CheckConstraint("origin IN ('customer', 'demo')", name=op.f("ck_conduct_evidence_origin")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_conduct_evidence_user_id")),
        sa.ForeignKeyConstraint(["refers_to"], ["conduct_evidence.id"], name=op.f("fk_conduct_evidence_refers_to")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conduct_evidence")),
    )
    op.create_index("idx_conduct_evidence_user", "conduct_evidence", ["user_id", "id"])
    op.create_index(
        "idx_conduct_evidence_answered",
        "conduct_evidence",
        ["refers_to"],
        unique=True,
        postgresql_where=sa.text("refers_to IS NOT NULL"),
    )
