"""The SQL of withdrawals' terms: rows are added and never changed."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.withdrawals.model import RailName, Terms, TermsRecord
from bitcurrent.kernel.database import Connection

_TERMS = "version, rail, asset, minimum, maximum, fee, card_first_days, effective_from"
_RECORD = f"{_TERMS}, created_at, reason, approval_id"
ANNOUNCED_MAX = 1_000


async def read_terms(connection: Connection, rail: RailName, asset: str) -> Terms:
    """The terms in force now: the newest of the asset's own, else of the rail's."""
    row = await connection.fetchrow(
        f"""
        SELECT {_TERMS} FROM withdrawal_terms
        WHERE rail = $1 AND (asset IS NULL OR asset = $2) AND effective_from <= now()
        ORDER BY asset IS NULL, effective_from DESC, version DESC LIMIT 1
        """,
        rail,
        asset,
    )
    assert row is not None  # every rail came with terms, and none is ever removed
    return Terms(**dict(row))


async def list_announced(connection: Connection) -> list[Terms]:
    """What is in force for each rail and asset, and what was decided and is to come."""
    rows = await connection.fetch(
        f"""
        SELECT {_TERMS} FROM (
            SELECT DISTINCT ON (rail, asset) {_TERMS} FROM withdrawal_terms WHERE effective_from <= now()
            ORDER BY rail, asset, effective_from DESC, version DESC
        ) standing
        UNION ALL SELECT {_TERMS} FROM withdrawal_terms WHERE effective_from > now()
        ORDER BY rail, asset NULLS FIRST, effective_from, version LIMIT $1
        """,
        ANNOUNCED_MAX,
    )
    return [Terms(**dict(row)) for row in rows]


async def list_terms(
    connection: Connection, *, rail: RailName | None, before: int | None, limit: int
) -> Sequence[TermsRecord]:
    """Every version, the newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_RECORD} FROM withdrawal_terms
        WHERE ($1::text IS NULL OR rail = $1) AND ($2::bigint IS NULL OR version < $2) ORDER BY version DESC LIMIT $3
        """,
        rail,
        before,
        limit,
    )
    return [_record(row) for row in rows]


async def insert_terms(
    connection: Connection,
    *,
    rail: RailName,
    asset: str | None,
    minimum: Decimal,
    maximum: Decimal,
    fee: Decimal,
    card_first_days: int,
    effective_from: datetime,
    reason: str,
    approval_id: UUID,
) -> Terms:
    """Add a version: in force from the moment given, and not before now."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO withdrawal_terms (rail, asset, minimum, maximum, fee, card_first_days, effective_from, reason,
            approval_id)
        VALUES ($1, $2, $3, $4, $5, $6, greatest($7, now()), $8, $9) RETURNING {_TERMS}
        """,
        rail,
        asset,
        minimum,
        maximum,
        fee,
        card_first_days,
        effective_from,
        reason,
        approval_id,
    )
    assert row is not None  # INSERT gives its row or raises
    return Terms(**dict(row))


def _record(row: Any) -> TermsRecord:
    values = dict(row)
    beside = {name: values.pop(name) for name in ("created_at", "reason", "approval_id")}
    return TermsRecord(terms=Terms(**values), **beside)
