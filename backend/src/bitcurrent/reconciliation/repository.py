"""The SQL of reconciliation: runs, what was read so far, doubts and the processor's lines. Breaks have their own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from bitcurrent.funding.ports import BalanceLine
from bitcurrent.kernel.database import Connection
from bitcurrent.reconciliation.model import Run

RUNS_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something seen outside that could not be tied to our books yet."""

    kind: str
    id: str
    facts: Mapping[str, str]
    first_seen: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """A line of the processor as it was stored; `reference` names the group of journals that stands for it."""

    line: BalanceLine
    seen_at: datetime
    reference: str | None = None


_LINE = "id, kind, currency, amount, fee, net, source, created_at, available_at, payment_intent, seen_at, reference"


def _stored(row: asyncpg.Record) -> Stored:
    values = dict(row)
    seen_at, reference = values.pop("seen_at"), values.pop("reference")
    return Stored(BalanceLine(**values), seen_at, reference)


async def insert_run(
    connection: Connection,
    *,
    run_id: UUID,
    wholly: bool,
    started_at: datetime,
    table: Sequence[Mapping[str, Any]],
    findings: int,
    troubles: Sequence[str],
) -> None:
    """Remember a run and forget those that are too old."""
    await connection.execute(
        'INSERT INTO reconciliation_runs (id, wholly, started_at, "table", findings, troubles) '
        "VALUES ($1, $2, $3, $4, $5, $6)",
        run_id,
        wholly,
        started_at,
        list(table),
        findings,
        list(troubles),
    )
    await connection.execute("DELETE FROM reconciliation_runs WHERE finished_at < now() - $1::interval", RUNS_KEPT)


async def read_last_run(connection: Connection, *, wholly: bool | None = None) -> Run | None:
    """The newest run (that looked wholly, or not)."""
    row = await connection.fetchrow(
        'SELECT id, wholly, started_at, finished_at, "table", findings, troubles FROM reconciliation_runs '
        "WHERE $1::boolean IS NULL OR wholly = $1 ORDER BY finished_at DESC LIMIT 1",
        wholly,
    )
    return Run(**dict(row)) if row else None


async def read_cursors(connection: Connection) -> dict[str, str]:
    """How far everything was read."""
    rows = await connection.fetch("SELECT name, value FROM reconciliation_cursors")
    return {row["name"]: row["value"] for row in rows}


async def write_cursors(connection: Connection, cursors: Mapping[str, str]) -> None:
    """Remember how far everything was read; commit it with what was read."""
    await connection.execute(
        "INSERT INTO reconciliation_cursors (name, value) SELECT * FROM unnest($1::text[], $2::text[]) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = clock_timestamp()",
        list(cursors),
        list(cursors.values()),
    )


async def read_doubts(connection: Connection, *, limit: int = 5_000) -> list[Doubt]:
    """What could not be tied to our books yet, oldest first."""
    rows = await connection.fetch(
        "SELECT kind, id, facts, first_seen FROM reconciliation_doubts ORDER BY first_seen, id LIMIT $1", limit
    )
    return [Doubt(**dict(row)) for row in rows]


async def add_doubts(connection: Connection, doubts: Iterable[tuple[str, str, Mapping[str, str]]]) -> None:
    """Remember (kind, id, facts), each once."""
    rows = list(doubts)
    await connection.execute(
        "INSERT INTO reconciliation_doubts (kind, id, facts) SELECT * FROM unnest($1::text[], $2::text[], $3::jsonb[]) "
        "ON CONFLICT DO NOTHING",
        [kind for kind, _, _ in rows],
        [key for _, key, _ in rows],
        [dict(facts) for _, _, facts in rows],
    )


async def drop_doubts(connection: Connection, doubts: Iterable[tuple[str, str]]) -> None:
    """They are tied to our books now, or a person has resolved them."""
    rows = list(doubts)
    await connection.execute(
        "DELETE FROM reconciliation_doubts WHERE (kind, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
        [kind for kind, _ in rows],
        [key for _, key in rows],
    )


async def read_totals(connection: Connection) -> dict[tuple[str, str], tuple[Decimal, datetime]]:
    """Sums of house accounts and up to which moment."""
    rows = await connection.fetch("SELECT account, currency, balance, through FROM reconciliation_totals")
    return {(row["account"], row["currency"]): (row["balance"], row["through"]) for row in rows}


async def write_totals(connection: Connection, totals: Mapping[tuple[str, str], Decimal], through: datetime) -> None:
    """Remember sums of house accounts up to a moment that no running transaction reaches back to."""
    keys = sorted(totals)
    await connection.execute(
        "INSERT INTO reconciliation_totals (account, currency, balance, through) "
        "SELECT a, c, b, $4 FROM unnest($1::text[], $2::text[], $3::numeric[]) AS t (a, c, b) "
        "ON CONFLICT (account, currency) DO UPDATE SET balance = excluded.balance, through = excluded.through",
        [account for account, _ in keys],
        [currency for _, currency in keys],
        [totals[key] for key in keys],
        through,
    )


async def insert_lines(connection: Connection, lines: Sequence[BalanceLine]) -> list[str]:
    """Store lines of the processor once each; the ids of those that are new."""
    rows = await connection.fetch(
        """
        INSERT INTO processor_lines (id, kind, currency, amount, fee, net, source, created_at, available_at,
            payment_intent)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::numeric[],
            $7::text[], $8::timestamptz[], $9::timestamptz[], $10::text[]) ON CONFLICT DO NOTHING RETURNING id
        """,
        [line.id for line in lines],
        [line.kind for line in lines],
        [line.currency for line in lines],
        [line.amount for line in lines],
        [line.fee for line in lines],
        [line.net for line in lines],
        [line.source for line in lines],
        [line.created_at for line in lines],
        [line.available_at for line in lines],
        [line.payment_intent for line in lines],
    )
    return [row["id"] for row in rows]


async def known_lines(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of these lines that are stored."""
    rows = await connection.fetch("SELECT id FROM processor_lines WHERE id = ANY ($1::text[])", list(ids))
    return {row["id"] for row in rows}


async def sum_lines(connection: Connection, reference: str | None = None) -> dict[str, Decimal]:
    """What all lines together (or those that this stands for) changed the processor's balance by, by currency."""
    rows = await connection.fetch(
        """
        SELECT currency, sum(net) AS net FROM processor_lines WHERE $1::text IS NULL OR reference = $1
        GROUP BY currency
        """,
        reference,
    )
    return {row["currency"]: row["net"] for row in rows}


async def newest_line(connection: Connection) -> datetime | None:
    """When the newest line that we know was made."""
    found: datetime | None = await connection.fetchval("SELECT max(created_at) FROM processor_lines")
    return found


async def unbound_lines(connection: Connection, *, limit: int) -> list[Stored]:
    """Lines that no journal stands for yet, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_LINE} FROM processor_lines WHERE reference IS NULL ORDER BY created_at, id LIMIT $1", limit
    )
    return [_stored(row) for row in rows]


async def bound_lines(connection: Connection, references: Sequence[str]) -> list[Stored]:
    """The lines for which these groups of journals stand."""
    rows = await connection.fetch(
        f"SELECT {_LINE} FROM processor_lines WHERE reference = ANY ($1::text[]) ORDER BY created_at, id",
        list(references),
    )
    return [_stored(row) for row in rows]


async def bind_lines(connection: Connection, bindings: Mapping[str, str]) -> None:
    """Say which journal stands for each of these lines; for good."""
    await connection.execute(
        """
        UPDATE processor_lines l SET reference = t.reference, bound_at = clock_timestamp()
        FROM unnest($1::text[], $2::text[]) AS t (id, reference) WHERE l.id = t.id AND l.reference IS NULL
        """,
        list(bindings),
        list(bindings.values()),
    )
