"""sanctions

Cases that people look into, and their history.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

CARRIER = "encrypted, with its data key"
VALUE = "encrypted under the row's data key"
ENTRY_KINDS = "'opened', 'evidence', 'assigned', 'note', 'proposed', 'refused', 'closed', 'reopened'"


def upgrade() -> None:
    _cases()
    _case_entries()


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID()),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("owner", sa.UUID()),
        sa.Column("proposed_by", sa.UUID()),
        sa.Column("proposed_at", sa.DateTime(timezone=True)),
        sa.Column("proposed_outcome", sa.Text()),
        sa.Column("closed_by", sa.UUID()),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.Column("reopened_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "CASE WHEN state = 'closed' THEN num_nonnulls(closed_by, closed_at, outcome) = 3"
            " AND outcome = proposed_outcome ELSE num_nonnulls(closed_by, closed_at, outcome) = 0 END",
            name=op.f("ck_cases_closed_as_proposed"),
        ),
        sa.CheckConstraint(
            "CASE WHEN state = 'open' THEN num_nonnulls(proposed_by, proposed_at, proposed_outcome) = 0"
            " ELSE num_nonnulls(proposed_by, proposed_at, proposed_outcome) = 3 END",
            name=op.f("ck_cases_proposed_by_somebody"),
        ),
        sa.CheckConstraint(
            "kind IN ('sanctions', 'monitoring', 'kyc', 'dispute', 'reconciliation', 'other')",
            name=op.f("ck_cases_kind"),
        ),
        sa.CheckConstraint("outcome IN ('cleared', 'confirmed', 'reported')", name=op.f("ck_cases_outcome")),
        sa.CheckConstraint("priority IN ('low', 'normal', 'high', 'urgent')", name=op.f("ck_cases_priority")),
        sa.CheckConstraint(
            "proposed_outcome IN ('cleared', 'confirmed', 'reported')", name=op.f("ck_cases_proposed_outcome")
        ),
        sa.CheckConstraint("state IN ('open', 'proposed', 'closed')", name=op.f("ck_cases_state")),
        sa.CheckConstraint("closed_by <> proposed_by", name=op.f("ck_cases_two_people")),
        sa.CheckConstraint("length(dedupe_key) BETWEEN 1 AND 200", name=op.f("ck_cases_dedupe_key")),
        sa.CheckConstraint("length(subject) BETWEEN 1 AND 200", name=op.f("ck_cases_subject")),
        sa.CheckConstraint("length(summary) BETWEEN 1 AND 300", name=op.f("ck_cases_summary")),
        sa.ForeignKeyConstraint(["closed_by"], ["users.id"], name=op.f("fk_cases_closed_by")),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_cases_owner")),
        sa.ForeignKeyConstraint(["proposed_by"], ["users.id"], name=op.f("fk_cases_proposed_by")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_cases_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index(
        "idx_cases_standing",
        "cases",
        ["kind", "dedupe_key"],
        unique=True,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index("idx_cases_state", "cases", ["state", "id"])
    op.create_index("idx_cases_subject", "cases", ["subject"])
    op.create_index("idx_cases_user", "cases", ["user_id", "id"], postgresql_where=sa.text("user_id IS NOT NULL"))


def _case_entries() -> None:
    op.create_table(
        "case_entries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author", sa.UUID()),
        sa.Column("data_key", sa.LargeBinary(), comment=CARRIER),
        sa.Column("text", sa.LargeBinary(), comment=VALUE),
        sa.Column("evidence", sa.LargeBinary(), comment=VALUE),
        sa.CheckConstraint(f"kind IN ({ENTRY_KINDS})", name=op.f("ck_case_entries_kind")),
        sa.CheckConstraint(
            "data_key IS NOT NULL OR (text IS NULL AND evidence IS NULL)", name=op.f("ck_case_entries_erased_wholly")
        ),
        sa.ForeignKeyConstraint(["author"], ["users.id"], name=op.f("fk_case_entries_author")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_entries_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_entries")),
    )
    op.create_index("idx_case_entries_case", "case_entries", ["case_id", "at", "id"])
