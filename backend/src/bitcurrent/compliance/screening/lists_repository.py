"""The SQL of lists, their entries, and of comparing all customers anew."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from bitcurrent.compliance.screening.model import Entry, Listed, Rescreening, SanctionsList, Source
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

ROWS_AT_ONCE: Final = 2_000
ENTRIES_MAX: Final = 500_000
_LIST: Final = "id, source, sha256, files, entries, aliases, added, removed, imported_at, imported_by, replaced_at"
_RUN: Final = "id, list_id, asked_by, asked_at, last_user, screened, matched, finished_at"
_IMPORT_LOCK: Final = 0x6269_7463_0016


async def lock_imports(connection: Connection) -> None:
    """One import at a time; until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _IMPORT_LOCK)


async def in_force(connection: Connection) -> list[SanctionsList]:
    """The version of each list that counts, by source."""
    rows = await connection.fetch(f"SELECT {_LIST} FROM sanctions_lists WHERE replaced_at IS NULL ORDER BY source")
    return [SanctionsList(**dict(row)) for row in rows]


async def list_versions(connection: Connection, *, before: UUID | None, limit: int) -> list[SanctionsList]:
    """Every version that there was, newest first."""
    rows = await connection.fetch(
        f"SELECT {_LIST} FROM sanctions_lists WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2",
        before,
        limit,
    )
    return [SanctionsList(**dict(row)) for row in rows]


async def ids_in_force(connection: Connection) -> dict[Source, UUID]:
    """The versions in force, and nothing else of them."""
    rows = await connection.fetch("SELECT source, id FROM sanctions_lists WHERE replaced_at IS NULL")
    return {row["source"]: row["id"] for row in rows}


async def entries_in_force(connection: Connection) -> list[Entry]:
    """Everybody who is on a list."""
    rows = await connection.fetch(
        "SELECT id, source, content FROM sanctions_entries WHERE removed_by IS NULL LIMIT $1", ENTRIES_MAX
    )
    return [_entry(row["id"], row["source"], row["content"]) for row in rows]


async def entries_added_by(connection: Connection, list_id: UUID) -> list[Entry]:
    """Whom a version of a list added or changed, as far as that still stands."""
    rows = await connection.fetch(
        "SELECT id, source, content FROM sanctions_entries WHERE added_by = $1 AND removed_by IS NULL LIMIT $2",
        list_id,
        ENTRIES_MAX,
    )
    return [_entry(row["id"], row["source"], row["content"]) for row in rows]


def _entry(entry_id: UUID, source: Source, content: object) -> Entry:
    return Entry(id=entry_id, source=source, listed=msgspec.convert(content, Listed))


async def hashes_in_force(connection: Connection, source: Source) -> dict[str, tuple[UUID, bytes]]:
    """What stands of one list: key to entry and hash of its content."""
    rows = await connection.fetch(
        "SELECT key, id, hash FROM sanctions_entries WHERE source = $1 AND removed_by IS NULL", source
    )
    return {row["key"]: (row["id"], row["hash"]) for row in rows}


async def insert_list(connection: Connection, new: SanctionsList) -> None:
    """A new version in force instead of the one before."""
    await connection.execute(
        "UPDATE sanctions_lists SET replaced_at = now() WHERE source = $1 AND replaced_at IS NULL", new.source
    )
    await connection.execute(
        """
        INSERT INTO sanctions_lists (id, source, sha256, files, entries, aliases, added, removed, imported_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        new.id,
        new.source,
        new.sha256,
        dict(new.files),
        new.entries,
        new.aliases,
        new.added,
        new.removed,
        new.imported_by,
    )


async def add_entries(
    connection: Connection, source: Source, list_id: UUID, new: Sequence[tuple[bytes, Listed]]
) -> None:
    """Entries with their hashes, some thousands at a time."""
    for start in range(0, len(new), ROWS_AT_ONCE):
        rows = [
            (new_id(), source, listed.key, digest, msgspec.to_builtins(listed), list_id)
            for digest, listed in new[start : start + ROWS_AT_ONCE]
        ]
        await connection.executemany(
            """
            INSERT INTO sanctions_entries (id, source, key, hash, content, added_by) VALUES ($1, $2, $3, $4, $5, $6)
            """,
            rows,
        )


async def end_entries(connection: Connection, list_id: UUID, ended: Sequence[UUID]) -> None:
    """Entries that the new version does not have, or has otherwise."""
    for start in range(0, len(ended), ROWS_AT_ONCE):
        await connection.execute(
            "UPDATE sanctions_entries SET removed_by = $1 WHERE id = ANY ($2)",
            list_id,
            list(ended[start : start + ROWS_AT_ONCE]),
        )


# ---- all customers anew


async def ask_rescreening(
    connection: Connection, *, list_id: UUID | None, asked_by: UserId | None
) -> Rescreening | None:
    """Begin to compare everybody; None while the same runs already."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO rescreenings (id, list_id, asked_by) VALUES ($1, $2, $3)
        ON CONFLICT (list_id) WHERE finished_at IS NULL DO NOTHING RETURNING {_RUN}
        """,
        new_id(),
        list_id,
        asked_by,
    )
    return Rescreening(**dict(row)) if row else None


async def lock_next(connection: Connection) -> Rescreening | None:
    """The oldest that is not finished, unless somebody works on it."""
    row = await connection.fetchrow(
        f"SELECT {_RUN} FROM rescreenings WHERE finished_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    return Rescreening(**dict(row)) if row else None


async def advance(
    connection: Connection, run: Rescreening, *, last_user: UUID | None, screened: int, matched: int, finished: bool
) -> None:
    """Write down how far it is."""
    await connection.execute(
        """
        UPDATE rescreenings SET last_user = coalesce($2, last_user), screened = screened + $3, matched = matched + $4,
            finished_at = CASE WHEN $5 THEN now() END
        WHERE id = $1
        """,
        run.id,
        last_user,
        screened,
        matched,
        finished,
    )


async def list_rescreenings(connection: Connection, *, before: UUID | None, limit: int) -> list[Rescreening]:
    """Rescreenings, newest first."""
    rows = await connection.fetch(
        f"SELECT {_RUN} FROM rescreenings WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2",
        before,
        limit,
    )
    return [Rescreening(**dict(row)) for row in rows]


async def read_cursor(connection: Connection, name: str) -> datetime | None:
    """How far something was read."""
    found: datetime | None = await connection.fetchval("SELECT moment FROM screening_cursors WHERE name = $1", name)
    return found


async def save_cursor(connection: Connection, name: str, moment: datetime) -> None:
    """Write down how far something was read."""
    await connection.execute(
        """
        INSERT INTO screening_cursors (name, moment) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET moment = excluded.moment
        """,
        name,
        moment,
    )


async def gauges(connection: Connection) -> Mapping[str, int]:
    """Ages and counts for metrics; an age of -1 says that there is none."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT coalesce(extract(epoch FROM now() - min(imported_at)), -1)::bigint
                FROM sanctions_lists WHERE replaced_at IS NULL) AS list_age,
               (SELECT count(*) FROM rescreenings WHERE finished_at IS NULL) AS running
        """
    )
    assert row is not None
    return dict(row)
