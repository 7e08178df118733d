"""The SQL of the circuit breaker's rules."""

from dataclasses import fields
from typing import Final
from uuid import UUID

from bitcurrent.compliance.breakers.model import Kind, Rule, RuleRecord
from bitcurrent.kernel.database import Connection

# Names of our own fields, never somebody's input.
_RULE: Final = ", ".join(field.name for field in fields(Rule))
RULES_MAX: Final = 1_000


async def read_rules(connection: Connection) -> list[Rule]:
    """The newest rule of each kind and asset."""
    rows = await connection.fetch(
        f"SELECT DISTINCT ON (kind, asset) {_RULE} FROM breaker_rules ORDER BY kind, asset, version DESC LIMIT $1",
        RULES_MAX,
    )
    return [Rule(**dict(row)) for row in rows]


async def list_rules(
    connection: Connection, *, kind: Kind | None, asset: str | None, before: int | None, limit: int
) -> list[RuleRecord]:
    """Every rule that there ever was (of a kind, of an asset), the newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_RULE}, created_at, reason, approval_id, NOT EXISTS (
            SELECT FROM breaker_rules AS later
            WHERE later.kind = rules.kind AND later.asset IS NOT DISTINCT FROM rules.asset
                AND later.version > rules.version
        ) AS newest
        FROM breaker_rules AS rules
        WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR asset = $2)
            AND ($3::bigint IS NULL OR version < $3)
        ORDER BY version DESC LIMIT $4
        """,
        kind,
        asset,
        before,
        limit,
    )
    return [
        RuleRecord(
            rule=Rule(**{field.name: row[field.name] for field in fields(Rule)}),
            newest=row["newest"],
            created_at=row["created_at"],
            reason=row["reason"],
            approval_id=row["approval_id"],
        )
        for row in rows
    ]


async def insert_rule(connection: Connection, rule: Rule, *, reason: str, approval_id: UUID | None) -> Rule:
    """Add a rule; its version is what the database says, not what it carries."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO breaker_rules (kind, asset, stops, percent, within_seconds, calm_seconds, resume, reason,
            approval_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_RULE}
        """,
        rule.kind,
        rule.asset,
        rule.stops,
        rule.percent,
        rule.within_seconds,
        rule.calm_seconds,
        rule.resume,
        reason,
        approval_id,
    )
    assert row is not None  # INSERT gives its row or raises
    return Rule(**dict(row))
