"""Stops, those that ended too. Compliance's functions.sql lets a stop only end, once."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.compliance.products import PRODUCTS
from bitcurrent.kernel.database import metadata

_PRODUCTS = ", ".join(f"'{product}'" for product in PRODUCTS)

stops = sa.Table(
    "stops",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    # Nothing in these means all of them.
    sa.Column("product", sa.Text),
    sa.Column("asset", sa.Text),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    # Nobody: the house itself.
    sa.Column("started_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("ended_by", pg.UUID, sa.ForeignKey("users.id")),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("end_reason", sa.Text),
    sa.CheckConstraint(f"product IN ({_PRODUCTS})", name="product"),
    sa.CheckConstraint("asset ~ '^[A-Z0-9]{1,20}$'", name="asset"),
    sa.CheckConstraint("length(cause) BETWEEN 1 AND 100", name="cause"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    sa.CheckConstraint("length(words) BETWEEN 1 AND 300", name="words"),
    sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="end_has_a_reason"),
    sa.CheckConstraint("ended_by IS NULL OR ended_at IS NOT NULL", name="ended_by_when_ended"),
    sa.Index(
        "idx_stops_standing",
        "product",
        "asset",
        "cause",
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    ),
)
