"""The SQL of both outboxes: the letters and the texts that wait."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of
from bitcurrent.notifications.model import Delivery, OutboxName, OutboxState, Waiting, later_delivery


async def insert_waiting(
    connection: Connection,
    outbox: OutboxName,
    *,
    row_id: UUID,
    user_id: UUID,
    template: str,
    data_key: bytes,
    recipient: bytes,
    content: bytes,
) -> None:
    """A letter or text that waits."""
    await connection.execute(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        INSERT INTO {outbox} (id, user_id, template, data_key, recipient, content) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        row_id,
        user_id,
        template,
        data_key,
        recipient,
        content,
    )


async def claim(connection: Connection, outbox: OutboxName, *, limit: int, lease: timedelta) -> list[Waiting]:
    """Those whose time has come, oldest first; nobody else gets them until the lease is over."""
    rows = await connection.fetch(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        WITH due AS (
            SELECT id FROM {outbox} WHERE state = 'waiting' AND next_at <= now()
            ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE {outbox} m SET attempts = attempts + 1, next_at = now() + $2 FROM due WHERE m.id = due.id
        RETURNING m.id, m.created_at, m.user_id, m.template, m.attempts, m.data_key, m.recipient, m.content
        """,
        limit,
        lease,
    )
    return sorted((Waiting(**dict(row)) for row in rows), key=lambda waiting: waiting.id)


async def end(
    connection: Connection, outbox: OutboxName, row_id: UUID, *, state: OutboxState, trouble: str | None = None
) -> None:
    """It is sent, or dead: its address and content go."""
    await connection.execute(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        UPDATE {outbox}
        SET state = $2, trouble = $3, ended_at = now(), data_key = NULL, recipient = NULL, content = NULL
        WHERE id = $1 AND state = 'waiting'
        """,
        row_id,
        state,
        trouble,
    )


async def postpone(connection: Connection, outbox: OutboxName, row_id: UUID, *, pause: timedelta, trouble: str) -> None:
    """It is tried again later."""
    await connection.execute(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"UPDATE {outbox} SET next_at = now() + $2, trouble = $3 WHERE id = $1 AND state = 'waiting'",
        row_id,
        pause,
        trouble,
    )


async def count(connection: Connection, outbox: OutboxName) -> tuple[int, int]:
    """How many wait, and how many died in the last week."""
    row = await connection.fetchrow(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        SELECT (SELECT count(*) FROM {outbox} WHERE state = 'waiting') AS waiting,
               (SELECT count(*) FROM {outbox} WHERE state = 'dead' AND created_at > now() - interval '7 days') AS dead
        """
    )
    assert row is not None  # a SELECT without FROM gives one row
    return row["waiting"], row["dead"]


async def purge(connection: Connection, outbox: OutboxName, *, days: int, limit: int) -> int:
    """Forget what ended so many days ago; how many went."""
    result = await connection.execute(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        DELETE FROM {outbox} WHERE id IN (
            SELECT id FROM {outbox} WHERE ended_at < now() - make_interval(days => $1) ORDER BY ended_at LIMIT $2)
        """,
        days,
        limit,
    )
    return int(result.rpartition(" ")[2])


def rows_to(connection: Connection, outbox: OutboxName, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """What went to a customer, for an export, oldest first; what it said is not kept."""
    return rows_of(
        connection,
        f"SELECT created_at, template, state, ended_at FROM {outbox} WHERE user_id = $1 ORDER BY created_at, id",
        user_id,
    )


async def delete_all(connection: Connection, outbox: OutboxName, user_id: UserId) -> None:
    """Forget all that went or will go to a customer."""
    # nosemgrep: formatted-sql  words of this module, nobody's input
    await connection.execute(f"DELETE FROM {outbox} WHERE user_id = $1", user_id)


# ---- what became of texts


async def insert_report(connection: Connection, *, text_id: UUID, status: str, code: int | None) -> bool:
    """Keep a carrier's report; False when it came before, or is about no text of ours."""
    result = await connection.execute(
        """
        INSERT INTO text_reports (text_id, status, code) SELECT id, $2, $3 FROM texts WHERE id = $1
        ON CONFLICT (text_id, status) DO NOTHING
        """,
        text_id,
        status,
        code,
    )
    return result == "INSERT 0 1"


async def note_delivery(connection: Connection, text_id: UUID, reported: Delivery, *, code: int | None = None) -> None:
    """Write down what became of a text, unless something later is known already."""
    row = await connection.fetchrow("SELECT delivery FROM texts WHERE id = $1 FOR UPDATE", text_id)
    if row is None or later_delivery(row["delivery"], reported) == row["delivery"]:
        return
    await connection.execute(
        "UPDATE texts SET delivery = $2, delivery_code = $3, delivery_at = now() WHERE id = $1",
        text_id,
        reported,
        code,
    )
