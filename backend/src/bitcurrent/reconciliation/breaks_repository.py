"""The SQL of breaks."""

from collections.abc import Sequence
from dataclasses import fields
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.reconciliation.model import Break, BreakFilter, BreakKind, BreakState, Finding, Party

# Names of our own fields, never somebody's input.
_BREAK = ", ".join(field.name for field in fields(Break))
_ACTIVE = "state IN ('suspected', 'open', 'assigned')"
_UNRESOLVED = "state IN ('open', 'assigned')"


async def lock_active(connection: Connection) -> dict[str, Break]:
    """Every break that is not over, by subject, locked in order."""
    # nosemgrep: formatted-sql  constant columns
    rows = await connection.fetch(f"SELECT {_BREAK} FROM reconciliation_breaks WHERE {_ACTIVE} ORDER BY id FOR UPDATE")
    return {row["subject"]: _break(row) for row in rows}


async def resolved_subjects(connection: Connection, subjects: Sequence[str]) -> set[str]:
    """Those of these subjects that a person has resolved once."""
    rows = await connection.fetch(
        "SELECT DISTINCT subject FROM reconciliation_breaks WHERE subject = ANY ($1::text[]) AND state = 'resolved'",
        list(subjects),
    )
    return {row["subject"] for row in rows}


async def resolving_journals(connection: Connection, subjects: Sequence[str]) -> dict[str, str]:
    """The journals by which people resolved breaks about these subjects."""
    rows = await connection.fetch(
        "SELECT subject, journal_reference FROM reconciliation_breaks WHERE subject = ANY ($1::text[]) "
        "AND journal_reference IS NOT NULL",
        list(subjects),
    )
    return {row["subject"]: row["journal_reference"] for row in rows}


async def insert_break(connection: Connection, break_id: UUID, finding: Finding, state: BreakState) -> Break:
    """A finding that was not there before."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO reconciliation_breaks (id, kind, subject, party, asset, account, expected, found, text, state,
            opened_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $10 = 'open' THEN clock_timestamp() END)
        RETURNING {_BREAK}
        """,
        break_id,
        finding.kind.value,
        finding.subject,
        finding.party.value,
        finding.asset,
        finding.account,
        finding.expected,
        finding.found,
        finding.text,
        state.value,
    )
    return _break(row)


async def see_again(connection: Connection, break_id: UUID, finding: Finding, state: BreakState) -> Break:
    """It is there at another look."""
    row = await connection.fetchrow(
        f"""
        UPDATE reconciliation_breaks SET looks = looks + 1, last_seen = clock_timestamp(), gone_since = NULL,
            expected = $2, found = $3, text = $4, state = $5,
            opened_at = CASE WHEN $5 = 'suspected' THEN NULL ELSE coalesce(opened_at, clock_timestamp()) END
        WHERE id = $1 RETURNING {_BREAK}
        """,
        break_id,
        finding.expected,
        finding.found,
        finding.text,
        state.value,
    )
    return _break(row)


async def mark_gone(connection: Connection, ids: Sequence[UUID]) -> None:
    """They are not there any more: a suspicion ends with that, an open break waits for a person to say why."""
    await connection.execute(
        """
        UPDATE reconciliation_breaks SET gone_since = coalesce(gone_since, clock_timestamp()),
            state = CASE state WHEN 'suspected' THEN 'cleared' ELSE state END
        WHERE id = ANY ($1::uuid[])
        """,
        list(ids),
    )


async def read_break(connection: Connection, break_id: UUID, *, lock: bool = False) -> Break | None:
    """One break, locked if asked for."""
    ending = "FOR UPDATE" if lock else ""
    # nosemgrep: formatted-sql  constant columns
    row = await connection.fetchrow(f"SELECT {_BREAK} FROM reconciliation_breaks WHERE id = $1 {ending}", break_id)
    return _break(row) if row else None


async def list_breaks(connection: Connection, which: BreakFilter) -> list[Break]:
    """Breaks that were really opened, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_BREAK} FROM reconciliation_breaks
        WHERE ($1::text IS NULL AND state NOT IN ('suspected', 'cleared') OR state = $1)
          AND ($2::text IS NULL OR party = $2) AND ($3::text IS NULL OR asset = $3)
          AND ($4::uuid IS NULL OR owner = $4)
          AND ($5::integer IS NULL OR first_seen <= clock_timestamp() - make_interval(secs => $5))
          AND ($6::uuid IS NULL OR id < $6)
        ORDER BY id DESC LIMIT $7
        """,
        which.state.value if which.state else None,
        which.party.value if which.party else None,
        which.asset,
        which.owner,
        which.older_than_seconds,
        which.before,
        which.limit,
    )
    return [_break(row) for row in rows]


async def assign(connection: Connection, break_id: UUID, owner: UserId) -> Break:
    """Somebody looks after it now; the break must be locked."""
    row = await connection.fetchrow(
        f"""
        UPDATE reconciliation_breaks SET state = 'assigned', owner = $2, assigned_at = clock_timestamp()
        WHERE id = $1 RETURNING {_BREAK}
        """,
        break_id,
        owner,
    )
    return _break(row)


async def resolve(
    connection: Connection, break_id: UUID, *, resolved_by: UserId, note: str, journal_reference: str | None
) -> Break:
    """It is over, and why; the break must be locked."""
    row = await connection.fetchrow(
        f"""
        UPDATE reconciliation_breaks SET state = 'resolved', resolved_by = $2, resolved_at = clock_timestamp(),
            note = $3, journal_reference = $4
        WHERE id = $1 RETURNING {_BREAK}
        """,
        break_id,
        resolved_by,
        note,
        journal_reference,
    )
    return _break(row)


async def count_unresolved(connection: Connection) -> tuple[int, int]:
    """How many breaks are open, and the age of the oldest in seconds."""
    row = await connection.fetchrow(
        f"""
        SELECT count(*) AS open,
            coalesce(extract(epoch FROM clock_timestamp() - min(first_seen))::bigint, 0) AS oldest
        FROM reconciliation_breaks WHERE {_UNRESOLVED}
        """
    )
    assert row is not None
    return int(row["open"]), int(row["oldest"])


def _break(row: object) -> Break:
    values = dict(row)  # type: ignore[call-overload]  # an asyncpg record is a mapping, its stubs do not say so here
    return Break(
        **{
            **values,
            "kind": BreakKind(values["kind"]),
            "party": Party(values["party"]),
            "state": BreakState(values["state"]),
        }
    )
