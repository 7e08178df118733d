"""All SQL of accounts' links, confirmations and devices, and of closing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from bitcurrent.identity.accounts.model import Purpose
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def insert_link(
    connection: Connection,
    *,
    link_id: UUID,
    user_id: UserId,
    purpose: Purpose,
    lifetime: timedelta,
    data_key: bytes | None,
    email: bytes | None,
) -> None:
    """A link that works until it is used or its time is over."""
    await connection.execute(
        """
        INSERT INTO account_links (id, user_id, purpose, expires_at, data_key, email)
        VALUES ($1, $2, $3, now() + $4, $5, $6)
        """,
        link_id,
        user_id,
        purpose,
        lifetime,
        data_key,
        email,
    )


async def find_link(connection: Connection, link_id: UUID) -> Any:
    """A link's row with `used` and `expired`; None when there is none such. Locks it until the transaction ends."""
    return await connection.fetchrow(
        """
        SELECT l.id, l.user_id, l.purpose, l.data_key, l.email, l.used_at IS NOT NULL OR u.status = 'closed' AS used,
               l.expires_at <= now() AS expired
        FROM account_links l JOIN users u ON u.id = l.user_id WHERE l.id = $1 FOR UPDATE OF l
        """,
        link_id,
    )


async def use_links(connection: Connection, user_id: UserId, *purposes: Purpose, only: UUID | None = None) -> None:
    """A user's links of these purposes (or only one of them) work no more."""
    await connection.execute(
        """
        UPDATE account_links SET used_at = now()
        WHERE user_id = $1 AND purpose = ANY ($2) AND used_at IS NULL AND ($3::uuid IS NULL OR id = $3)
        """,
        user_id,
        list(purposes),
        only,
    )


async def purge_links(connection: Connection, *, days: int, limit: int) -> int:
    """Forget links that expired so many days ago; how many went."""
    result = await connection.execute(
        """
        DELETE FROM account_links WHERE id IN (
            SELECT id FROM account_links WHERE expires_at < now() - make_interval(days => $1) LIMIT $2)
        """,
        days,
        limit,
    )
    return int(result.rpartition(" ")[2])


async def lock_user(connection: Connection, user_id: UserId) -> None:
    """Acts on one account go one after the other."""
    await connection.execute("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)


async def set_password(connection: Connection, user_id: UserId, new_hash: str) -> None:
    """Set the password's hash, whatever it was."""
    await connection.execute(
        "UPDATE users SET password_hash = $2, password_changed_at = now() WHERE id = $1", user_id, new_hash
    )


async def close(connection: Connection, user_id: UserId) -> None:
    """The account is closed."""
    await connection.execute("UPDATE users SET status = 'closed' WHERE id = $1", user_id)
