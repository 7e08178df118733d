"""The books' tables. The app's role may read them; only the ledger's functions write."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)

balances = sa.Table(
    "balances",
    metadata,
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("available", AMOUNT, nullable=False, server_default="0"),
    sa.Column("held", AMOUNT, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("user_id", "currency", name="idx_balances_user_currency"),
    sa.CheckConstraint("available >= 0", name="available_not_negative"),
    sa.CheckConstraint("held >= 0", name="held_not_negative"),
    postgresql_with={"fillfactor": 50},
)

journals = sa.Table(
    "journals",
    metadata,
    sa.Column("id", pg.UUID, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("memo", pg.JSONB),
    sa.PrimaryKeyConstraint("id", "created_at"),
    # The id names its moment, so the id alone is unique although the key spans partitions.
    sa.CheckConstraint("created_at = uuid_extract_timestamp(id)", name="time_is_in_id"),
    # A hold is known by its order's id; every other reference is unique in journal_references.
    sa.CheckConstraint("kind <> 'hold' OR reference = 'hold:' || id::text", name="hold_is_order"),
    postgresql_partition_by="RANGE (created_at)",
)

journal_references = sa.Table(
    "journal_references",
    metadata,
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("journal_id", pg.UUID, nullable=False),
)

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("journal_id", pg.UUID, nullable=False),
    sa.Column("line", sa.SmallInteger, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("user_id", pg.UUID),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("balance_after", AMOUNT),
    sa.PrimaryKeyConstraint("journal_id", "line", "created_at"),
    sa.CheckConstraint("created_at = uuid_extract_timestamp(journal_id)", name="time_is_in_id"),
    sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
    sa.CheckConstraint("(user_id IS NOT NULL) = (account IN ('available', 'held'))", name="customer_bucket"),
    sa.CheckConstraint("(user_id IS NOT NULL) = (balance_after IS NOT NULL)", name="customer_balance_after"),
    sa.Index("idx_entries_user_created", "user_id", "currency", sa.text("created_at DESC")),
    postgresql_partition_by="RANGE (created_at)",
)
