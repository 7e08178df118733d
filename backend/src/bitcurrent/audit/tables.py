"""The log of acts that matter for security and money. The app's role may insert and read, nothing else."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

audit_logs = sa.Table(
    "audit_logs",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("actor_id", pg.UUID),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("details", pg.JSONB, nullable=False, server_default="{}"),
    sa.Index("idx_audit_logs_subject", "subject", "created_at"),
)
