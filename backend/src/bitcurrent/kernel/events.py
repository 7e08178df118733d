"""The event log: facts that go up the house, written in the transaction that made them true.

Each customer's events carry a gapless `sequence`. Readers keep a cursor of (transaction, position) and read only
below the oldest running transaction, so that a commit that comes late is never skipped.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql.base import ischema_names

from bitcurrent.kernel.database import Connection, metadata

WAKE_CHANNEL = "bitcurrent:events"
"""Redis channel on which writers say "there is something new". A hint only: readers also poll."""


class Xid8(sa.types.UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Name the type as PostgreSQL does."""
        return "xid8"


ischema_names["xid8"] = Xid8  # so that migrations recognise it when they read the database


events = sa.Table(
    "events",
    metadata,
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("transaction_id", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()")),
    sa.Column("user_id", pg.UUID, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", pg.UUID),
    sa.Column("payload", pg.JSONB, nullable=False),
    sa.PrimaryKeyConstraint("position", "created_at"),
    sa.Index("idx_events_transaction", "transaction_id", "position"),
    sa.Index("idx_events_user_sequence", "user_id", "sequence"),
    postgresql_partition_by="RANGE (created_at)",
)

customer_sequences = sa.Table(
    "customer_sequences",
    metadata,
    sa.Column("user_id", pg.UUID, primary_key=True),
    sa.Column("last_sequence", sa.BigInteger, nullable=False, server_default="0"),
    postgresql_with={"fillfactor": 50},
)


@dataclass(frozen=True, slots=True)
class Event:
    """One fact about one customer. `subject` is what it is about (an order); `payload` what became of it."""

    position: int
    transaction_id: int
    created_at: datetime
    user_id: UUID
    sequence: int
    kind: str
    subject: UUID | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has come in the whole log."""

    transaction_id: int = 0
    position: int = 0


# The column list is a constant of this module, never somebody's input.
_COLUMNS = "position, transaction_id::text::bigint, created_at, user_id, sequence, kind, subject, payload"


async def append_event(
    connection: Connection, *, user_id: UUID, kind: str, subject: UUID | None, payload: dict[str, Any]
) -> int:
    """Write one event in the open transaction; returns the customer's sequence."""
    sequence = await connection.fetchval("SELECT append_event($1, $2, $3, $4)", user_id, kind, subject, payload)
    return int(sequence)


async def newest_cursor(connection: Connection) -> Cursor:
    """A cursor behind everything that is settled now: reading from it yields only what comes later."""
    oldest_running = await connection.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    return Cursor(transaction_id=int(oldest_running) - 1, position=2**62)


async def read_events(connection: Connection, after: Cursor, limit: int = 500) -> tuple[list[Event], Cursor]:
    """Up to `limit` events after the cursor in commit-safe order, and the cursor behind them."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM events
        WHERE (transaction_id, position) > ($1::text::xid8, $2)
          AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY transaction_id, position LIMIT $3
        """,  # noqa: S608  constant columns
        str(after.transaction_id),
        after.position,
        limit,
    )
    found = [Event(*row) for row in rows]
    last = found[-1] if found else None
    return found, Cursor(last.transaction_id, last.position) if last else after


async def read_customer_events(
    connection: Connection, user_id: UUID, after_sequence: int, limit: int = 500
) -> list[Event]:
    """One customer's events after a sequence, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM events WHERE user_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",  # noqa: S608  constant columns
        user_id,
        after_sequence,
        limit,
    )
    return [Event(*row) for row in rows]


async def last_sequence(connection: Connection, user_id: UUID) -> int:
    """The sequence of the customer's newest event; 0 when there is none."""
    value = await connection.fetchval("SELECT last_sequence FROM customer_sequences WHERE user_id = $1", user_id)
    return int(value or 0)
