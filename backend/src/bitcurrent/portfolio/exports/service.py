"""Exports' verbs for customers: ask for a list, look how far it is, fetch the file."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.portfolio.exports import repository
from bitcurrent.portfolio.exports.model import WAITING_MAX, Export, ExportNotReady, ExportsWaiting, Kind, NoSuchExport

BEGINNING: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Before any line of the books."""


class Exports:
    """Keeps the lists that customers asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(
        self,
        connection: Connection,
        user_id: UserId,
        *,
        kind: Kind,
        from_at: datetime | None,
        until_at: datetime | None,
    ) -> Export:
        """Ask for everything of a kind in [from_at, until_at); until now when nothing is said.

        Raises Invalid, ExportsWaiting.
        """
        moment = now()
        since, until = from_at or BEGINNING, min(until_at or moment, moment)
        if since >= until:
            raise Invalid("`from` lies before `until`, and before now.", field="from")
        await repository.lock_customer(connection, user_id)
        if await repository.count_waiting(connection, user_id) >= WAITING_MAX:
            raise ExportsWaiting
        return await repository.insert_export(connection, new_id(), user_id, kind, from_at=since, until_at=until)

    async def read(self, connection: Connection, user_id: UserId, export_id: UUID) -> Export:
        """One of a customer's exports as it is now; raises NoSuchExport."""
        found = await repository.find_export(connection, export_id, user_id)
        if found is None:
            raise NoSuchExport
        return found

    async def search(
        self, connection: Connection, user_id: UserId, *, before: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Export]:
        """A customer's exports, newest first."""
        return await repository.list_exports(connection, user_id, before=before, limit=limit)

    async def file(self, user_id: UserId, export_id: UUID) -> tuple[Export, AsyncIterator[bytes]]:
        """A file that is done, piece by piece; raises NoSuchExport, ExportNotReady."""
        async with self._database.read() as connection:
            export = await self.read(connection, user_id, export_id)
        if export.state != "done":
            raise ExportNotReady(export.state)
        return export, self._pieces(export.id)

    async def _pieces(self, export_id: UUID) -> AsyncIterator[bytes]:
        number, body = 0, b""
        # A connection for each piece: a slow reader keeps none.
        while number == 0 or body:
            async with self._database.read() as connection:
                body = await repository.read_piece(connection, export_id, number) or b""
            if body:
                yield body
            number += 1
