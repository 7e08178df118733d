"""The SQL of screenings, dismissals and rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from bitcurrent.compliance.screening.model import (
    Occasion,
    Role,
    Rules,
    RulesVersion,
    Screening,
    ScreeningFilter,
    Source,
)
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

_TABLE: Final = "aml_screenings"
_OPEN: Final = (
    "id, user_id, occasion, role, subject, screened_at, lists, rules_version, risk_score, parts, outcome, case_id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScreening:
    """A screening before it is written down."""

    id: UUID
    user_id: UserId
    occasion: Occasion
    role: Role
    subject: str
    lists: Mapping[Source, str]
    rules_version: int
    risk_score: int
    parts: Mapping[str, int]
    outcome: str
    entry_ids: Sequence[UUID]
    inputs_index: bytes
    case_id: UUID | None
    inputs: Mapping[str, Any]
    evidence: Sequence[Mapping[str, Any]]


async def insert(connection: Connection, vault: Vault, new: NewScreening) -> Screening:
    """Write a screening down, what is personal encrypted."""
    record = vault.new_record(table=_TABLE, row=new.id)
    row = await connection.fetchrow(
        f"""
        INSERT INTO aml_screenings (id, user_id, occasion, role, subject, lists, rules_version, risk_score, parts,
            outcome, entry_ids, inputs_index, case_id, data_key, inputs, evidence)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING {_OPEN}
        """,
        new.id,
        new.user_id,
        new.occasion,
        new.role,
        new.subject,
        dict(new.lists),
        new.rules_version,
        new.risk_score,
        dict(new.parts),
        new.outcome,
        list(new.entry_ids),
        new.inputs_index,
        new.case_id,
        record.wrapped,
        record.encrypt(msgspec.json.encode(new.inputs), column="inputs"),
        record.encrypt(msgspec.json.encode(new.evidence), column="evidence"),
    )
    assert row is not None
    return Screening(**dict(row), inputs=new.inputs, evidence=new.evidence)


async def read(connection: Connection, vault: Vault, screening_id: UUID) -> Screening | None:
    """One screening with what it was about, in the open."""
    row = await connection.fetchrow(
        f"SELECT {_OPEN}, data_key, inputs, evidence FROM aml_screenings WHERE id = $1", screening_id
    )
    if row is None:
        return None
    values = dict(row)
    wrapped = values.pop("data_key")
    if wrapped is not None:
        record = vault.open_record(wrapped, table=_TABLE, row=screening_id)
        for column in ("inputs", "evidence"):
            values[column] = msgspec.json.decode(record.decrypt(values[column], column=column))
    return Screening(**values)


async def list_screenings(connection: Connection, which: ScreeningFilter) -> list[Screening]:
    """Screenings, newest first, without what is personal."""
    rows = await connection.fetch(
        f"""
        SELECT {_OPEN} FROM aml_screenings
        WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR outcome = $2)
          AND ($3::text IS NULL OR occasion = $3) AND ($4::int IS NULL OR risk_score >= $4)
          AND ($5::uuid IS NULL OR id < $5)
        ORDER BY id DESC LIMIT $6
        """,
        which.user_id,
        which.outcome,
        which.occasion,
        which.score_min,
        which.before,
        which.limit,
    )
    return [Screening(**dict(row)) for row in rows]


async def asked_since(connection: Connection, user_id: UserId, inputs_index: bytes, since: datetime) -> bool:
    """Whether just this was screened since a moment."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM aml_screenings WHERE user_id = $1 AND inputs_index = $2 AND screened_at >= $3)",
        user_id,
        inputs_index,
        since,
    )
    return found


async def cases_about(connection: Connection, user_id: UserId, role: Role, inputs_index: bytes) -> list[UUID]:
    """The cases of a customer that say whether this is a listed one, the newest hundred.

    A customer who is one stays one whatever they call themselves; a receiver is known by the name.
    """
    rows = await connection.fetch(
        """
        SELECT case_id FROM aml_screenings
        WHERE user_id = $1 AND case_id IS NOT NULL
          AND (role = 'customer' OR ($2 = 'beneficiary' AND inputs_index = $3))
        GROUP BY case_id ORDER BY max(id::text) DESC LIMIT 100
        """,
        user_id,
        role,
        inputs_index,
    )
    return [row["case_id"] for row in rows]


async def dismissed(connection: Connection, user_id: UserId, inputs_index: bytes) -> set[UUID]:
    """Whom two people have found this not to be."""
    rows = await connection.fetch(
        """
        SELECT entry_id FROM screening_dismissals
        WHERE user_id = $1 AND inputs_index = $2 AND revoked_at IS NULL
        """,
        user_id,
        inputs_index,
    )
    return {row["entry_id"] for row in rows}


async def dismiss_of_case(connection: Connection, case_id: UUID) -> int:
    """Remember that none of those whom a case's screenings brought up is meant; how many."""
    result = await connection.execute(
        """
        INSERT INTO screening_dismissals (user_id, entry_id, inputs_index, case_id)
        SELECT DISTINCT s.user_id, e.id, s.inputs_index, s.case_id
        FROM aml_screenings s CROSS JOIN unnest(s.entry_ids) AS e (id)
        WHERE s.case_id = $1 AND s.inputs_index IS NOT NULL
        ON CONFLICT (user_id, entry_id, inputs_index) WHERE revoked_at IS NULL DO NOTHING
        """,
        case_id,
    )
    return int(result.rpartition(" ")[2])


async def revoke_of_case(connection: Connection, case_id: UUID) -> None:
    """Take that back: the case is open again."""
    await connection.execute(
        "UPDATE screening_dismissals SET revoked_at = now() WHERE case_id = $1 AND revoked_at IS NULL", case_id
    )


async def erase(connection: Connection, user_id: UserId) -> None:
    """What is personal in this customer's screenings goes; that there were any, stays."""
    await connection.execute(
        """
        UPDATE aml_screenings SET data_key = NULL, inputs = NULL, evidence = NULL, inputs_index = NULL
        WHERE user_id = $1 AND data_key IS NOT NULL
        """,
        user_id,
    )
    await connection.execute(
        """
        UPDATE screening_dismissals SET inputs_index = '', revoked_at = coalesce(revoked_at, now())
        WHERE user_id = $1 AND inputs_index <> ''
        """,
        user_id,
    )


async def current_rules(connection: Connection) -> RulesVersion:
    """The newest rules that are in force."""
    row = await connection.fetchrow(
        """
        SELECT version, rules, effective_from FROM screening_rules WHERE effective_from <= now()
        ORDER BY version DESC LIMIT 1
        """
    )
    assert row is not None  # the first come with the schema
    return _rules(row)


async def insert_rules(connection: Connection, rules: Rules, *, reason: str, approval_id: UUID) -> RulesVersion:
    """A new version, from now on."""
    row = await connection.fetchrow(
        """
        INSERT INTO screening_rules (rules, reason, approval_id) VALUES ($1, $2, $3)
        RETURNING version, rules, effective_from
        """,
        msgspec.to_builtins(rules),
        reason,
        approval_id,
    )
    return _rules(row)


def _rules(row: Any) -> RulesVersion:
    rules = msgspec.convert(row["rules"], Rules)
    return RulesVersion(version=row["version"], rules=rules, effective_from=row["effective_from"])
