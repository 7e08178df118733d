"""All the SQL of payouts."""

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal
from uuid import UUID

from bitcurrent.funding.payouts.model import BankLine, Batch, ClosingBalance, FileKind, Imported
from bitcurrent.kernel.database import Connection

# Names of our own fields, never somebody's input.
_BATCH = ", ".join(field.name for field in fields(Batch))


async def insert_batch(
    connection: Connection,
    *,
    batch_id: UUID,
    currency: str,
    message_id: str,
    count: int,
    total: Decimal,
    approval_id: UUID | None,
) -> Batch:
    """A batch; without an approval it is the demo's."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO payout_batches (id, currency, message_id, count, total, approval_id, demo)
        VALUES ($1, $2, $3, $4, $5, $6, $6::uuid IS NULL) RETURNING {_BATCH}
        """,
        batch_id,
        currency,
        message_id,
        count,
        total,
        approval_id,
    )
    assert row is not None
    return Batch(**dict(row))


async def find_batch(connection: Connection, batch_id: UUID) -> Batch | None:
    """One batch."""
    row = await connection.fetchrow(f"SELECT {_BATCH} FROM payout_batches WHERE id = $1", batch_id)
    return Batch(**dict(row)) if row else None


async def find_batch_by_message(connection: Connection, message_id: str) -> Batch | None:
    """The batch whose file carried this name."""
    row = await connection.fetchrow(f"SELECT {_BATCH} FROM payout_batches WHERE message_id = $1", message_id)
    return Batch(**dict(row)) if row else None


async def list_batches(connection: Connection, *, before: UUID | None, limit: int) -> list[Batch]:
    """Batches, newest first."""
    rows = await connection.fetch(
        f"SELECT {_BATCH} FROM payout_batches WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2",
        before,
        limit,
    )
    return [Batch(**dict(row)) for row in rows]


async def unanswered_of_demo(connection: Connection) -> list[UUID]:
    """Batches of the demo's bank with a withdrawal that is still on its way, oldest first."""
    rows = await connection.fetch(
        """
        SELECT id FROM payout_batches b WHERE demo AND EXISTS (
            SELECT FROM withdrawals w WHERE w.batch_id = b.id AND w.state IN ('sending', 'sent'))
        ORDER BY id LIMIT 100
        """
    )
    return [row["id"] for row in rows]


async def insert_file(
    connection: Connection,
    *,
    file_id: UUID,
    imported_by: UUID | None,
    kind: FileKind,
    sha256: bytes,
    lines: int,
    changed: int,
) -> None:
    """A file of the bank that was taken."""
    await connection.execute(
        "INSERT INTO bank_files (id, imported_by, kind, sha256, lines, changed) VALUES ($1, $2, $3, $4, $5, $6)",
        file_id,
        imported_by,
        kind,
        sha256,
        lines,
        changed,
    )


async def find_file(connection: Connection, sha256: bytes) -> Imported | None:
    """The same file, when it was taken before. Waits for whoever takes it now."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('bank files', 0))")
    row = await connection.fetchrow("SELECT id, kind, lines FROM bank_files WHERE sha256 = $1", sha256)
    return Imported(**dict(row), changed=0, repeated=True) if row else None


async def insert_lines(connection: Connection, file_id: UUID, lines: list[tuple[BankLine, UUID | None]]) -> None:
    """Lines of a statement."""
    await connection.executemany(
        """
        INSERT INTO bank_lines (file_id, line, bank_reference, booked_on, currency, amount, withdrawal_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        [
            (file_id, line.number, name_of(line), line.booked_on, line.currency, line.amount, withdrawal_id)
            for line, withdrawal_id in lines
        ],
    )


async def insert_closings(connection: Connection, file_id: UUID, closings: Sequence[ClosingBalance]) -> None:
    """What the accounts of a statement closed with."""
    await connection.executemany(
        "INSERT INTO bank_balances (file_id, currency, closed_on, amount) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        [(file_id, each.currency, each.closed_on, each.amount) for each in closings],
    )


async def known_lines(connection: Connection, names: list[str]) -> set[str]:
    """Which lines stand in a statement that was taken before."""
    rows = await connection.fetch("SELECT bank_reference FROM bank_lines WHERE bank_reference = ANY ($1)", names)
    return {row["bank_reference"] for row in rows}


async def net_by_withdrawal(connection: Connection, withdrawal_ids: list[UUID]) -> dict[UUID, Decimal]:
    """What statements have said of withdrawals so far: negative has left and not come back."""
    rows = await connection.fetch(
        """
        SELECT withdrawal_id, sum(amount) AS net FROM bank_lines WHERE withdrawal_id = ANY ($1) GROUP BY withdrawal_id
        """,
        withdrawal_ids,
    )
    return {row["withdrawal_id"]: row["net"] for row in rows}


def name_of(line: BankLine) -> str:
    """What makes a line of a statement the same line in another one."""
    return f"{line.currency}/{line.booked_on}/{line.bank_reference}"
