"""Cases and their history. The room's functions.sql lets a case go only its ways, and its history only grow."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.compliance.cases.model import CASE_KINDS, CASE_OUTCOMES, CASE_STATES, ENTRY_KINDS, PRIORITIES
from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _person(name: str) -> "sa.Column[object]":
    return sa.Column(name, pg.UUID, sa.ForeignKey("users.id"))


cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    _person("user_id"),
    sa.Column("subject", sa.Text, nullable=False),
    # Ids and figures, never personal data.
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("priority", sa.Text, nullable=False),
    sa.Column("dedupe_key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    _person("owner"),
    _person("proposed_by"),
    sa.Column("proposed_at", sa.DateTime(timezone=True)),
    sa.Column("proposed_outcome", sa.Text),
    _person("closed_by"),
    sa.Column("closed_at", sa.DateTime(timezone=True)),
    sa.Column("outcome", sa.Text),
    sa.Column("reopened_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint(_one_of("kind", CASE_KINDS), name="kind"),
    sa.CheckConstraint(_one_of("state", CASE_STATES), name="state"),
    sa.CheckConstraint(_one_of("priority", PRIORITIES), name="priority"),
    sa.CheckConstraint(_one_of("proposed_outcome", CASE_OUTCOMES), name="proposed_outcome"),
    sa.CheckConstraint(_one_of("outcome", CASE_OUTCOMES), name="outcome"),
    sa.CheckConstraint("length(subject) BETWEEN 1 AND 200", name="subject"),
    sa.CheckConstraint("length(summary) BETWEEN 1 AND 300", name="summary"),
    sa.CheckConstraint("length(dedupe_key) BETWEEN 1 AND 200", name="dedupe_key"),
    # The four eyes.
    sa.CheckConstraint("closed_by <> proposed_by", name="two_people"),
    sa.CheckConstraint(
        "CASE WHEN state = 'open' THEN num_nonnulls(proposed_by, proposed_at, proposed_outcome) = 0"
        " ELSE num_nonnulls(proposed_by, proposed_at, proposed_outcome) = 3 END",
        name="proposed_by_somebody",
    ),
    sa.CheckConstraint(
        "CASE WHEN state = 'closed' THEN num_nonnulls(closed_by, closed_at, outcome) = 3"
        " AND outcome = proposed_outcome ELSE num_nonnulls(closed_by, closed_at, outcome) = 0 END",
        name="closed_as_proposed",
    ),
    sa.Index("idx_cases_standing", "kind", "dedupe_key", unique=True, postgresql_where=sa.text("state <> 'closed'")),
    sa.Index("idx_cases_user", "user_id", "id", postgresql_where=sa.text("user_id IS NOT NULL")),
    sa.Index("idx_cases_state", "state", "id"),
    sa.Index("idx_cases_subject", "subject"),
)

case_entries = sa.Table(
    "case_entries",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("case_id", pg.UUID, sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
    sa.Column("kind", sa.Text, nullable=False),
    # Nobody: a rule of the house.
    _person("author"),
    # Nothing in these: they were erased when the law no longer asked for them.
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("text", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("evidence", pg.BYTEA, comment=VALUE_COMMENT),
    sa.CheckConstraint(_one_of("kind", ENTRY_KINDS), name="kind"),
    sa.CheckConstraint("data_key IS NOT NULL OR (text IS NULL AND evidence IS NULL)", name="erased_wholly"),
    sa.Index("idx_case_entries_case", "case_id", "at", "id"),
)
