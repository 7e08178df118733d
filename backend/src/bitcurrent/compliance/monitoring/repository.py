"""The SQL of monitoring: the cursor, what was seen, its marks, and the rules. Alerts have their own file."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from bitcurrent.compliance.monitoring.model import (
    HISTORY_MAX,
    Action,
    Fact,
    Mark,
    RuleName,
    RuleRecord,
    Sighting,
)
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import Cursor
from bitcurrent.kernel.ids import UserId

CURSOR: Final = "events"
SIGHTINGS_MAX: Final = 10_000
_FACT: Final = "id, event_position, user_id, kind, subject, at, worth, facts"
_RULE: Final = "version, name, parameters, action, enabled, active_from, created_at, reason, approval_id"


async def read_cursor(connection: Connection, *, lock: bool = False) -> Cursor:
    """How far the log was read; locked, nobody else reads on meanwhile."""
    if lock:
        await connection.execute(
            "INSERT INTO monitoring_cursors (name, transaction_id, position) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING",
            CURSOR,
        )
    ending = "FOR UPDATE" if lock else ""
    row = await connection.fetchrow(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"SELECT transaction_id, position FROM monitoring_cursors WHERE name = $1 {ending}",
        CURSOR,
    )
    return Cursor(row["transaction_id"], row["position"]) if row else Cursor()


async def move_cursor(connection: Connection, cursor: Cursor) -> None:
    """Everything up to here was judged; the cursor must be locked."""
    await connection.execute(
        "UPDATE monitoring_cursors SET transaction_id = $2, position = $3, updated_at = now() WHERE name = $1",
        CURSOR,
        cursor.transaction_id,
        cursor.position,
    )


async def insert_facts(connection: Connection, rows: Sequence[tuple[Fact, Sequence[Mapping[str, Any]], bool]]) -> None:
    """Write down what was judged, in this order, with what rules said and whether a person has to look."""
    facts = [fact for fact, _, _ in rows]
    found = await connection.fetch(
        """
        INSERT INTO transaction_monitoring
            (event_position, user_id, kind, subject, at, worth, facts, rule_hits, requires_review)
        SELECT t.position, t.usr, t.kind, t.subject, t.at, t.worth, t.facts, t.hits::jsonb, t.review
        FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[], $6::numeric[], $7::jsonb[],
            $8::text[], $9::boolean[])
            WITH ORDINALITY AS t (position, usr, kind, subject, at, worth, facts, hits, review, ord)
        ORDER BY t.ord RETURNING id, event_position
        """,
        [fact.position for fact in facts],
        [fact.user_id for fact in facts],
        [fact.kind for fact in facts],
        [fact.subject for fact in facts],
        [fact.at for fact in facts],
        [fact.worth for fact in facts],
        [dict(fact.facts) for fact in facts],
        # Lists in a list would be taken for one array of two dimensions.
        [msgspec.json.encode(hits).decode() for _, hits, _ in rows],
        [review for _, _, review in rows],
    )
    ids = {row["event_position"]: row["id"] for row in found}
    marks = [
        (ids[fact.position], mark.kind, mark.value, fact.user_id, fact.at) for fact in facts for mark in fact.marks
    ]
    await connection.executemany(
        "INSERT INTO monitoring_marks (transaction_id, kind, value, user_id, at) VALUES ($1, $2, $3, $4, $5)", marks
    )


async def read_earlier(
    connection: Connection, users: Collection[UserId], *, before: int | None
) -> dict[UserId, list[Fact]]:
    """Each customer's newest transactions of those judged before one (or of all), oldest first, without marks."""
    rows = await connection.fetch(
        f"""
        SELECT t.* FROM unnest($1::uuid[]) AS u (id) CROSS JOIN LATERAL (
            SELECT {_FACT} FROM transaction_monitoring
            WHERE user_id = u.id AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3) AS t
        ORDER BY t.id
        """,
        list(users),
        before,
        HISTORY_MAX,
    )
    found: dict[UserId, list[Fact]] = {user: [] for user in users}
    for row in rows:
        found[row["user_id"]].append(_fact(row, ()))
    return found


async def read_sightings(
    connection: Connection, marks: Collection[Mark], *, before: int | None
) -> dict[Mark, dict[UserId, datetime]]:
    """Who was seen with these marks before, and when last."""
    rows = await connection.fetch(
        """
        SELECT m.kind, m.value, m.user_id, max(m.at) AS at FROM monitoring_marks m
        JOIN unnest($1::text[], $2::text[]) AS t (kind, value) ON m.kind = t.kind AND m.value = t.value
        WHERE $3::bigint IS NULL OR m.transaction_id < $3
        GROUP BY m.kind, m.value, m.user_id ORDER BY max(m.at) DESC LIMIT $4
        """,
        [mark.kind for mark in marks],
        [mark.value for mark in marks],
        before,
        SIGHTINGS_MAX,
    )
    found: dict[Mark, dict[UserId, datetime]] = {}
    for row in rows:
        found.setdefault(Mark(row["kind"], row["value"]), {})[row["user_id"]] = row["at"]
    return found


def sightings(seen: Mapping[UserId, datetime]) -> tuple[Sighting, ...]:
    """The same as values."""
    return tuple(Sighting(user_id, at) for user_id, at in seen.items())


async def first_id(connection: Connection, since: datetime) -> int | None:
    """The id of the first transaction that happened at a moment or later."""
    found = await connection.fetchval("SELECT min(id) FROM transaction_monitoring WHERE at >= $1", since)
    return None if found is None else int(found)


async def read_facts(
    connection: Connection, *, since: datetime, until: datetime, from_id: int, limit: int
) -> list[tuple[int, Fact]]:
    """A piece of the history in the order in which it was judged, with marks."""
    rows = await connection.fetch(
        f"""
        SELECT {_FACT}, ARRAY(SELECT m.kind || ':' || m.value FROM monitoring_marks m WHERE m.transaction_id = t.id)
            AS marks
        FROM transaction_monitoring t WHERE id >= $1 AND at >= $2 AND at < $3 ORDER BY id LIMIT $4
        """,
        from_id,
        since,
        until,
        limit,
    )
    return [(row["id"], _fact(row, [_mark(text) for text in row["marks"]])) for row in rows]


async def read_fact(connection: Connection, position: int) -> tuple[Fact, list[dict[str, Any]], bool] | None:
    """One transaction by its event, with what rules said of it, and whether a person has to look."""
    row = await connection.fetchrow(
        f"SELECT {_FACT}, rule_hits, requires_review FROM transaction_monitoring WHERE event_position = $1", position
    )
    return (_fact(row, ()), row["rule_hits"], row["requires_review"]) if row else None


async def set_reviewed(connection: Connection, positions: Sequence[int], *, standing: Sequence[str]) -> None:
    """A person has looked at these, unless another alert of the same transaction is in one of these states."""
    await connection.execute(
        """
        UPDATE transaction_monitoring t SET requires_review = false
        WHERE event_position = ANY ($1) AND requires_review AND NOT EXISTS (
            SELECT FROM monitoring_alerts a WHERE a.position = t.event_position AND a.state = ANY ($2))
        """,
        list(positions),
        list(standing),
    )


async def rules_in_force(connection: Connection) -> list[RuleRecord]:
    """The newest active version of each rule, those that are switched off left out."""
    rows = await connection.fetch(
        f"""
        SELECT * FROM (
            SELECT DISTINCT ON (name) {_RULE} FROM monitoring_rules WHERE active_from <= now()
            ORDER BY name, version DESC) AS newest
        WHERE enabled ORDER BY name
        """
    )
    return [RuleRecord(**dict(row)) for row in rows]


async def find_rule(connection: Connection, name: RuleName) -> RuleRecord | None:
    """The newest active version of one rule, switched on or off."""
    row = await connection.fetchrow(
        f"SELECT {_RULE} FROM monitoring_rules WHERE name = $1 AND active_from <= now() ORDER BY version DESC LIMIT 1",
        name,
    )
    return RuleRecord(**dict(row)) if row else None


async def list_rules(
    connection: Connection, *, name: RuleName | None, before: int | None, limit: int
) -> list[RuleRecord]:
    """Every version that there ever was, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_RULE} FROM monitoring_rules
        WHERE ($1::text IS NULL OR name = $1) AND ($2::bigint IS NULL OR version < $2)
        ORDER BY version DESC LIMIT $3
        """,
        name,
        before,
        limit,
    )
    return [RuleRecord(**dict(row)) for row in rows]


async def insert_rule(
    connection: Connection,
    *,
    name: RuleName,
    parameters: Mapping[str, Any],
    action: Action,
    enabled: bool,
    active_from: datetime,
    reason: str,
    approval_id: Any,
) -> RuleRecord:
    """The next version of a rule."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO monitoring_rules (name, parameters, action, enabled, active_from, reason, approval_id)
        VALUES ($1, $2, $3, $4, greatest($5, now()), $6, $7) RETURNING {_RULE}
        """,
        name,
        dict(parameters),
        action,
        enabled,
        active_from,
        reason,
        approval_id,
    )
    assert row is not None  # inserted
    return RuleRecord(**dict(row))


async def erase(connection: Connection, user_id: UserId) -> None:
    """Forget what a customer's transactions were made of; that they were, and their worth, stays."""
    await connection.execute("DELETE FROM monitoring_marks WHERE user_id = $1", user_id)
    await connection.execute(
        "UPDATE transaction_monitoring SET facts = '{}' WHERE user_id = $1 AND facts <> '{}'", user_id
    )


def _fact(row: Any, marks: Sequence[Mark]) -> Fact:
    return Fact(
        position=row["event_position"],
        user_id=row["user_id"],
        kind=row["kind"],
        subject=row["subject"],
        at=row["at"],
        worth=row["worth"],
        facts=row["facts"],
        marks=tuple(marks),
    )


def _mark(text: str) -> Mark:
    kind, _, value = text.partition(":")
    return Mark(kind, value)  # type: ignore[arg-type]  # the column's CHECK has the same names
