"""All of notifications' SQL."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of
from bitcurrent.notifications.model import WaitingMail


async def insert_mail(
    connection: Connection,
    *,
    mail_id: UUID,
    user_id: UUID,
    template: str,
    data_key: bytes,
    recipient: bytes,
    content: bytes,
) -> None:
    """A letter that waits."""
    await connection.execute(
        """
        INSERT INTO mails (id, user_id, template, data_key, recipient, content) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        mail_id,
        user_id,
        template,
        data_key,
        recipient,
        content,
    )


async def claim_mails(connection: Connection, *, limit: int, lease: timedelta) -> list[WaitingMail]:
    """The letters whose time has come, oldest first; nobody else gets them until the lease is over."""
    rows = await connection.fetch(
        """
        WITH due AS (
            SELECT id FROM mails WHERE state = 'waiting' AND next_at <= now()
            ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE mails m SET attempts = attempts + 1, next_at = now() + $2 FROM due WHERE m.id = due.id
        RETURNING m.id, m.created_at, m.user_id, m.template, m.attempts, m.data_key, m.recipient, m.content
        """,
        limit,
        lease,
    )
    return sorted((WaitingMail(**dict(row)) for row in rows), key=lambda mail: mail.id)


async def end_mail(connection: Connection, mail_id: UUID, *, state: str, trouble: str | None = None) -> None:
    """A letter is sent, or dead: its address and content go."""
    await connection.execute(
        """
        UPDATE mails SET state = $2, trouble = $3, ended_at = now(), data_key = NULL, recipient = NULL, content = NULL
        WHERE id = $1 AND state = 'waiting'
        """,
        mail_id,
        state,
        trouble,
    )


async def postpone_mail(connection: Connection, mail_id: UUID, *, pause: timedelta, trouble: str) -> None:
    """A letter is tried again later."""
    await connection.execute(
        "UPDATE mails SET next_at = now() + $2, trouble = $3 WHERE id = $1 AND state = 'waiting'",
        mail_id,
        pause,
        trouble,
    )


async def count_mails(connection: Connection) -> tuple[int, int]:
    """How many letters wait, and how many died in the last week."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM mails WHERE state = 'waiting') AS waiting,
               (SELECT count(*) FROM mails WHERE state = 'dead' AND created_at > now() - interval '7 days') AS dead
        """
    )
    assert row is not None  # a SELECT without FROM gives one row
    return row["waiting"], row["dead"]


async def purge_mails(connection: Connection, *, days: int, limit: int) -> int:
    """Forget letters that ended so many days ago; how many went."""
    result = await connection.execute(
        """
        DELETE FROM mails WHERE id IN (
            SELECT id FROM mails WHERE ended_at < now() - make_interval(days => $1) ORDER BY ended_at LIMIT $2)
        """,
        days,
        limit,
    )
    return int(result.rpartition(" ")[2])


def mail_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """The letters to a customer for an export, oldest first; what they said is not kept."""
    return rows_of(
        connection,
        "SELECT created_at, template, state, ended_at FROM mails WHERE user_id = $1 ORDER BY created_at, id",
        user_id,
    )


async def delete_mails(connection: Connection, user_id: UserId) -> None:
    """Forget every letter to a customer."""
    await connection.execute("DELETE FROM mails WHERE user_id = $1", user_id)
