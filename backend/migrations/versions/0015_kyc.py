"""kyc

Submissions to be verified, their documents in encrypted pieces, links to these, and what the provider told.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _kyc_submissions()
    _kyc_documents()
    _kyc_document_pieces()
    _kyc_submission_documents()
    _kyc_document_links()
    _kyc_events()


def _kyc_submissions() -> None:
    op.create_table(
        "kyc_submissions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rail", sa.Text(), nullable=True),
        sa.Column("check_id", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("checker", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.UUID(), nullable=True),
        sa.Column("confirmed_by", sa.UUID(), nullable=True),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("falls_to", sa.Text(), server_default="none", nullable=False),
        sa.Column("warned", sa.Integer(), nullable=True),
        sa.Column("data_key", postgresql.BYTEA(), nullable=True, comment="encrypted, with its data key"),
        sa.Column("declaration", postgresql.BYTEA(), nullable=True, comment="encrypted under the row's data key"),
        sa.Column("profile", postgresql.BYTEA(), nullable=True, comment="encrypted under the row's data key"),
        sa.CheckConstraint(
            "(checker = 'operator') = (decided_by IS NOT NULL)", name=op.f("ck_kyc_submissions_decided_by_somebody")
        ),
        sa.CheckConstraint(
            "(state IN ('approved', 'rejected', 'needs_more')) <= (num_nonnulls(checker, decided_at) = 2)",
            name=op.f("ck_kyc_submissions_decided"),
        ),
        sa.CheckConstraint(
            "(state IN ('draft', 'submitted', 'checking')) <= (num_nonnulls(checker, decided_at, decided_by) = 0)",
            name=op.f("ck_kyc_submissions_undecided"),
        ),
        sa.CheckConstraint(
            "(state IN ('rejected', 'needs_more')) = (reasons <> '{}')", name=op.f("ck_kyc_submissions_told_why")
        ),
        sa.CheckConstraint("checker IN ('operator', 'provider', 'demo')", name=op.f("ck_kyc_submissions_checker")),
        sa.CheckConstraint("falls_to IN ('none', 'basic', 'full')", name=op.f("ck_kyc_submissions_falls_to")),
        sa.CheckConstraint(
            "flags <@ ARRAY['document_used_by_another', 'recheck', 'provider_unsure', 'provider_silent', 'not_screened', 'screening_open']",
            name=op.f("ck_kyc_submissions_flags"),
        ),
        sa.CheckConstraint("level IN ('basic', 'full')", name=op.f("ck_kyc_submissions_level")),
        sa.CheckConstraint("origin IN ('customer', 'recheck', 'demo')", name=op.f("ck_kyc_submissions_origin")),
        sa.CheckConstraint("rail IN ('manual', 'provider')", name=op.f("ck_kyc_submissions_rail")),
        sa.CheckConstraint(
            "reasons <@ ARRAY['document_unreadable', 'document_expired', 'document_cut_off', 'document_not_accepted', 'document_not_genuine', 'document_missing', 'name_differs', 'birth_date_differs', 'selfie_differs', 'address_differs', 'address_too_old', 'profile_changed', 'underage', 'not_verified']",
            name=op.f("ck_kyc_submissions_reasons"),
        ),
        sa.CheckConstraint(
            "state <> 'approved' OR level <> 'full' OR flags = '{}' OR confirmed_by IS NOT NULL",
            name=op.f("ck_kyc_submissions_four_eyes"),
        ),
        sa.CheckConstraint(
            "state = 'draft' OR state = 'expired' OR submitted_at IS NOT NULL",
            name=op.f("ck_kyc_submissions_submitted"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'submitted', 'checking', 'needs_more', 'approved', 'rejected', 'expired')",
            name=op.f("ck_kyc_submissions_state"),
        ),
        sa.CheckConstraint(
            "(profile IS NULL AND declaration IS NULL) OR data_key IS NOT NULL",
            name=op.f("ck_kyc_submissions_with_key"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_kyc_submissions_attempts")),
        sa.CheckConstraint("confirmed_by <> decided_by", name=op.f("ck_kyc_submissions_other_eyes")),
        sa.CheckConstraint("version > 0", name=op.f("ck_kyc_submissions_version")),
        sa.ForeignKeyConstraint(["confirmed_by"], ["users.id"], name=op.f("fk_kyc_submissions_confirmed_by")),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name=op.f("fk_kyc_submissions_decided_by")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_kyc_submissions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kyc_submissions")),
        sa.UniqueConstraint("user_id", "version", name="uq_kyc_submissions_version"),
    )
    op.create_index("idx_kyc_submissions_all", "kyc_submissions", ["submitted_at", "id"], unique=False)
    op.create_index(
        "idx_kyc_submissions_due",
        "kyc_submissions",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index(
        "idx_kyc_submissions_expiry",
        "kyc_submissions",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'approved'"),
    )
    op.create_index(
        "idx_kyc_submissions_queue",
        "kyc_submissions",
        ["submitted_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('submitted', 'checking')"),
    )
    op.create_index(
        "uq_kyc_submissions_open",
        "kyc_submissions",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('draft', 'submitted', 'checking')"),
    )


def _kyc_documents() -> None:
    op.create_table(
        "kyc_documents",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", postgresql.BYTEA(), nullable=False),
        sa.Column("clean_sha256", postgresql.BYTEA(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("data_key", postgresql.BYTEA(), nullable=False, comment="encrypted, with its data key"),
        sa.CheckConstraint(
            "media_type IN ('image/jpeg', 'image/png', 'application/pdf')", name=op.f("ck_kyc_documents_media_type")
        ),
        sa.CheckConstraint(
            "purpose IN ('identity_front', 'identity_back', 'selfie', 'proof_of_address')",
            name=op.f("ck_kyc_documents_purpose"),
        ),
        sa.CheckConstraint(
            "bytes BETWEEN 1 AND 20000000 AND pages BETWEEN 1 AND 20 AND pieces > 0",
            name=op.f("ck_kyc_documents_sizes"),
        ),
        sa.CheckConstraint("length(sha256) = 32 AND length(clean_sha256) = 32", name=op.f("ck_kyc_documents_hashes")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_kyc_documents_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kyc_documents")),
    )
    op.create_index("idx_kyc_documents_sha256", "kyc_documents", ["sha256"], unique=False)
    op.create_index("idx_kyc_documents_user", "kyc_documents", ["user_id"], unique=False)


def _kyc_document_pieces() -> None:
    op.create_table(
        "kyc_document_pieces",
        sa.Column("document_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", postgresql.BYTEA(), nullable=False, comment="encrypted under the document's data key"),
        sa.CheckConstraint("number >= 0", name=op.f("ck_kyc_document_pieces_number")),
        sa.ForeignKeyConstraint(
            ["document_id"], ["kyc_documents.id"], name=op.f("fk_kyc_document_pieces_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "number", name=op.f("pk_kyc_document_pieces")),
    )


def _kyc_submission_documents() -> None:
    op.create_table(
        "kyc_submission_documents",
        sa.Column("submission_id", sa.UUID(), nullable=False),
        sa.Column("document_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["kyc_documents.id"], name=op.f("fk_kyc_submission_documents_document_id")
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["kyc_submissions.id"], name=op.f("fk_kyc_submission_documents_submission_id")
        ),
        sa.PrimaryKeyConstraint("submission_id", "document_id", name=op.f("pk_kyc_submission_documents")),
    )
    op.create_index("idx_kyc_submission_documents_document", "kyc_submission_documents", ["document_id"], unique=False)


def _kyc_document_links() -> None:
    op.create_table(
        "kyc_document_links",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("document_id", sa.UUID(), nullable=False),
        sa.Column("operator_id", sa.UUID(), nullable=False),
        sa.Column("token_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(token_hash) = 32", name=op.f("ck_kyc_document_links_token_hash")),
        sa.ForeignKeyConstraint(
            ["document_id"], ["kyc_documents.id"], name=op.f("fk_kyc_document_links_document_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["users.id"], name=op.f("fk_kyc_document_links_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kyc_document_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_kyc_document_links_token_hash")),
    )
    op.create_index("idx_kyc_document_links_document", "kyc_document_links", ["document_id"], unique=False)
    op.create_index("idx_kyc_document_links_expiry", "kyc_document_links", ["expires_at"], unique=False)


def _kyc_events() -> None:
    op.create_table(
        "kyc_events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "length(event_id) BETWEEN 1 AND 255 AND length(check_id) BETWEEN 1 AND 255",
            name=op.f("ck_kyc_events_lengths"),
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_kyc_events")),
    )
    op.create_index("idx_kyc_events_received", "kyc_events", ["received_at"], unique=False)
