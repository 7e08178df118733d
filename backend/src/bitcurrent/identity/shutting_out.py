"""Ending everything that somebody is recognised by, for rooms above that take the right to log in."""

from bitcurrent.identity import keys_repository, repository
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import SessionId, UserId


async def shut_out(connection: Connection, user_id: UserId) -> tuple[list[SessionId], list[str]]:
    """End all sessions and revoke all API keys, in the open transaction; pass both to `announce` after its commit."""
    sessions = await repository.revoke_sessions(connection, user_id)
    return sessions, await keys_repository.revoke_all(connection, user_id)
