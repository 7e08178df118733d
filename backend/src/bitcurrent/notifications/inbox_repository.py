"""The SQL of the inbox and of what customers chose."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

_MESSAGE = "id, created_at, topic, template, data_key, content, read_at"


async def insert_message(
    connection: Connection,
    *,
    message_id: UUID,
    user_id: UserId,
    topic: str,
    template: str,
    data_key: bytes,
    content: bytes,
) -> None:
    """A new message, unread."""
    await connection.execute(
        "INSERT INTO messages (id, user_id, topic, template, data_key, content) VALUES ($1, $2, $3, $4, $5, $6)",
        message_id,
        user_id,
        topic,
        template,
        data_key,
        content,
    )


async def list_messages(
    connection: Connection, user_id: UserId, *, unread: bool | None, before: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """A customer's messages, newest first."""
    return await connection.fetch(
        f"""
        SELECT {_MESSAGE} FROM messages
        WHERE user_id = $1 AND ($2::boolean IS NULL OR (read_at IS NULL) = $2) AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        user_id,
        unread,
        before,
        limit,
    )


async def count_unread(connection: Connection, user_id: UserId) -> int:
    """How many messages a customer has not read."""
    count = await connection.fetchval("SELECT count(*) FROM messages WHERE user_id = $1 AND read_at IS NULL", user_id)
    return int(count)


async def mark_read(connection: Connection, user_id: UserId, message_id: UUID) -> asyncpg.Record | None:
    """A customer's message, read now or before; None when there is none such."""
    return await connection.fetchrow(
        f"""
        UPDATE messages SET read_at = coalesce(read_at, now()) WHERE id = $1 AND user_id = $2 RETURNING {_MESSAGE}
        """,
        message_id,
        user_id,
    )


async def mark_all_read(connection: Connection, user_id: UserId) -> int:
    """Every message of a customer is read; how many were not."""
    result = await connection.execute(
        "UPDATE messages SET read_at = now() WHERE user_id = $1 AND read_at IS NULL", user_id
    )
    return int(result.rpartition(" ")[2])


async def purge_messages(connection: Connection, *, days: int, limit: int) -> int:
    """Forget messages older than so many days; how many went."""
    result = await connection.execute(
        """
        DELETE FROM messages WHERE id IN (
            SELECT id FROM messages WHERE created_at < now() - make_interval(days => $1) ORDER BY created_at LIMIT $2)
        """,
        days,
        limit,
    )
    return int(result.rpartition(" ")[2])


async def delete_messages(connection: Connection, user_id: UserId) -> None:
    """Forget a customer's inbox, and what they chose."""
    await connection.execute("DELETE FROM messages WHERE user_id = $1", user_id)
    await connection.execute("DELETE FROM notification_preferences WHERE user_id = $1", user_id)


async def read_preferences(connection: Connection, user_id: UserId) -> Mapping[tuple[str, str], bool]:
    """What a customer chose, by topic and channel; nothing for what they never touched."""
    rows = await connection.fetch(
        "SELECT topic, channel, enabled FROM notification_preferences WHERE user_id = $1", user_id
    )
    return {(row["topic"], row["channel"]): row["enabled"] for row in rows}


async def write_preferences(connection: Connection, user_id: UserId, chosen: Mapping[tuple[str, str], bool]) -> None:
    """Keep what a customer chose."""
    await connection.executemany(
        """
        INSERT INTO notification_preferences (user_id, topic, channel, enabled) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id, topic, channel) DO UPDATE SET enabled = excluded.enabled, changed_at = now()
        """,
        [(user_id, topic, channel, enabled) for (topic, channel), enabled in sorted(chosen.items())],
    )
