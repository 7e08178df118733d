"""The log of acts that matter for security and money, and the seals that chain it.

The app's role may add acts and read both, nothing else; seals are added through `seal_audit_logs` only.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.audit.model import ActorKind
from bitcurrent.kernel.database import metadata
from bitcurrent.kernel.events import Xid8

_KINDS = ", ".join(f"'{kind}'" for kind in ActorKind)
# Programs read the same number differently (1.0, 1, 1e0); the same text they all read alike.
_NUMBERLESS = "NOT jsonb_path_exists({0}, '$.** ? (@.type() == \"number\")')"

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
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_role", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("before", pg.JSONB),
    sa.Column("after", pg.JSONB),
    sa.Column("transaction_id", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()")),
    sa.CheckConstraint(f"actor_kind IN ({_KINDS})", name="actor_kind"),
    sa.CheckConstraint(_NUMBERLESS.format("details"), name="details_numberless"),
    sa.CheckConstraint(_NUMBERLESS.format("before"), name="before_numberless"),
    sa.CheckConstraint(_NUMBERLESS.format("after"), name="after_numberless"),
    sa.Index("idx_audit_logs_subject", "subject", "created_at"),
    sa.Index("idx_audit_logs_actor", "actor_id", "created_at"),
    sa.Index("idx_audit_logs_action", "action", "id"),
    sa.Index("idx_audit_logs_transaction", "transaction_id", "id"),
)

audit_seals = sa.Table(
    "audit_seals",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    # No foreign key: it would lock the acts' rows, and a missing act is for verification to see, not to prevent.
    sa.Column("audit_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("sequence > 0", name="sequence"),
    sa.CheckConstraint("octet_length(hash) = 32", name="hash"),
)

audit_verifications = sa.Table(
    "audit_verifications",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    # Nobody: the house itself, once a day.
    sa.Column("asked_by", pg.UUID),
    sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("started_at", sa.DateTime(timezone=True)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Column("holds", sa.Boolean),
    sa.Column("sealed", sa.BigInteger),
    sa.Column("waiting", sa.BigInteger),
    sa.Column("first_break", sa.Text),
    sa.Column("trouble", sa.Text),
    sa.CheckConstraint(
        "finished_at IS NOT NULL OR num_nonnulls(holds, sealed, waiting, first_break) = 0", name="known_when_finished"
    ),
    sa.Index("idx_audit_verifications_open", "asked_at", postgresql_where=sa.text("finished_at IS NULL")),
)
