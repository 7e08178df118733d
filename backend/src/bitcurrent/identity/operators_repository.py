"""The SQL of operators: roles, and what ends when one changes."""

from collections.abc import Sequence
from uuid import UUID

from bitcurrent.identity.model import ERASED, Role
from bitcurrent.identity.operators_model import Operator
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import SessionId, UserId


async def list_operators(connection: Connection, vault: Vault, *, before: UUID | None, limit: int) -> list[Operator]:
    """Operators, newest account first."""
    rows = await connection.fetch(
        """
        SELECT u.id, u.created_at, u.data_key, u.email_encrypted, u.display_name_encrypted, u.role, u.status,
            u.is_customer,
            (SELECT max(s.last_seen_at) FROM user_sessions s WHERE s.user_id = u.id) AS last_seen_at
        FROM users u WHERE u.role <> 'customer' AND ($1::uuid IS NULL OR u.id < $1) ORDER BY u.id DESC LIMIT $2
        """,
        before,
        limit,
    )
    found = []
    for row in rows:
        email = name = ERASED
        if row["data_key"] is not None:
            opened = vault.open_record(row["data_key"], table="users", row=row["id"])
            email = opened.decrypt(row["email_encrypted"], column="email_encrypted").decode()
            name = opened.decrypt(row["display_name_encrypted"], column="display_name_encrypted").decode()
        found.append(
            Operator(
                id=UserId(row["id"]),
                created_at=row["created_at"],
                email=email,
                display_name=name,
                role=row["role"],
                status=row["status"],
                is_customer=row["is_customer"],
                last_seen_at=row["last_seen_at"],
            )
        )
    return found


async def read_role(connection: Connection, user_id: UserId) -> Role | None:
    """Somebody's role now."""
    found: Role | None = await connection.fetchval("SELECT role FROM users WHERE id = $1", user_id)
    return found


async def lock_admins(connection: Connection) -> list[UserId]:
    """Every admin who can log in, locked in order of id until the transaction ends."""
    rows = await connection.fetch(
        "SELECT id FROM users WHERE role = 'admin' AND status = 'active' ORDER BY id FOR NO KEY UPDATE"
    )
    return [UserId(row["id"]) for row in rows]


async def lock_role(connection: Connection, user_id: UserId) -> Role | None:
    """Somebody's role, locked until the transaction ends."""
    found: Role | None = await connection.fetchval("SELECT role FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
    return found


async def set_role(connection: Connection, user_id: UserId, role: Role) -> None:
    """Give somebody a role; whether they are a customer stays as it is."""
    await connection.execute("UPDATE users SET role = $2 WHERE id = $1", user_id, role)


async def end_everything(connection: Connection, user_id: UserId) -> tuple[Sequence[SessionId], Sequence[str]]:
    """End every session; sessions and working keys, whose cached copies are to be dropped. Keys go on working."""
    sessions = await connection.fetch(
        "UPDATE user_sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL RETURNING id", user_id
    )
    keys = await connection.fetch("SELECT key_id FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL", user_id)
    return [SessionId(row["id"]) for row in sessions], [row["key_id"] for row in keys]
