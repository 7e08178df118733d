"""The SQL of limits."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from bitcurrent.compliance.limits.model import Rule, RuleRecord, Scope
from bitcurrent.compliance.products import Product
from bitcurrent.kernel.database import Connection

_RULE = "version, product, period, measure, level, asset, user_id, maximum, effective_from"
_RECORD = f"{_RULE}, created_at, reason, approval_id"


async def read_rules(
    connection: Connection, *, product: Product, level: str, asset: str, user_id: UUID, moment: datetime
) -> list[Rule]:
    """Every rule that fits a customer, in force by then; older versions of the same scope too."""
    rows = await connection.fetch(
        f"""
        SELECT {_RULE} FROM limit_rules
        WHERE product = $1 AND effective_from <= $2 AND (level IS NULL OR level = $3)
          AND (asset IS NULL OR asset = $4) AND (user_id IS NULL OR user_id = $5)
        """,
        product,
        moment,
        level,
        asset,
        user_id,
    )
    return [_rule(row) for row in rows]


async def list_rules(
    connection: Connection,
    *,
    product: Product | None,
    user_id: UUID | None,
    before: int | None,
    limit: int,
) -> list[RuleRecord]:
    """Rules, the newest version first."""
    rows = await connection.fetch(
        f"""
        SELECT {_RECORD} FROM limit_rules
        WHERE ($1::text IS NULL OR product = $1) AND ($2::uuid IS NULL OR user_id = $2)
          AND ($3::bigint IS NULL OR version < $3)
        ORDER BY version DESC LIMIT $4
        """,
        product,
        user_id,
        before,
        limit,
    )
    return [_record(row) for row in rows]


async def insert_rule(
    connection: Connection,
    *,
    scope: Scope,
    maximum: Decimal | None,
    effective_from: datetime,
    reason: str,
    approval_id: UUID | None,
) -> RuleRecord:
    """Add a rule: in force from the moment given, and not before now."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO limit_rules (product, period, measure, level, asset, user_id, maximum, effective_from, reason,
            approval_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, greatest($8, now()), $9, $10) RETURNING {_RECORD}
        """,
        scope.product,
        scope.period,
        scope.measure,
        scope.level,
        scope.asset,
        scope.user_id,
        maximum,
        effective_from,
        reason,
        approval_id,
    )
    assert row is not None  # INSERT gives its row or raises
    return _record(row)


async def user_exists(connection: Connection, user_id: UUID) -> bool:
    """Whether there is such a user."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM users WHERE id = $1)", user_id))


async def lock_usage(connection: Connection, *, user_id: UUID, product: Product) -> None:
    """Until the transaction ends nobody else weighs this customer's use of this product."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"limits\n{user_id}\n{product}")


def _rule(row: asyncpg.Record) -> Rule:
    return Rule(
        version=row["version"],
        scope=Scope(
            product=row["product"],
            period=row["period"],
            measure=row["measure"],
            level=row["level"],
            asset=row["asset"],
            user_id=row["user_id"],
        ),
        maximum=row["maximum"],
        effective_from=row["effective_from"],
    )


def _record(row: asyncpg.Record) -> RuleRecord:
    return RuleRecord(
        rule=_rule(row), created_at=row["created_at"], reason=row["reason"], approval_id=row["approval_id"]
    )
