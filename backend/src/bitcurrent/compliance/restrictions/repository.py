"""The SQL of restrictions."""

from dataclasses import fields
from typing import Final
from uuid import UUID

from bitcurrent.compliance.restrictions.model import Restriction, RestrictionFilter, Scope
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

# Names of our own fields, never somebody's input.
_RESTRICTION: Final = ", ".join(field.name for field in fields(Restriction))


async def find_standing(connection: Connection, user_id: UserId, scope: Scope) -> Restriction | None:
    """The oldest one that stands for this customer and scope."""
    row = await connection.fetchrow(
        f"""
        SELECT {_RESTRICTION} FROM restrictions
        WHERE user_id = $1 AND scope = $2 AND ended_at IS NULL ORDER BY started_at, id LIMIT 1
        """,
        user_id,
        scope,
    )
    return Restriction(**dict(row)) if row else None


async def insert(
    connection: Connection,
    *,
    restriction_id: UUID,
    user_id: UserId,
    scope: Scope,
    code: str,
    words: str,
    reason: str,
    case_id: UUID | None,
    started_by: UserId | None,
) -> tuple[Restriction, bool]:
    """A new one and True; or the one that stands for the same cause already, and False."""
    while True:
        row = await connection.fetchrow(
            f"""
            INSERT INTO restrictions (id, user_id, scope, code, words, reason, case_id, started_by)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (user_id, scope, code) WHERE ended_at IS NULL DO NOTHING RETURNING {_RESTRICTION}
            """,
            restriction_id,
            user_id,
            scope,
            code,
            words,
            reason,
            case_id,
            started_by,
        )
        if row is not None:
            return Restriction(**dict(row)), True
        row = await connection.fetchrow(
            f"""
            SELECT {_RESTRICTION} FROM restrictions
            WHERE user_id = $1 AND scope = $2 AND code = $3 AND ended_at IS NULL
            """,
            user_id,
            scope,
            code,
        )
        if row is not None:  # else it ended between the two statements: the next round makes a new one
            return Restriction(**dict(row)), False


async def read(connection: Connection, restriction_id: UUID, *, lock: bool = False) -> Restriction | None:
    """One restriction, locked if asked for."""
    ending = "FOR UPDATE" if lock else ""
    # nosemgrep: formatted-sql  words of this module, nobody's input
    row = await connection.fetchrow(f"SELECT {_RESTRICTION} FROM restrictions WHERE id = $1 {ending}", restriction_id)
    return Restriction(**dict(row)) if row else None


async def end(connection: Connection, restriction_id: UUID, *, ended_by: UserId | None, reason: str) -> Restriction:
    """Write down that it has ended; it must be locked and stand."""
    row = await connection.fetchrow(
        f"""
        UPDATE restrictions SET ended_at = now(), ended_by = $2, end_reason = $3
        WHERE id = $1 AND ended_at IS NULL RETURNING {_RESTRICTION}
        """,
        restriction_id,
        ended_by,
        reason,
    )
    assert row is not None  # the caller has locked it and seen that it stands
    return Restriction(**dict(row))


async def search(connection: Connection, which: RestrictionFilter) -> list[Restriction]:
    """Restrictions, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_RESTRICTION} FROM restrictions
        WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR scope = $2)
          AND ($3::boolean IS NULL OR (ended_at IS NULL) = $3) AND ($4::text IS NULL OR code = $4)
          AND ($5::uuid IS NULL OR case_id = $5) AND ($6::uuid IS NULL OR id < $6)
        ORDER BY id DESC LIMIT $7
        """,
        which.user_id,
        which.scope,
        which.standing,
        which.code,
        which.case_id,
        which.before,
        which.limit,
    )
    return [Restriction(**dict(row)) for row in rows]
