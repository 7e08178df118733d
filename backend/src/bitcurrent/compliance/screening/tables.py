"""Lists with their entries, screenings, what people dismissed, rules, and how far all customers were compared anew.

Entries are never changed: a list that says something else of somebody ends the old entry and adds a new one.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.compliance.screening.model import OCCASIONS, OUTCOMES, SOURCES
from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _moment(name: str, *, now: bool = False) -> "sa.Column[object]":
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not now, server_default=default)


def _user(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, pg.UUID, sa.ForeignKey("users.id"), nullable=nullable)


sanctions_lists = sa.Table(
    "sanctions_lists",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    # Each file's name with its own hash.
    sa.Column("files", pg.JSONB, nullable=False),
    sa.Column("entries", sa.Integer, nullable=False),
    sa.Column("aliases", sa.Integer, nullable=False),
    sa.Column("added", sa.Integer, nullable=False),
    sa.Column("removed", sa.Integer, nullable=False),
    _moment("imported_at", now=True),
    sa.Column("imported_by", sa.Text, nullable=False),
    _moment("replaced_at"),
    sa.CheckConstraint(_one_of("source", SOURCES), name="source"),
    sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
    sa.CheckConstraint("entries > 0 AND aliases >= entries AND added >= 0 AND removed >= 0", name="counts"),
    # One version of each list is in force.
    sa.Index("idx_sanctions_lists_in_force", "source", unique=True, postgresql_where=sa.text("replaced_at IS NULL")),
)

sanctions_entries = sa.Table(
    "sanctions_entries",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("hash", pg.BYTEA, nullable=False),
    sa.Column("content", pg.JSONB, nullable=False),
    sa.Column("added_by", pg.UUID, sa.ForeignKey("sanctions_lists.id"), nullable=False),
    sa.Column("removed_by", pg.UUID, sa.ForeignKey("sanctions_lists.id")),
    sa.CheckConstraint("removed_by <> added_by", name="removed_later"),
    sa.Index("idx_sanctions_entries_in_force", "source", "key", unique=True,
             postgresql_where=sa.text("removed_by IS NULL")),
    sa.Index("idx_sanctions_entries_added", "added_by"),
)  # fmt: skip

screening_rules = sa.Table(
    "screening_rules",
    metadata,
    sa.Column("version", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _moment("effective_from", now=True),
    sa.Column("rules", pg.JSONB, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), unique=True),
)

aml_screenings = sa.Table(
    "aml_screenings",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    _user("user_id"),
    sa.Column("occasion", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    _moment("screened_at", now=True),
    # The versions of the lists that were in force, by source.
    sa.Column("lists", pg.JSONB, nullable=False),
    sa.Column("rules_version", sa.BigInteger, sa.ForeignKey("screening_rules.version"), nullable=False),
    sa.Column("risk_score", sa.SmallInteger, nullable=False),
    sa.Column("parts", pg.JSONB, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    # Whom it looked like, and a keyed hash of what was asked, by which the same question is known again.
    sa.Column("entry_ids", pg.ARRAY(pg.UUID), nullable=False),
    sa.Column("inputs_index", pg.BYTEA),
    sa.Column("case_id", pg.UUID, sa.ForeignKey("cases.id")),
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("inputs", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("evidence", pg.BYTEA, comment=VALUE_COMMENT),
    sa.CheckConstraint(_one_of("occasion", OCCASIONS), name="occasion"),
    sa.CheckConstraint("role IN ('customer', 'beneficiary')", name="role"),
    sa.CheckConstraint(_one_of("outcome", OUTCOMES), name="outcome"),
    sa.CheckConstraint("risk_score BETWEEN 0 AND 100", name="risk_score"),
    sa.CheckConstraint(
        "data_key IS NOT NULL OR num_nonnulls(inputs, evidence, inputs_index) = 0", name="erased_wholly"
    ),
    sa.CheckConstraint("outcome <> 'review' OR case_id IS NOT NULL", name="review_has_a_case"),
    sa.Index("idx_aml_risk_score", sa.text("risk_score DESC")),
    sa.Index("idx_aml_screenings_user", "user_id", "id"),
    sa.Index("idx_aml_screenings_case", "case_id", postgresql_where=sa.text("case_id IS NOT NULL")),
)

screening_dismissals = sa.Table(
    "screening_dismissals",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True, server_default=sa.text("gen_random_uuid()")),
    _user("user_id"),
    sa.Column("entry_id", pg.UUID, sa.ForeignKey("sanctions_entries.id"), nullable=False),
    sa.Column("inputs_index", pg.BYTEA, nullable=False),
    sa.Column("case_id", pg.UUID, sa.ForeignKey("cases.id"), nullable=False),
    _moment("dismissed_at", now=True),
    _moment("revoked_at"),
    sa.Index("idx_screening_dismissals", "user_id", "entry_id", "inputs_index", unique=True,
             postgresql_where=sa.text("revoked_at IS NULL")),
    sa.Index("idx_screening_dismissals_case", "case_id"),
)  # fmt: skip

rescreenings = sa.Table(
    "rescreenings",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    # Compared with what this version of a list added; nothing: with everything in force.
    sa.Column("list_id", pg.UUID, sa.ForeignKey("sanctions_lists.id")),
    _user("asked_by", nullable=True),
    _moment("asked_at", now=True),
    sa.Column("last_user", pg.UUID),
    sa.Column("screened", sa.Integer, nullable=False, server_default="0"),
    sa.Column("matched", sa.Integer, nullable=False, server_default="0"),
    _moment("finished_at"),
    sa.CheckConstraint("screened >= 0 AND matched BETWEEN 0 AND screened", name="counts"),
    sa.Index("idx_rescreenings_running", "list_id", unique=True, postgresql_nulls_not_distinct=True,
             postgresql_where=sa.text("finished_at IS NULL")),
)  # fmt: skip

screening_cursors = sa.Table(
    "screening_cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("moment", sa.DateTime(timezone=True), nullable=False),
)
