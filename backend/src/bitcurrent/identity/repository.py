"""Identity's SQL: users and sessions."""

from uuid import UUID

import asyncpg

from bitcurrent.identity.model import ERASED, Actor, Role, Session, User
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import SessionId, UserId

# Constants of this module, never somebody's input.
USER = "id, created_at, data_key, email_encrypted, display_name_encrypted, role, status, kyc_level"
_SESSION = "id, user_id, created_at, expires_at, last_seen_at, address, device"


async def insert_user(
    connection: Connection,
    vault: Vault,
    *,
    user_id: UserId,
    email: str,
    display_name: str,
    password_hash: str,
    role: Role,
) -> User | None:
    """The new user; None when the address is taken."""
    record = vault.new_record(table="users", row=user_id)
    row = await connection.fetchrow(
        f"""
        INSERT INTO users
            (id, data_key, email_index, email_encrypted, display_name_encrypted, password_hash, role, is_customer)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7 = 'customer')
        ON CONFLICT (email_index) DO NOTHING RETURNING {USER}
        """,
        user_id,
        record.wrapped,
        email_index(vault, email),
        record.encrypt_text(email, column="email_encrypted"),
        record.encrypt_text(display_name, column="display_name_encrypted"),
        password_hash,
        role,
    )
    return user_of(vault, row) if row else None


async def replace_email(connection: Connection, vault: Vault, user_id: UserId, email: str) -> bool:
    """Set another address; False when it is taken by somebody else. The user must exist and not be erased."""
    wrapped = await connection.fetchval("SELECT data_key FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
    record = vault.open_record(wrapped, table="users", row=user_id)
    try:
        async with connection.transaction():
            await connection.execute(
                "UPDATE users SET email_index = $2, email_encrypted = $3 WHERE id = $1",
                user_id,
                email_index(vault, email),
                record.encrypt_text(email, column="email_encrypted"),
            )
    except asyncpg.UniqueViolationError:
        return False
    return True


async def find_user(connection: Connection, vault: Vault, user_id: UserId) -> User | None:
    """A user by id."""
    row = await connection.fetchrow(f"SELECT {USER} FROM users WHERE id = $1", user_id)
    return user_of(vault, row) if row else None


async def find_login(connection: Connection, vault: Vault, email: str) -> tuple[User, str] | None:
    """A user by e-mail address, with the password's hash."""
    row = await connection.fetchrow(
        f"SELECT {USER}, password_hash FROM users WHERE email_index = $1",
        email_index(vault, email),
    )
    return (user_of(vault, row), row["password_hash"]) if row else None


async def password_hash(connection: Connection, user_id: UserId) -> str | None:
    """The hash that a user's password is checked against."""
    found: str | None = await connection.fetchval("SELECT password_hash FROM users WHERE id = $1", user_id)
    return found


async def replace_password(connection: Connection, user_id: UserId, *, old_hash: str, new_hash: str) -> bool:
    """Set the hash if it is still the old one; whether it was."""
    result = await connection.execute(
        """
        UPDATE users SET password_hash = $3, password_changed_at = now()
        WHERE id = $1 AND password_hash = $2
        """,
        user_id,
        old_hash,
        new_hash,
    )
    return result == "UPDATE 1"


async def insert_session(connection: Connection, session: Session) -> None:
    """A new session."""
    await connection.execute(
        f"INSERT INTO user_sessions ({_SESSION}) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        session.id,
        session.user_id,
        session.created_at,
        session.expires_at,
        session.last_seen_at,
        session.address,
        session.device,
    )


async def session_actor(connection: Connection, session_id: SessionId, user_id: UserId) -> Actor | None:
    """Whoever a live session belongs to; notes that it was seen, at most every few minutes."""
    row = await connection.fetchrow(
        """
        WITH seen AS (
            UPDATE user_sessions SET last_seen_at = now()
            WHERE id = $1 AND revoked_at IS NULL AND last_seen_at < now() - interval '5 minutes'
        )
        SELECT u.role, u.status, u.is_customer FROM user_sessions s JOIN users u ON u.id = s.user_id
        WHERE s.id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.status <> 'closed'
        """,
        session_id,
        user_id,
    )
    if row is None:
        return None
    return Actor(user_id, row["role"], row["status"], session_id=session_id, is_customer=row["is_customer"])


async def live_sessions(connection: Connection, user_id: UserId, *, before: UUID | None, limit: int) -> list[Session]:
    """A user's sessions that are not over, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_SESSION} FROM user_sessions
        WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now() AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,
        user_id,
        before,
        limit,
    )
    return [Session(*row) for row in rows]


async def revoke_sessions(
    connection: Connection, user_id: UserId, *, only: SessionId | None = None, sparing: SessionId | None = None
) -> list[SessionId]:
    """End a user's sessions: one, all, or all but one; returns those that were still open."""
    rows = await connection.fetch(
        """
        UPDATE user_sessions SET revoked_at = now()
        WHERE user_id = $1 AND revoked_at IS NULL
          AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR id <> $3)
        RETURNING id
        """,
        user_id,
        only,
        sparing,
    )
    return [SessionId(row["id"]) for row in rows]


def email_index(vault: Vault, email: str) -> bytes:
    """What a normalised address is looked up by."""
    return vault.blind_index(email, purpose="users.email")


def user_of(vault: Vault, row: asyncpg.Record) -> User:
    """A user out of a row."""
    if row["data_key"] is None:
        email = display_name = ERASED
    else:
        record = vault.open_record(row["data_key"], table="users", row=row["id"])
        email = record.decrypt(row["email_encrypted"], column="email_encrypted").decode()
        display_name = record.decrypt(row["display_name_encrypted"], column="display_name_encrypted").decode()
    return User(
        id=UserId(row["id"]),
        created_at=row["created_at"],
        email=email,
        display_name=display_name,
        role=row["role"],
        status=row["status"],
        kyc_level=row["kyc_level"],
    )
