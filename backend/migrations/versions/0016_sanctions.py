"""sanctions

Cases that people look into, and their history; sanctions lists with their entries, screenings, and the first rules.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

CARRIER = "encrypted, with its data key"
VALUE = "encrypted under the row's data key"
ENTRY_KINDS = "'opened', 'evidence', 'assigned', 'note', 'proposed', 'refused', 'closed', 'reopened'"

# What the FATF calls upon everybody to act against: people look at every customer from North Korea and Iran.
RULES = '{"country_points": {"KP": 90, "IR": 90, "MM": 30}}'


def upgrade() -> None:
    _cases()
    _case_entries()
    _sanctions_lists()
    _sanctions_entries()
    _screening_rules()
    _aml_screenings()
    _screening_dismissals()
    _rescreenings()
    _screening_cursors()
    op.execute(
        sa.text(
            "INSERT INTO screening_rules (rules, reason) VALUES (CAST(:rules AS jsonb), 'Came with the house')"
        ).bindparams(rules=RULES)
    )


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


def _sanctions_lists() -> None:
    op.create_table(
        "sanctions_lists",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("files", postgresql.JSONB(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("aliases", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_sanctions_lists_sha256")),
        sa.CheckConstraint("source IN ('ofac', 'uk', 'demo')", name=op.f("ck_sanctions_lists_source")),
        sa.CheckConstraint(
            "entries > 0 AND aliases >= entries AND added >= 0 AND removed >= 0", name=op.f("ck_sanctions_lists_counts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sanctions_lists")),
    )
    op.create_index(
        "idx_sanctions_lists_in_force",
        "sanctions_lists",
        ["source"],
        unique=True,
        postgresql_where=sa.text("replaced_at IS NULL"),
    )


def _screening_cursors() -> None:
    op.create_table(
        "screening_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("moment", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_screening_cursors")),
    )


def _rescreenings() -> None:
    op.create_table(
        "rescreenings",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("list_id", sa.UUID()),
        sa.Column("asked_by", sa.UUID()),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_user", sa.UUID()),
        sa.Column("screened", sa.Integer(), server_default="0", nullable=False),
        sa.Column("matched", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("screened >= 0 AND matched BETWEEN 0 AND screened", name=op.f("ck_rescreenings_counts")),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_rescreenings_asked_by")),
        sa.ForeignKeyConstraint(["list_id"], ["sanctions_lists.id"], name=op.f("fk_rescreenings_list_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescreenings")),
    )
    op.create_index(
        "idx_rescreenings_running",
        "rescreenings",
        ["list_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def _sanctions_entries() -> None:
    op.create_table(
        "sanctions_entries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("added_by", sa.UUID(), nullable=False),
        sa.Column("removed_by", sa.UUID()),
        sa.CheckConstraint("removed_by <> added_by", name=op.f("ck_sanctions_entries_removed_later")),
        sa.ForeignKeyConstraint(["added_by"], ["sanctions_lists.id"], name=op.f("fk_sanctions_entries_added_by")),
        sa.ForeignKeyConstraint(["removed_by"], ["sanctions_lists.id"], name=op.f("fk_sanctions_entries_removed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sanctions_entries")),
    )
    op.create_index("idx_sanctions_entries_added", "sanctions_entries", ["added_by"])
    op.create_index(
        "idx_sanctions_entries_in_force",
        "sanctions_entries",
        ["source", "key"],
        unique=True,
        postgresql_where=sa.text("removed_by IS NULL"),
    )


def _screening_dismissals() -> None:
    op.create_table(
        "screening_dismissals",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("entry_id", sa.UUID(), nullable=False),
        sa.Column("inputs_index", sa.LargeBinary(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_screening_dismissals_case_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["sanctions_entries.id"], name=op.f("fk_screening_dismissals_entry_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_screening_dismissals_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screening_dismissals")),
    )
    op.create_index(
        "idx_screening_dismissals",
        "screening_dismissals",
        ["user_id", "entry_id", "inputs_index"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_index("idx_screening_dismissals_case", "screening_dismissals", ["case_id"])


def _screening_rules() -> None:
    op.create_table(
        "screening_rules",
        sa.Column("version", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.UUID()),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_screening_rules_approval_id")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_screening_rules")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_screening_rules_approval_id")),
    )


def _aml_screenings() -> None:
    op.create_table(
        "aml_screenings",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("screened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lists", postgresql.JSONB(), nullable=False),
        sa.Column("rules_version", sa.BigInteger(), nullable=False),
        sa.Column("risk_score", sa.SmallInteger(), nullable=False),
        sa.Column("parts", postgresql.JSONB(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("entry_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column("inputs_index", sa.LargeBinary()),
        sa.Column("case_id", sa.UUID()),
        sa.Column("data_key", sa.LargeBinary(), comment=CARRIER),
        sa.Column("inputs", sa.LargeBinary(), comment=VALUE),
        sa.Column("evidence", sa.LargeBinary(), comment=VALUE),
        sa.CheckConstraint(
            "occasion IN ('kyc', 'name_change', 'withdrawal', 'beneficiary', 'list_change', 'by_hand')",
            name=op.f("ck_aml_screenings_occasion"),
        ),
        sa.CheckConstraint(
            "outcome <> 'review' OR case_id IS NOT NULL", name=op.f("ck_aml_screenings_review_has_a_case")
        ),
        sa.CheckConstraint("outcome IN ('clear', 'review', 'block')", name=op.f("ck_aml_screenings_outcome")),
        sa.CheckConstraint("role IN ('customer', 'beneficiary')", name=op.f("ck_aml_screenings_role")),
        sa.CheckConstraint(
            "data_key IS NOT NULL OR num_nonnulls(inputs, evidence, inputs_index) = 0",
            name=op.f("ck_aml_screenings_erased_wholly"),
        ),
        sa.CheckConstraint("risk_score BETWEEN 0 AND 100", name=op.f("ck_aml_screenings_risk_score")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_aml_screenings_case_id")),
        sa.ForeignKeyConstraint(
            ["rules_version"], ["screening_rules.version"], name=op.f("fk_aml_screenings_rules_version")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_aml_screenings_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aml_screenings")),
    )
    op.create_index("idx_aml_risk_score", "aml_screenings", [sa.literal_column("risk_score DESC")])
    op.create_index(
        "idx_aml_screenings_case",
        "aml_screenings",
        ["case_id"],
        postgresql_where=sa.text("case_id IS NOT NULL"),
    )
    op.create_index("idx_aml_screenings_user", "aml_screenings", ["user_id", "id"])
