"""The SQL of cases."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

import msgspec

from bitcurrent.compliance.cases.model import Case, CaseEntry, CaseFilter, CaseKind, CaseOutcome, EntryKind, Priority
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

# Names of our own fields, never somebody's input.
_CASE: Final = ", ".join(field.name for field in fields(Case))
_ENTRIES: Final = "case_entries"
HISTORY_MAX: Final = 1_000


async def insert_case(
    connection: Connection,
    *,
    case_id: UUID,
    kind: CaseKind,
    user_id: UserId | None,
    subject: str,
    summary: str,
    priority: Priority,
    dedupe_key: str,
) -> tuple[Case, bool]:
    """A new case and True; or the standing one of that kind and key, locked, and False."""
    while True:
        row = await connection.fetchrow(
            f"""
            INSERT INTO cases (id, kind, user_id, subject, summary, priority, dedupe_key)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (kind, dedupe_key) WHERE state <> 'closed' DO NOTHING RETURNING {_CASE}
            """,
            case_id,
            kind,
            user_id,
            subject,
            summary,
            priority,
            dedupe_key,
        )
        if row is not None:
            return Case(**dict(row)), True
        row = await connection.fetchrow(
            f"SELECT {_CASE} FROM cases WHERE kind = $1 AND dedupe_key = $2 AND state <> 'closed' FOR UPDATE",
            kind,
            dedupe_key,
        )
        if row is not None:  # else it was closed between the two statements: the next round opens a new one
            return Case(**dict(row)), False


async def read_case(connection: Connection, case_id: UUID, *, lock: bool = False) -> Case | None:
    """One case, locked if asked for."""
    ending = "FOR UPDATE" if lock else ""
    # nosemgrep: formatted-sql  words of this module, nobody's input
    row = await connection.fetchrow(f"SELECT {_CASE} FROM cases WHERE id = $1 {ending}", case_id)
    return Case(**dict(row)) if row else None


async def list_cases(connection: Connection, which: CaseFilter) -> list[Case]:
    """Cases, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_CASE} FROM cases
        WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR state = $2)
          AND ($3::text IS NULL OR priority = $3) AND ($4::uuid IS NULL OR user_id = $4)
          AND ($5::uuid IS NULL OR owner = $5) AND ($6::text IS NULL OR subject = $6)
          AND ($7::uuid IS NULL OR id < $7)
        ORDER BY id DESC LIMIT $8
        """,
        which.kind,
        which.state,
        which.priority,
        which.user_id,
        which.owner,
        which.subject,
        which.before,
        which.limit,
    )
    return [Case(**dict(row)) for row in rows]


async def find_standing(connection: Connection, kind: CaseKind, dedupe_key: str) -> Case | None:
    """The case of this kind and key that is not closed."""
    row = await connection.fetchrow(
        f"SELECT {_CASE} FROM cases WHERE kind = $1 AND dedupe_key = $2 AND state <> 'closed'", kind, dedupe_key
    )
    return Case(**dict(row)) if row else None


async def find_closed(connection: Connection, case_ids: Sequence[UUID], *, cleared: bool) -> UUID | None:
    """The newest of these that two people have closed: as nothing, or as what it looked like."""
    found: UUID | None = await connection.fetchval(
        """
        SELECT id FROM cases WHERE id = ANY ($1) AND state = 'closed' AND (outcome = 'cleared') = $2
        ORDER BY id DESC LIMIT 1
        """,
        list(case_ids),
        cleared,
    )
    return found


async def count_standing(connection: Connection) -> dict[str, int]:
    """How many cases are not closed, by kind."""
    rows = await connection.fetch("SELECT kind, count(*) AS cases FROM cases WHERE state <> 'closed' GROUP BY kind")
    return {row["kind"]: row["cases"] for row in rows}


async def set_owner(connection: Connection, case_id: UUID, owner: UserId) -> Case:
    """Somebody looks after it now; the case must be locked."""
    return await _change(connection, "owner = $2", case_id, owner)


async def set_priority(connection: Connection, case_id: UUID, priority: Priority) -> Case:
    """How soon it wants to be looked at; the case must be locked."""
    return await _change(connection, "priority = $2", case_id, priority)


async def mark_proposed(connection: Connection, case_id: UUID, by: UserId, outcome: CaseOutcome) -> Case:
    """An outcome waits for the second person; the case must be locked."""
    return await _change(
        connection,
        "state = 'proposed', proposed_by = $2, proposed_at = clock_timestamp(), proposed_outcome = $3",
        case_id,
        by,
        outcome,
    )


async def mark_closed(connection: Connection, case_id: UUID, by: UserId) -> Case:
    """It ends as was proposed; the case must be locked."""
    return await _change(
        connection,
        "state = 'closed', closed_by = $2, closed_at = clock_timestamp(), outcome = proposed_outcome",
        case_id,
        by,
    )


async def mark_open(connection: Connection, case_id: UUID, *, reopened: bool) -> Case:
    """To be looked into (again); the case must be locked."""
    moment = ", reopened_at = clock_timestamp()" if reopened else ""
    return await _change(
        connection,
        "state = 'open', proposed_by = NULL, proposed_at = NULL, proposed_outcome = NULL, closed_by = NULL,"
        f" closed_at = NULL, outcome = NULL{moment}",
        case_id,
    )


async def _change(connection: Connection, change: str, case_id: UUID, *values: object) -> Case:
    row = await connection.fetchrow(
        # nosemgrep: formatted-sql  the change is one of this module's own
        f"UPDATE cases SET {change} WHERE id = $1 RETURNING {_CASE}",
        case_id,
        *values,
    )
    assert row is not None  # locked before
    return Case(**dict(row))


async def add_entry(
    connection: Connection,
    vault: Vault,
    case_id: UUID,
    kind: EntryKind,
    *,
    author: UserId | None,
    text: str | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """One more line of a case's history, encrypted."""
    entry_id = new_id()
    record = vault.new_record(table=_ENTRIES, row=entry_id)
    proof = None if evidence is None else record.encrypt(msgspec.json.encode(evidence), column="evidence")
    await connection.execute(
        """
        INSERT INTO case_entries (id, case_id, kind, author, data_key, text, evidence)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        entry_id,
        case_id,
        kind,
        author,
        record.wrapped,
        record.encrypt_text(text, column="text"),
        proof,
    )


async def read_entries(connection: Connection, vault: Vault, case_id: UUID) -> list[CaseEntry]:
    """A case's history, oldest first; the newest thousand lines."""
    rows = await connection.fetch(
        """
        SELECT * FROM (
            SELECT id, case_id, at, kind, author, data_key, text, evidence FROM case_entries
            WHERE case_id = $1 ORDER BY at DESC, id DESC LIMIT $2) AS newest
        ORDER BY at, id
        """,
        case_id,
        HISTORY_MAX,
    )
    return [_entry(vault, dict(row)) for row in rows]


def _entry(vault: Vault, row: dict[str, Any]) -> CaseEntry:
    text, evidence = None, None
    if row["data_key"] is not None:
        record = vault.open_record(row["data_key"], table=_ENTRIES, row=row["id"])
        text = record.decrypt_text(row["text"], column="text")
        if row["evidence"] is not None:
            evidence = msgspec.json.decode(record.decrypt(row["evidence"], column="evidence"))
    return CaseEntry(
        id=row["id"],
        case_id=row["case_id"],
        at=row["at"],
        kind=row["kind"],
        author=row["author"],
        text=text,
        evidence=evidence,
    )


async def erase_entries(connection: Connection, user_id: UserId) -> None:
    """Nobody reads again what was written about this customer."""
    await connection.execute(
        """
        UPDATE case_entries SET data_key = NULL, text = NULL, evidence = NULL
        WHERE data_key IS NOT NULL AND case_id IN (SELECT id FROM cases WHERE user_id = $1)
        """,
        user_id,
    )
