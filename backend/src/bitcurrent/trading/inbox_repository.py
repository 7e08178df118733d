"""The SQL of applying what the venue tells: whole batches in few round trips, and what healing compares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, new_id
from bitcurrent.trading.model import OrderState
from bitcurrent.trading.ports import VenueFill, VenueUpdate

HEALED = "activity:"
"""Execution ids of fills that were booked from the venue's activities, because the stream had not brought them."""
_CLAIMED = "healed"


@dataclass(frozen=True, slots=True)
class BookedFill:
    """A fill in the books, as far as it can be compared with the venue's."""

    order_id: OrderId
    execution_id: str
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the venue says that an order ended; `filled` is None when it never had it."""

    order_id: OrderId
    state: OrderState
    filled: Decimal | None
    reason: str | None = None


async def store_updates(connection: Connection, source: str, updates: Sequence[VenueUpdate]) -> set[str]:
    """Store messages once each; the ids of those that are new. To be applied in the same transaction."""
    rows = await connection.fetch(
        """
        INSERT INTO venue_events (source, event_id, kind, payload)
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::jsonb[]) AS t (event_id, kind, payload) ORDER BY event_id
        ON CONFLICT DO NOTHING RETURNING event_id
        """,
        source,
        [update.event_id for update in updates],
        [update.event for update in updates],
        [update.payload for update in updates],
    )
    return {row["event_id"] for row in rows}


async def mark_updates(connection: Connection, source: str, outcomes: dict[str, str]) -> None:
    """What became of stored messages: applied, seen, deferred (healing will bring it) or flagged (for a person)."""
    await connection.execute(
        """
        UPDATE venue_events e SET outcome = t.outcome, applied_at = now()
        FROM unnest($2::text[], $3::text[]) AS t (event_id, outcome)
        WHERE e.source = $1 AND e.event_id = t.event_id
        """,
        source,
        list(outcomes),
        list(outcomes.values()),
    )


async def settle(
    connection: Connection, fills: Sequence[tuple[OrderId, VenueFill]], *, lock: Iterable[OrderId] = ()
) -> list[str]:
    """Book executions in this order, each with its own outcome, and lock the orders of `lock` as well.

    SQL's `settle_fills` takes every lock of all orders named (orders, balances, sequences) before it books anything;
    orders behind the last fill are only locked. So whatever follows in the transaction cannot meet another in a ring.
    """
    booked = [order_id for order_id, _ in fills]
    outcomes = await connection.fetchval(
        "SELECT settle_fills($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[], $6::timestamptz[])",
        [new_id() for _ in fills],
        booked + sorted(set(lock) - set(booked)),
        [fill.execution_id for _, fill in fills],
        [fill.quantity for _, fill in fills],
        [fill.price for _, fill in fills],
        [fill.filled_at for _, fill in fills],
    )
    return [str(outcome) for outcome in outcomes]


async def mark_submitted(connection: Connection, known: Sequence[tuple[OrderId, str]]) -> None:
    """The venue has these orders, under these ids of its own."""
    await connection.execute(
        "SELECT mark_submitted(t.id, t.venue) FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS t (id, venue, n) "
        "ORDER BY t.n",
        [order_id for order_id, _ in known],
        [venue_order_id for _, venue_order_id in known],
    )


async def finish(connection: Connection, endings: Sequence[Ending]) -> list[str]:
    """End orders: finished, already, waiting (for fills) or unknown_order for each, in this order."""
    rows = await connection.fetch(
        "SELECT finish_order(t.id, t.state, t.filled, t.reason) AS outcome "
        "FROM unnest($1::uuid[], $2::text[], $3::numeric[], $4::text[]) "
        "WITH ORDINALITY AS t (id, state, filled, reason, n) ORDER BY t.n",
        [ending.order_id for ending in endings],
        [ending.state.value for ending in endings],
        [ending.filled for ending in endings],
        [ending.reason for ending in endings],
    )
    return [str(row["outcome"]) for row in rows]


async def read_booked(connection: Connection, order_ids: Sequence[OrderId], *, healed_only: bool) -> list[BookedFill]:
    """The fills of these orders that are booked, or only those that healing booked."""
    rows = await connection.fetch(
        """
        SELECT order_id, execution_id, quantity, price FROM fills
        WHERE order_id = ANY ($1::uuid[])
          AND created_at >= (SELECT min(uuid_extract_timestamp(x)) - interval '1 minute' FROM unnest($1::uuid[]) AS x)
          AND (NOT $2 OR starts_with(execution_id, $3))
        ORDER BY execution_id
        """,
        list(order_ids),
        healed_only,
        HEALED,
    )
    return [BookedFill(r["order_id"], r["execution_id"], r["quantity"], r["price"]) for r in rows]


async def claim_healed(connection: Connection, booked: BookedFill, fill: VenueFill) -> bool:
    """Say that this execution of the stream is the fill that healing booked; False when another one was.

    For good: a healed fill stands for one execution only.
    """
    return bool(
        await connection.fetchval(
            "INSERT INTO venue_events (source, event_id, kind, payload, outcome, applied_at) "
            "VALUES ($1, $2, 'fill', $3, 'seen', now()) ON CONFLICT DO NOTHING RETURNING true",
            _CLAIMED,
            booked.execution_id,
            {"execution_id": fill.execution_id},
        )
    )


async def flag(connection: Connection, source: str, event_id: str, kind: str, payload: dict[str, str]) -> bool:
    """Put something that nobody understands before a person, once; whether it is new."""
    return bool(
        await connection.fetchval(
            "INSERT INTO venue_events (source, event_id, kind, payload, outcome) VALUES ($1, $2, $3, $4, 'flagged') "
            "ON CONFLICT DO NOTHING RETURNING true",
            source,
            event_id,
            kind,
            payload,
        )
    )


async def mark_stranded_unknown(connection: Connection, in_flight: Sequence[OrderId]) -> int:
    """Orders that are `submitting` and that nobody is sending: their outcome was not recorded, so it is unknown."""
    status = await connection.execute(
        "UPDATE orders SET state = 'unknown', unknown_since = coalesce(unknown_since, now()), updated_at = now() "
        "WHERE finished_at IS NULL AND state = 'submitting' AND claimed_at < now() - interval '15 seconds' "
        "AND id <> ALL ($1::uuid[])",
        list(in_flight),
    )
    return int(status.split()[-1])


async def read_backlog(connection: Connection) -> dict[str, int]:
    """How much waits: to be sent, for the venue's word, for a cancel's end, for a person to look at."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM orders WHERE state = 'accepted') AS accepted,
            (SELECT count(*) FROM orders WHERE finished_at IS NULL AND state = 'unknown') AS unknown,
            (SELECT count(*) FROM orders WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL) AS canceling,
            (SELECT count(*) FROM venue_events WHERE outcome NOT IN ('applied', 'seen')) AS flagged
        """
    )
    assert row is not None
    return dict(row)
