"""The evidence, which only grows. The package's functions.sql keeps it so."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.compliance.conduct.model import OUTCOMES
from bitcurrent.compliance.conduct.packs import JURISDICTIONS, STEPS
from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


conduct_evidence = sa.Table(
    "conduct_evidence",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    # The database's clock, never ours: a wait is counted from it.
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("jurisdiction", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    # The category that was declared.
    sa.Column("choice", sa.Text),
    # The test that these answers belong to.
    sa.Column("refers_to", pg.UUID, sa.ForeignKey("conduct_evidence.id")),
    sa.Column("text_sha256", pg.BYTEA, nullable=False),
    sa.Column("origin", sa.Text, nullable=False, server_default="customer"),
    sa.Column("data_key", pg.BYTEA, nullable=False, comment=CARRIER_COMMENT),
    # The text with the customer's name, the answers, the address and the device.
    sa.Column("content", pg.BYTEA, nullable=False, comment=VALUE_COMMENT),
    sa.CheckConstraint(_one_of("jurisdiction", JURISDICTIONS), name="jurisdiction"),
    sa.CheckConstraint("version > 0", name="version"),
    sa.CheckConstraint(_one_of("step", STEPS), name="step"),
    sa.CheckConstraint(_one_of("outcome", OUTCOMES), name="outcome"),
    sa.CheckConstraint(
        "CASE step WHEN 'category' THEN outcome = 'declared'"
        " WHEN 'appropriateness' THEN outcome IN ('begun', 'passed', 'failed')"
        " ELSE outcome IN ('continued', 'left') END",
        name="outcome_of_the_step",
    ),
    sa.CheckConstraint("(choice IS NOT NULL) = (outcome = 'declared')", name="choice"),
    sa.CheckConstraint("(refers_to IS NOT NULL) = (outcome IN ('passed', 'failed'))", name="refers_to"),
    sa.CheckConstraint("length(text_sha256) = 32", name="text_sha256"),
    sa.CheckConstraint("origin IN ('customer', 'demo')", name="origin"),
    sa.Index("idx_conduct_evidence_user", "user_id", "id"),
    # A test is answered once.
    sa.Index(
        "idx_conduct_evidence_answered", "refers_to", unique=True, postgresql_where=sa.text("refers_to IS NOT NULL")
    ),
)
