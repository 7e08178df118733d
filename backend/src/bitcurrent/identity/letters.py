"""Letters as events of the customer, where no room sends mail: nothing is lost, and nothing sent."""

from collections.abc import Mapping

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId


class LettersAsEvents:
    """Identity's `Letters`, written into the event log under `letter.<template>`, without secrets."""

    async def queue(
        self,
        connection: Connection,
        *,
        user_id: UserId,
        template: str,
        values: Mapping[str, str],
        to: str | None = None,
    ) -> None:
        """Note that a letter was due; a link's token stays out of the log."""
        payload = {name: value for name, value in values.items() if name != "token"}
        await append_event(connection, user_id=user_id, kind=f"letter.{template}", subject=None, payload=payload)
