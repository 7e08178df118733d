"""Withdrawals, the steps they took, and their terms.

functions.sql has the guards: states only go forward, steps write themselves, terms are added and never changed.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)
_ENDED = "'settled', 'failed', 'returned', 'refused', 'canceled', 'expired'"
STATES = f"'requested', 'screening', 'review', 'approved', 'sending', 'sent', {_ENDED}"


def _moment(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _now(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


withdrawals = sa.Table(
    "withdrawals",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    _now("created_at"),
    _now("updated_at"),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("fee", AMOUNT, nullable=False),
    sa.Column("network_fee", AMOUNT, nullable=False),
    sa.Column("network_fee_paid", AMOUNT),
    sa.Column("held", AMOUNT, nullable=False),
    sa.Column("paid", AMOUNT),
    sa.Column("worth", AMOUNT, nullable=False),
    sa.Column("rail", sa.Text, nullable=False),
    # A bank account or a withdrawal address; cards are found by what they have paid.
    sa.Column("destination", pg.UUID),
    sa.Column("destination_label", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="requested"),
    sa.Column("reason", sa.Text),
    sa.Column("reference", sa.Text),
    sa.Column("details", pg.JSONB, nullable=False, server_default="{}"),
    sa.Column("screening", sa.Text),
    sa.Column("screening_reference", sa.Text),
    sa.Column("limit_version", sa.Text),
    sa.Column("batch_id", pg.UUID),
    _moment("expires_at", nullable=False),
    _moment("unknown_since"),
    _moment("finished_at"),
    # The worker's: whoever claimed it may act until then; when it was last asked for, and how often it was tried.
    _moment("claimed_until"),
    _moment("next_at"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("amount > 0 AND fee >= 0 AND network_fee >= 0 AND worth >= 0", name="amounts"),
    sa.CheckConstraint("network_fee_paid >= 0", name="network_fee_paid"),
    sa.CheckConstraint("paid > 0 AND paid <= amount", name="paid"),
    sa.CheckConstraint("rail IN ('card_refund', 'bank', 'wallet')", name="rail"),
    sa.CheckConstraint("(destination IS NULL) = (rail = 'card_refund')", name="destination"),
    sa.CheckConstraint("length(destination_label) BETWEEN 1 AND 200", name="destination_label"),
    sa.CheckConstraint(f"state IN ({STATES})", name="state"),
    sa.CheckConstraint(f"(finished_at IS NOT NULL) = (state IN ({_ENDED}))", name="ended_has_time"),
    # Law I7 in one line: until it has ended it holds all that it costs, then nothing.
    sa.CheckConstraint(
        "held = CASE WHEN finished_at IS NULL THEN amount + fee + network_fee ELSE 0 END", name="holds_until_ended"
    ),
    sa.CheckConstraint("(paid IS NOT NULL) = (state IN ('settled', 'returned'))", name="paid_when_settled"),
    sa.CheckConstraint("unknown_since IS NULL OR state = 'sending'", name="unknown_while_sending"),
    sa.CheckConstraint("screening IN ('clear', 'review', 'block', 'none')", name="screening"),
    sa.CheckConstraint("batch_id IS NULL OR rail = 'bank'", name="batches_are_for_banks"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 100", name="reason"),
    sa.Index("idx_withdrawals_user", "user_id", "id"),
    sa.Index("idx_withdrawals_state", "state", "id", postgresql_where=sa.text("finished_at IS NULL")),
    sa.Index(
        "idx_withdrawals_reference",
        "rail",
        "reference",
        unique=True,
        postgresql_where=sa.text("reference IS NOT NULL"),
    ),
    sa.Index("idx_withdrawals_batch", "batch_id", postgresql_where=sa.text("batch_id IS NOT NULL")),
    postgresql_with={"fillfactor": 70},
)

withdrawal_steps = sa.Table(
    "withdrawal_steps",
    metadata,
    sa.Column("withdrawal_id", pg.UUID, sa.ForeignKey("withdrawals.id"), primary_key=True),
    sa.Column("number", sa.SmallInteger, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
)

withdrawal_terms = sa.Table(
    "withdrawal_terms",
    metadata,
    sa.Column("version", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _now("created_at"),
    _now("effective_from"),
    sa.Column("rail", sa.Text, nullable=False),
    # Nothing in it means every asset of the rail; one asset's own terms go before these.
    sa.Column("asset", sa.Text),
    sa.Column("minimum", AMOUNT, nullable=False),
    sa.Column("maximum", AMOUNT, nullable=False),
    sa.Column("fee", AMOUNT, nullable=False),
    sa.Column("card_first_days", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("approval_id", pg.UUID, sa.ForeignKey("approvals.id"), unique=True),
    sa.CheckConstraint("rail IN ('card_refund', 'bank', 'wallet')", name="rail"),
    sa.CheckConstraint("asset ~ '^[A-Z0-9]{1,20}$'", name="asset"),
    sa.CheckConstraint("minimum > 0 AND maximum >= minimum", name="bounds"),
    sa.CheckConstraint("fee >= 0", name="fee"),
    sa.CheckConstraint(
        "card_first_days BETWEEN 0 AND 180 AND (card_first_days = 0 OR rail = 'bank')", name="card_first"
    ),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    sa.Index("idx_withdrawal_terms_rail", "rail", "effective_from"),
)
