"""The SQL of alerts."""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Final
from uuid import UUID

from bitcurrent.compliance.monitoring.model import Alert, AlertFilter, AlertState, RuleName
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

# Names of our own fields, never somebody's input.
_ALERT: Final = ", ".join(field.name for field in fields(Alert))


async def insert(connection: Connection, alert: Alert) -> None:
    """A new alert."""
    await connection.execute(
        """
        INSERT INTO monitoring_alerts (id, rule, rule_version, user_id, position, at, score, parts, words, state, held,
            case_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        alert.id,
        alert.rule,
        alert.rule_version,
        alert.user_id,
        alert.position,
        alert.at,
        alert.score,
        dict(alert.parts),
        alert.words,
        alert.state,
        alert.held,
        alert.case_id,
    )


async def newest(connection: Connection, users: Collection[UserId]) -> dict[tuple[RuleName, UserId], datetime]:
    """When each rule spoke last of each of these customers."""
    rows = await connection.fetch(
        "SELECT rule, user_id, max(at) AS at FROM monitoring_alerts WHERE user_id = ANY ($1) GROUP BY rule, user_id",
        list(users),
    )
    return {(row["rule"], row["user_id"]): row["at"] for row in rows}


async def read(connection: Connection, alert_id: UUID, *, lock: bool = False) -> Alert | None:
    """One alert, locked if asked for."""
    ending = "FOR UPDATE" if lock else ""
    # nosemgrep: formatted-sql  words of this module, nobody's input
    row = await connection.fetchrow(f"SELECT {_ALERT} FROM monitoring_alerts WHERE id = $1 {ending}", alert_id)
    return Alert(**dict(row)) if row else None


async def search(connection: Connection, which: AlertFilter) -> list[Alert]:
    """Alerts, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_ALERT} FROM monitoring_alerts
        WHERE ($1::text IS NULL OR rule = $1) AND ($2::text IS NULL OR state = $2)
          AND ($3::uuid IS NULL OR user_id = $3) AND ($4::uuid IS NULL OR case_id = $4)
          AND ($5::uuid IS NULL OR id < $5)
        ORDER BY id DESC LIMIT $6
        """,
        which.rule,
        which.state,
        which.user_id,
        which.case_id,
        which.before,
        which.limit,
    )
    return [Alert(**dict(row)) for row in rows]


async def spoken_of(connection: Connection, rule: RuleName, positions: Collection[int]) -> set[int]:
    """Of these transactions, those about which the rule raised an alert."""
    rows = await connection.fetch(
        "SELECT position FROM monitoring_alerts WHERE rule = $1 AND position = ANY ($2)", rule, list(positions)
    )
    return {row["position"] for row in rows}


async def count_between(connection: Connection, rule: RuleName, since: datetime, until: datetime) -> int:
    """How many alerts a rule raised about what happened between two moments."""
    found = await connection.fetchval(
        "SELECT count(*) FROM monitoring_alerts WHERE rule = $1 AND at >= $2 AND at < $3", rule, since, until
    )
    return int(found)


async def of_case(connection: Connection, case_id: UUID) -> list[Alert]:
    """Every alert that went into a case."""
    rows = await connection.fetch(f"SELECT {_ALERT} FROM monitoring_alerts WHERE case_id = $1 ORDER BY id", case_id)
    return [Alert(**dict(row)) for row in rows]


async def decide(
    connection: Connection,
    alert_id: UUID,
    state: AlertState,
    *,
    by: UserId,
    decision: str,
    case_id: UUID | None = None,
) -> Alert:
    """What somebody made of it; it must be locked and open."""
    row = await connection.fetchrow(
        f"""
        UPDATE monitoring_alerts
        SET state = $2, decided_by = $3, decided_at = now(), decision = $4, case_id = coalesce($5, case_id)
        WHERE id = $1 RETURNING {_ALERT}
        """,
        alert_id,
        state,
        by,
        decision,
        case_id,
    )
    assert row is not None  # locked before
    return Alert(**dict(row))
