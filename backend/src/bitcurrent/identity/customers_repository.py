"""The SQL of looking customers up."""

from datetime import datetime
from uuid import UUID

from bitcurrent.identity.customers_model import CustomerFilter, KeptKey, KeptSession
from bitcurrent.identity.model import User
from bitcurrent.identity.repository import USER, email_index, user_of
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def search(connection: Connection, vault: Vault, which: CustomerFilter) -> list[User]:
    """Customers, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {USER} FROM users
        WHERE is_customer AND ($1::uuid[] IS NULL OR id = ANY ($1)) AND ($2::text IS NULL OR status = $2)
          AND ($3::text IS NULL OR kyc_level = $3) AND ($4::timestamptz IS NULL OR created_at >= $4)
          AND ($5::timestamptz IS NULL OR created_at < $5) AND ($6::uuid IS NULL OR id < $6)
        ORDER BY id DESC LIMIT $7
        """,
        None if which.ids is None else list(which.ids),
        which.status,
        which.kyc_level,
        which.since,
        which.until,
        which.before,
        which.limit,
    )
    return [user_of(vault, row) for row in rows]


async def find_by_email(connection: Connection, vault: Vault, email: str) -> UserId | None:
    """Whose address this is."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM users WHERE email_index = $1", email_index(vault, email)
    )
    return None if found is None else UserId(found)


async def sessions_of(connection: Connection, user_id: UserId, *, limit: int) -> list[KeptSession]:
    """The newest logins."""
    rows = await connection.fetch(
        """
        SELECT id, created_at, expires_at, revoked_at, last_seen_at, address, device FROM user_sessions
        WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2
        """,
        user_id,
        limit,
    )
    return [KeptSession(**dict(row)) for row in rows]


async def keys_of(connection: Connection, user_id: UserId, *, limit: int) -> list[KeptKey]:
    """The newest API keys."""
    rows = await connection.fetch(
        """
        SELECT key_id, label, scopes, created_at, expires_at, revoked_at, last_used_at FROM api_keys
        WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2
        """,
        user_id,
        limit,
    )
    return [KeptKey(**{**dict(row), "scopes": tuple(row["scopes"])}) for row in rows]


async def count_devices(connection: Connection, user_id: UserId) -> tuple[int, datetime | None]:
    """How many devices are known, and when the newest was first seen."""
    row = await connection.fetchrow(
        "SELECT count(*) AS number, max(first_seen_at) AS newest FROM known_devices WHERE user_id = $1", user_id
    )
    assert row is not None  # an aggregate always has its row
    return row["number"], row["newest"]
