"""The SQL of looking over all customers' orders, the venue's messages, and the schedules of fees."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.trading import repository
from bitcurrent.trading.model import FeeRate, Order
from bitcurrent.trading.oversight_model import AnyOrderFilter, Schedule, VenueEvent

STUCK_SECONDS: Final = 60
"""So long an order may wait for the venue's word before it counts as stuck."""


_EVENT: Final = ", ".join(field.name for field in fields(VenueEvent))
_STUCK: Final = """finished_at IS NULL AND (
    state IN ('accepted', 'submitting', 'unknown') AND updated_at < now() - make_interval(secs => $11)
    OR cancel_requested_at < now() - make_interval(secs => $11))"""


async def search_orders(connection: Connection, which: AnyOrderFilter) -> list[Order]:
    """Orders of anybody's, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT id FROM orders
        WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR market = $2)
          AND ($3::text[] IS NULL OR state = ANY ($3)) AND ($4::boolean IS NULL OR (finished_at IS NULL) = $4)
          AND ($5::boolean IS NULL OR ({_STUCK}) = $5) AND ($6::text IS NULL OR venue_order_id = $6)
          AND ($7::timestamptz IS NULL OR created_at > $7) AND ($8::timestamptz IS NULL OR created_at < $8)
          AND ($9::uuid IS NULL OR (id < $9 AND created_at <= uuid_extract_timestamp($9)))
        ORDER BY created_at DESC, id DESC LIMIT $10
        """,
        which.user_id,
        which.market,
        None if which.states is None else list(which.states),
        which.open_only,
        which.stuck,
        which.venue_order_id,
        which.after,
        which.until,
        which.before,
        which.limit,
        STUCK_SECONDS,
    )
    found = await repository.read_orders(connection, [OrderId(row["id"]) for row in rows])
    return [found[row["id"]] for row in rows]


async def search_events(
    connection: Connection,
    *,
    outcome: str | None,
    unresolved: bool | None,
    kind: str | None,
    before: tuple[datetime, str, str] | None,
    limit: int,
) -> list[VenueEvent]:
    """The venue's messages, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_EVENT} FROM venue_events
        WHERE ($1::text IS NULL OR outcome = $1) AND ($2::text IS NULL OR kind = $2)
          AND ($3::boolean IS NULL OR (outcome NOT IN ('applied', 'seen')) = $3)
          AND ($4::timestamptz IS NULL OR (received_at, source, event_id) < ($4, $5::text, $6::text))
        ORDER BY received_at DESC, source DESC, event_id DESC LIMIT $7
        """,
        outcome,
        kind,
        unresolved,
        *(before or (None, None, None)),
        limit,
    )
    return [VenueEvent(**dict(row)) for row in rows]


async def lock_event(connection: Connection, source: str, event_id: str) -> VenueEvent | None:
    """One message, locked."""
    row = await connection.fetchrow(
        f"SELECT {_EVENT} FROM venue_events WHERE source = $1 AND event_id = $2 FOR UPDATE", source, event_id
    )
    return VenueEvent(**dict(row)) if row else None


async def resolve_event(connection: Connection, found: VenueEvent, by: UserId, words: str) -> VenueEvent:
    """Write down who has looked at it: nothing is left to do with it."""
    row = await connection.fetchrow(
        f"""
        UPDATE venue_events SET outcome = 'seen', resolved_by = $3, resolved_at = now(), resolution = $4
        WHERE source = $1 AND event_id = $2 RETURNING {_EVENT}
        """,
        found.source,
        found.event_id,
        by,
        words,
    )
    assert row is not None  # locked before
    return VenueEvent(**dict(row))


async def read_cursors(connection: Connection) -> dict[str, datetime]:
    """When each poll of the venue last came to its end."""
    rows = await connection.fetch("SELECT name, updated_at FROM venue_cursors ORDER BY name LIMIT 100")
    return {row["name"]: row["updated_at"] for row in rows}


async def newest_event_at(connection: Connection) -> datetime | None:
    """When the venue last told anything that was stored."""
    found: datetime | None = await connection.fetchval("SELECT max(received_at) FROM venue_events")
    return found


async def count_by_state(connection: Connection) -> dict[str, int]:
    """How many orders that have not ended are in each state."""
    rows = await connection.fetch(
        "SELECT state, count(*) AS number FROM orders WHERE finished_at IS NULL GROUP BY state ORDER BY state"
    )
    return {row["state"]: row["number"] for row in rows}


async def volumes_by_day(connection: Connection, days: int) -> list[tuple[str, Decimal, int]]:
    """What was traded on each of the last days (UTC), in USD, and by how many customers."""
    rows = await connection.fetch(
        """
        SELECT day::text, sum(volume) AS volume, count(*) AS customers FROM trading_volumes
        WHERE day > (now() AT TIME ZONE 'UTC')::date - $1::integer GROUP BY day ORDER BY day
        """,
        days,
    )
    return [(row["day"], row["volume"], row["customers"]) for row in rows]


async def list_schedules(connection: Connection, *, before: int | None, limit: int) -> list[Schedule]:
    """Versions of the fees, newest first."""
    rows = await connection.fetch(
        """
        SELECT version, effective_from, created_at, reason, approval_id FROM fee_schedules
        WHERE $1::bigint IS NULL OR version < $1 ORDER BY version DESC LIMIT $2
        """,
        before,
        limit,
    )
    tiers = await connection.fetch(
        """
        SELECT effective_from, volume_from, maker_bps, taker_bps FROM fee_tiers
        WHERE effective_from = ANY ($1::timestamptz[]) ORDER BY volume_from
        """,
        [row["effective_from"] for row in rows],
    )
    return [
        Schedule(
            **dict(row),
            tiers=tuple(
                FeeRate(tier["volume_from"], tier["maker_bps"], tier["taker_bps"])
                for tier in tiers
                if tier["effective_from"] == row["effective_from"]
            ),
        )
        for row in rows
    ]


async def insert_schedule(
    connection: Connection, *, effective_from: datetime, reason: str, approval_id: UUID, tiers: Sequence[FeeRate]
) -> tuple[int, datetime] | None:
    """A new version from that moment on, or from now on when that has passed; None when another begins just then."""
    row = await connection.fetchrow(
        """
        INSERT INTO fee_schedules (effective_from, reason, approval_id) VALUES (greatest($1, now()), $2, $3)
        ON CONFLICT (effective_from) DO NOTHING RETURNING version, effective_from
        """,
        effective_from,
        reason,
        approval_id,
    )
    if row is None:
        return None
    await connection.executemany(
        "INSERT INTO fee_tiers (effective_from, volume_from, maker_bps, taker_bps) VALUES ($1, $2, $3, $4)",
        [(row["effective_from"], tier.volume_from, tier.maker_bps, tier.taker_bps) for tier in tiers],
    )
    return row["version"], row["effective_from"]
