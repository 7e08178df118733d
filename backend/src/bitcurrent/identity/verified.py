"""Whose e-mail address is confirmed: the gate before trading, declared at the route.

PostgreSQL is asked once for each customer and process, as a confirmed account never becomes unconfirmed.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from bitcurrent.identity.guards import actor_of
from bitcurrent.identity.model import Actor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Forbidden
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.chain import stands_for

REMEMBERED_MAX = 100_000


class EmailUnverified(Forbidden):
    """The address has not been confirmed, so this account may look but not trade."""

    code = "email_unverified"
    title = "E-mail address not confirmed"

    def __init__(self) -> None:
        super().__init__(
            "Confirm your e-mail address first: the link is in your mail, and POST /api/email/verification sends "
            "another."
        )


class VerifiedEmails:
    """Remembers the confirmed ones of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[UserId] = set()

    async def require(self, actor: Actor) -> None:
        """Raise EmailUnverified unless the actor's address is confirmed. Costs a look into a set."""
        if actor.user_id in self._known:
            return
        async with self._database.read() as connection:
            verified = await is_verified(connection, actor.user_id)
        if not verified:
            raise EmailUnverified
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        self._known.add(actor.user_id)


async def requires_verified_email(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let in whoever has confirmed their address; others get 403 `email_unverified`."""
    verified: VerifiedEmails = connection.app.state["identity"].verified
    await verified.require(await actor_of(connection))


stands_for(requires_verified_email, "authentication", "a confirmed e-mail address")


async def mark_verified(connection: Connection, user_id: UserId) -> None:
    """The user's address is confirmed; again is no error."""
    await connection.execute(
        "INSERT INTO verified_emails (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING", user_id
    )


async def is_verified(connection: Connection, user_id: UserId) -> bool:
    """Whether the user's address is confirmed."""
    found = await connection.fetchval("SELECT EXISTS (SELECT FROM verified_emails WHERE user_id = $1)", user_id)
    return bool(found)
