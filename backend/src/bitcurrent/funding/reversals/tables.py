"""Refunds, disputes, and what is to be looked up at the processor. functions.sql guards their states."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)
MOMENT = sa.DateTime(timezone=True)
_OPEN = "state IN ('requested', 'sending', 'pending')"


def _now(name: str) -> "sa.Column[object]":
    return sa.Column(name, MOMENT, nullable=False, server_default=sa.func.now())


refunds = sa.Table(
    "refunds",
    metadata,
    # Also the processor's idempotency key.
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("lot_id", pg.UUID, sa.ForeignKey("lots.id"), nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="requested"),
    # The processor has taken it from our balance, and it is booked.
    sa.Column("taken", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("held", AMOUNT, nullable=False, server_default="0"),
    # Of a refund made at the processor: what was not there any more.
    sa.Column("shortfall", AMOUNT, nullable=False, server_default="0"),
    sa.Column("withdrawal_id", pg.UUID),
    sa.Column("asked_by", pg.UUID),
    sa.Column("reason", sa.Text),
    sa.Column("processor_refund_id", sa.Text),
    sa.Column("failure", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("unknown_since", MOMENT),
    sa.Column("next_at", MOMENT),
    _now("created_at"),
    _now("updated_at"),
    sa.Column("finished_at", MOMENT),
    sa.UniqueConstraint("processor_refund_id"),
    sa.CheckConstraint("amount > 0", name="amount"),
    sa.CheckConstraint("origin IN ('customer', 'operator', 'withdrawal', 'processor')", name="origin"),
    sa.CheckConstraint("state IN ('requested', 'sending', 'pending', 'succeeded', 'failed')", name="state"),
    # Law I7 in one line.
    sa.CheckConstraint(
        f"held = CASE WHEN {_OPEN} AND NOT taken AND origin IN ('customer', 'operator') THEN amount ELSE 0 END",
        name="holds_while_open",
    ),
    sa.CheckConstraint("taken OR state <> 'succeeded'", name="succeeded_is_taken"),
    sa.CheckConstraint(f"(finished_at IS NULL) = ({_OPEN})", name="finished_has_time"),
    sa.CheckConstraint("shortfall BETWEEN 0 AND amount", name="shortfall"),
    sa.CheckConstraint("shortfall = 0 OR origin = 'processor'", name="only_foreign_leave_debts"),
    sa.CheckConstraint("(withdrawal_id IS NOT NULL) = (origin = 'withdrawal')", name="withdrawal"),
    sa.CheckConstraint("unknown_since IS NULL OR state = 'sending'", name="unknown_while_sending"),
    sa.Index("idx_refunds_lot", "lot_id"),
    sa.Index("idx_refunds_user", "user_id", "id"),
    sa.Index("idx_refunds_withdrawal", "withdrawal_id", postgresql_where=sa.text("withdrawal_id IS NOT NULL")),
    sa.Index("idx_refunds_due", "next_at", postgresql_where=sa.text("next_at IS NOT NULL")),
)

disputes = sa.Table(
    "disputes",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("processor_dispute_id", sa.Text, nullable=False),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("lot_id", pg.UUID, sa.ForeignKey("lots.id"), nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("withdrawn", AMOUNT, nullable=False, server_default="0"),
    sa.Column("reinstated", AMOUNT, nullable=False, server_default="0"),
    sa.Column("fee", AMOUNT, nullable=False, server_default="0"),
    sa.Column("locked", AMOUNT, nullable=False, server_default="0"),
    sa.Column("taken", AMOUNT, nullable=False, server_default="0"),
    # Counts what moved; each journal has its number in its reference.
    sa.Column("steps", sa.Integer, nullable=False, server_default="0"),
    sa.Column("respond_by", MOMENT),
    # What operators write down about the evidence.
    sa.Column("note", sa.Text),
    sa.Column("noted_by", pg.UUID, sa.ForeignKey("users.id")),
    _now("created_at"),
    _now("updated_at"),
    sa.Column("closed_at", MOMENT),
    sa.UniqueConstraint("processor_dispute_id"),
    sa.CheckConstraint("amount > 0", name="amount"),
    sa.CheckConstraint("state IN ('open', 'won', 'lost', 'closed')", name="state"),
    sa.CheckConstraint("(closed_at IS NULL) = (state = 'open')", name="closed_has_time"),
    sa.CheckConstraint("withdrawn >= 0 AND reinstated >= 0 AND locked >= 0 AND taken >= 0", name="not_negative"),
    sa.CheckConstraint("locked = 0 OR state <> 'lost'", name="lost_locks_nothing"),
    sa.CheckConstraint("length(note) BETWEEN 1 AND 5000", name="note"),
    sa.CheckConstraint("(note IS NULL) = (noted_by IS NULL)", name="noted_by_somebody"),
    sa.Index("idx_disputes_lot", "lot_id"),
    sa.Index("idx_disputes_user", "user_id", "id"),
    sa.Index("idx_disputes_holding", "user_id", postgresql_where=sa.text("locked > 0")),
)

looks = sa.Table(
    "looks",
    metadata,
    # What is to be read anew at the processor, because an event or a line of its balance spoke of it.
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("object_id", sa.Text, nullable=False),
    # Grows with each hint: who read it before the newest one looks again.
    sa.Column("hints", sa.Integer, nullable=False, server_default="1"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("trouble", sa.Text),
    sa.PrimaryKeyConstraint("subject", "object_id"),
    sa.CheckConstraint("subject IN ('payment', 'refund', 'dispute')", name="subject"),
    sa.Index("idx_looks_due", "next_at"),
)
