"""Submissions, documents in encrypted pieces, links to them, and what the provider told. Submissions are kept."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.compliance.kyc.model import FLAGS, LEVELS, PURPOSES, REASONS, STATES
from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata


def _names(values: object) -> str:
    return ", ".join(f"'{value}'" for value in values)  # type: ignore[attr-defined]  # tuples and dicts of our own


kyc_submissions = sa.Table(
    "kyc_submissions",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="draft"),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("rule_version", sa.Integer, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("submitted_at", sa.DateTime(timezone=True)),
    # Who is asked, and how that goes: the provider's own id, and when it is asked (again).
    sa.Column("rail", sa.Text),
    sa.Column("check_id", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", sa.DateTime(timezone=True)),
    sa.Column("flags", pg.ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("checker", sa.Text),
    sa.Column("decided_at", sa.DateTime(timezone=True)),
    sa.Column("decided_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("confirmed_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("reasons", pg.ARRAY(sa.Text), nullable=False, server_default="{}"),
    # Ids, hashes and the provider's words: what the decision stood on. No personal data.
    sa.Column("evidence", pg.JSONB, nullable=False, server_default="{}"),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("falls_to", sa.Text, nullable=False, server_default="none"),
    sa.Column("warned", sa.Integer),
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("declaration", pg.BYTEA, comment=VALUE_COMMENT),
    # The profile as it was when it was sent in: that one was checked.
    sa.Column("profile", pg.BYTEA, comment=VALUE_COMMENT),
    sa.UniqueConstraint("user_id", "version", name="uq_kyc_submissions_version"),
    sa.CheckConstraint("version > 0", name="version"),
    sa.CheckConstraint("level IN ('basic', 'full')", name="level"),
    sa.CheckConstraint(f"state IN ({_names(STATES)})", name="state"),
    sa.CheckConstraint("origin IN ('customer', 'recheck', 'demo')", name="origin"),
    sa.CheckConstraint("rail IN ('manual', 'provider')", name="rail"),
    sa.CheckConstraint("checker IN ('operator', 'provider', 'demo')", name="checker"),
    sa.CheckConstraint(f"falls_to IN ({_names(LEVELS)})", name="falls_to"),
    sa.CheckConstraint(f"flags <@ ARRAY[{_names(FLAGS)}]", name="flags"),
    sa.CheckConstraint(f"reasons <@ ARRAY[{_names(REASONS)}]", name="reasons"),
    sa.CheckConstraint(
        "(state IN ('approved', 'rejected', 'needs_more')) <= (num_nonnulls(checker, decided_at) = 2)", name="decided"
    ),
    sa.CheckConstraint(
        "(state IN ('draft', 'submitted', 'checking')) <= (num_nonnulls(checker, decided_at, decided_by) = 0)",
        name="undecided",
    ),
    sa.CheckConstraint("(checker = 'operator') = (decided_by IS NOT NULL)", name="decided_by_somebody"),
    sa.CheckConstraint("confirmed_by <> decided_by", name="other_eyes"),
    sa.CheckConstraint(
        "state <> 'approved' OR level <> 'full' OR flags = '{}' OR confirmed_by IS NOT NULL", name="four_eyes"
    ),
    sa.CheckConstraint("(state IN ('rejected', 'needs_more')) = (reasons <> '{}')", name="told_why"),
    sa.CheckConstraint("state = 'draft' OR state = 'expired' OR submitted_at IS NOT NULL", name="submitted"),
    sa.CheckConstraint("attempts >= 0", name="attempts"),
    sa.CheckConstraint("(profile IS NULL AND declaration IS NULL) OR data_key IS NOT NULL", name="with_key"),
    sa.Index(
        "uq_kyc_submissions_open",
        "user_id",
        unique=True,
        postgresql_where=sa.text("state IN ('draft', 'submitted', 'checking')"),
    ),
    sa.Index(
        "idx_kyc_submissions_queue",
        "submitted_at",
        "id",
        postgresql_where=sa.text("state IN ('submitted', 'checking')"),
    ),
    sa.Index("idx_kyc_submissions_all", "submitted_at", "id"),
    sa.Index("idx_kyc_submissions_due", "next_at", postgresql_where=sa.text("next_at IS NOT NULL")),
    sa.Index("idx_kyc_submissions_expiry", "expires_at", postgresql_where=sa.text("state = 'approved'")),
)

kyc_documents = sa.Table(
    "kyc_documents",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("sha256", pg.BYTEA, nullable=False),
    sa.Column("clean_sha256", pg.BYTEA, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("pieces", sa.Integer, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("data_key", pg.BYTEA, nullable=False, comment=CARRIER_COMMENT),
    sa.CheckConstraint(f"purpose IN ({_names(PURPOSES)})", name="purpose"),
    sa.CheckConstraint("media_type IN ('image/jpeg', 'image/png', 'application/pdf')", name="media_type"),
    sa.CheckConstraint("length(sha256) = 32 AND length(clean_sha256) = 32", name="hashes"),
    sa.CheckConstraint("bytes BETWEEN 1 AND 20000000 AND pages BETWEEN 1 AND 20 AND pieces > 0", name="sizes"),
    sa.Index("idx_kyc_documents_user", "user_id"),
    sa.Index("idx_kyc_documents_sha256", "sha256"),
)

kyc_document_pieces = sa.Table(
    "kyc_document_pieces",
    metadata,
    sa.Column(
        "document_id", pg.UUID, sa.ForeignKey("kyc_documents.id", ondelete="CASCADE"), primary_key=True, nullable=False
    ),
    sa.Column("number", sa.Integer, primary_key=True, nullable=False),
    sa.Column("content", pg.BYTEA, nullable=False, comment="encrypted under the document's data key"),
    sa.CheckConstraint("number >= 0", name="number"),
)

kyc_submission_documents = sa.Table(
    "kyc_submission_documents",
    metadata,
    sa.Column("submission_id", pg.UUID, sa.ForeignKey("kyc_submissions.id"), primary_key=True, nullable=False),
    sa.Column("document_id", pg.UUID, sa.ForeignKey("kyc_documents.id"), primary_key=True, nullable=False),
    sa.Index("idx_kyc_submission_documents_document", "document_id"),
)

kyc_document_links = sa.Table(
    "kyc_document_links",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("document_id", pg.UUID, sa.ForeignKey("kyc_documents.id", ondelete="CASCADE"), nullable=False),
    sa.Column("operator_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("token_hash", pg.BYTEA, nullable=False, unique=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("used_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("length(token_hash) = 32", name="token_hash"),
    sa.Index("idx_kyc_document_links_document", "document_id"),
    sa.Index("idx_kyc_document_links_expiry", "expires_at"),
)

kyc_events = sa.Table(
    "kyc_events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("check_id", sa.Text, nullable=False),
    sa.Column("reference", pg.UUID, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("length(event_id) BETWEEN 1 AND 255 AND length(check_id) BETWEEN 1 AND 255", name="lengths"),
    sa.Index("idx_kyc_events_received", "received_at"),
)
