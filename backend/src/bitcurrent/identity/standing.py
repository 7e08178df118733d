"""Who was recognised earlier and still may: one question for many, for connections that stay open for hours."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import SessionId
from bitcurrent.kernel.networks import Networks


@dataclass(frozen=True, slots=True)
class WorkingKeys:
    """API keys that may still read, with the networks that their owners name now."""

    networks: Mapping[str, Networks | None]

    def allows(self, key_id: str, address: str | None) -> bool:
        """Whether a connection from this address may go on with the key."""
        if key_id not in self.networks:
            return False
        bound = self.networks[key_id]
        return bound is None or (address is not None and bound.contains(address))


async def still_standing(
    connection: Connection, *, sessions: Collection[SessionId], keys: Collection[str]
) -> tuple[set[SessionId], WorkingKeys]:
    """Of these sessions and API keys (by key id), those that have neither ended, expired nor been revoked.

    Asks PostgreSQL, which is the truth: a revocation that Redis never heard of counts all the same.
    """
    standing: set[SessionId] = set()
    working: dict[str, Networks | None] = {}
    if sessions:
        rows = await connection.fetch(
            """
            SELECT s.id FROM user_sessions s JOIN users u ON u.id = s.user_id
            WHERE s.id = ANY ($1) AND s.revoked_at IS NULL AND s.expires_at > now() AND u.status <> 'closed'
            """,
            list(sessions),
        )
        standing = {SessionId(row["id"]) for row in rows}
    if keys:
        rows = await connection.fetch(
            """
            SELECT k.key_id, k.networks FROM api_keys k JOIN users u ON u.id = k.user_id
            WHERE k.key_id = ANY ($1) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
              AND u.status <> 'closed' AND 'read' = ANY (k.scopes)
            """,
            list(keys),
        )
        working = {row["key_id"]: None if row["networks"] is None else Networks.of(row["networks"]) for row in rows}
    return standing, WorkingKeys(working)
