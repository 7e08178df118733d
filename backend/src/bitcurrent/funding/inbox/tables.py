"""The events of the processor, each once. Their bodies name people, so they are encrypted, and go after a while."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata

processor_events = sa.Table(
    "processor_events",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    # What it is about, in the processor's own ids: a deposit's events are found by them.
    sa.Column("object_id", sa.Text),
    sa.Column("payment_intent", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("trouble", sa.Text),
    sa.Column("applied_at", sa.DateTime(timezone=True)),
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("body", pg.BYTEA, comment=VALUE_COMMENT),
    sa.UniqueConstraint("source", "event_id", name="uq_processor_events_source_event"),
    sa.Index("idx_processor_events_waiting", "next_at", postgresql_where=sa.text("state = 'waiting'")),
    sa.Index("idx_processor_events_object", "object_id"),
    sa.Index("idx_processor_events_payment", "payment_intent"),
    sa.Index("idx_processor_events_bodies", "received_at", postgresql_where=sa.text("body IS NOT NULL")),
    sa.CheckConstraint("state IN ('waiting', 'applied', 'ignored')", name="state"),
    sa.CheckConstraint("(state = 'applied') = (applied_at IS NOT NULL)", name="applied"),
    sa.CheckConstraint("(data_key IS NULL) = (body IS NULL)", name="body_with_key"),
    sa.CheckConstraint("state <> 'waiting' OR body IS NOT NULL", name="waiting_has_body"),
    sa.CheckConstraint("length(event_id) BETWEEN 1 AND 255 AND length(type) BETWEEN 1 AND 255", name="lengths"),
)
