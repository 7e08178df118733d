"""Writing to the log of acts, always in the transaction of the act itself."""

from collections.abc import Mapping
from uuid import UUID

from bitcurrent.kernel.database import Connection

ADDRESS_LENGTH_MAX = 64


async def record(
    connection: Connection,
    *,
    actor_id: UUID | None,
    action: str,
    subject: str,
    address: str | None = None,
    details: Mapping[str, str] | None = None,
) -> None:
    """Remember who did what to what, and from where.

    `action` reads like "session.opened", `subject` like "user:<id>"; `details` may hold nothing secret.
    """
    await connection.execute(
        "INSERT INTO audit_logs (actor_id, action, subject, address, details) VALUES ($1, $2, $3, $4, $5)",
        actor_id,
        action,
        subject,
        address[:ADDRESS_LENGTH_MAX] if address else None,
        dict(details or {}),
    )
