"""What rooms give of one customer's data for an export, and how they forget it.

A room that keeps something about customers offers `export(connection, user_id)` and, if it keeps personal data in
tables of its own, `erase(connection, user_id)`; wiring hands them to privacy, which knows none of those rooms.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import plain

PREFETCH_ROWS = 500


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an export: its name, and its rows, whose values JSON can hold; amounts are exact strings."""

    name: str
    rows: AsyncIterator[Mapping[str, object]]


Export = Callable[[Connection, UserId], Iterable[Part]]
"""Gives a room's parts. Their rows are read one part after the other, in one transaction."""
Erase = Callable[[Connection, UserId], Awaitable[None]]
"""Forgets, in the open transaction, what the law does not want kept; doing it again changes nothing."""


async def rows_of(connection: Connection, query: str, *arguments: object) -> AsyncIterator[Mapping[str, object]]:
    """The rows of a query through a cursor, some hundreds at a time: an export may be longer than memory."""
    async for row in connection.cursor(query, *arguments, prefetch=PREFETCH_ROWS):
        yield {name: shown(value) for name, value in row.items()}


def shown(value: object) -> object:
    """A value as an export shows it: amounts as people write them, ids as text."""
    if isinstance(value, Decimal):
        return plain(value)
    return str(value) if isinstance(value, UUID) else value
