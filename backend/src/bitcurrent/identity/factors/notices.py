"""Whoever's factors change is told, and the log remembers: one verb for both, in the transaction of the act."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


class Notices:
    """Writes acts on factors into the audit log, and letters about those that matter to the customer."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def note(
        self,
        connection: Connection,
        *,
        user_id: UserId,
        action: str,
        address: str | None,
        letter: Mapping[str, str] | None = None,
        actor_id: UUID | None = None,
        kind: ActorKind | None = None,
        reason: str | None = None,
        **details: object,
    ) -> None:
        """Record an act on a user's factors; with `letter` (its values) the user also gets the letter of that name.

        Without another `actor_id` or `kind` the user acts.
        """
        by_user = actor_id is None and kind is None
        await record(
            connection,
            actor_id=user_id if by_user else actor_id,
            actor_kind=kind,
            action=action,
            subject=f"user:{user_id}",
            address=address,
            reason=reason,
            details=details,
        )
        if letter is not None:
            values = {"when": when(now()), **letter}
            await self._letters.queue(connection, user_id=user_id, template=action.replace(".", "_"), values=values)


def when(moment: datetime) -> str:
    """A moment as letters name it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
