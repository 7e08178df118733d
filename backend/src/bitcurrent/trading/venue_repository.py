"""The SQL of the worker's side of trading: claiming, recording the venue's answers, its inbox and its cursors."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, new_id
from bitcurrent.trading import repository
from bitcurrent.trading.model import Order
from bitcurrent.trading.ports import VenueFill, VenueOrder, VenueUpdate

_AT = "created_at = uuid_extract_timestamp($1)"


async def claim_orders(connection: Connection, limit: int) -> list[Order]:
    """Take up to `limit` accepted orders as `submitting`, the customers in turn: nobody waits behind one who floods."""
    rows = await connection.fetch(
        """
        WITH waiting AS (
            SELECT id, created_at, row_number() OVER (PARTITION BY user_id ORDER BY created_at, id) AS turn
            FROM (SELECT id, created_at, user_id FROM orders WHERE state = 'accepted'
                  ORDER BY created_at LIMIT 2000) AS oldest
        ), chosen AS (
            SELECT o.id, o.created_at FROM orders o JOIN waiting w ON w.id = o.id AND w.created_at = o.created_at
            WHERE o.state = 'accepted' ORDER BY w.turn, o.created_at LIMIT $1 FOR UPDATE OF o SKIP LOCKED
        )
        UPDATE orders o SET state = 'submitting', claimed_at = now(), updated_at = now()
        FROM chosen c WHERE o.id = c.id AND o.created_at = c.created_at RETURNING o.id
        """,
        limit,
    )
    found = await repository.read_orders(connection, [row["id"] for row in rows])
    return sorted(found.values(), key=lambda order: order.created_at)


async def end_stopped_orders(connection: Connection, limit: int) -> int:
    """End accepted orders that a stop forbids; how many. Until the commit no further stop comes into force."""
    return int(await connection.fetchval("SELECT end_stopped_orders($1)", limit))


async def count_accepted(connection: Connection) -> int:
    """Orders that wait to be sent."""
    return int(await connection.fetchval("SELECT count(*) FROM orders WHERE state = 'accepted'"))


async def return_to_accepted(connection: Connection, order_id: OrderId) -> None:
    """Nothing can have happened at the venue: the order waits for its turn again."""
    await connection.execute(
        f"UPDATE orders SET state = 'accepted', updated_at = now() WHERE id = $1 AND {_AT} AND state = 'submitting'",
        order_id,
    )


async def mark_unknown(connection: Connection, order_id: OrderId) -> None:
    """Sent, answer lost: it stays unknown until the venue says."""
    await connection.execute(
        f"UPDATE orders SET state = 'unknown', unknown_since = coalesce(unknown_since, now()), updated_at = now() "
        f"WHERE id = $1 AND {_AT} AND state = 'submitting'",
        order_id,
    )


async def mark_all_submitting_unknown(connection: Connection) -> int:
    """On taking the lead: whatever an earlier leader was sending has an unknown outcome."""
    status = await connection.execute(
        "UPDATE orders SET state = 'unknown', unknown_since = coalesce(unknown_since, now()), updated_at = now() "
        "WHERE finished_at IS NULL AND state = 'submitting'"
    )
    return int(status.split()[-1])


async def mark_submitted(connection: Connection, order_id: OrderId, venue_order_id: str) -> bool:
    """The venue has it; whether that was news."""
    return bool(await connection.fetchval("SELECT mark_submitted($1, $2)", order_id, venue_order_id))


async def mark_cancel_sent(connection: Connection, order_id: OrderId) -> None:
    """Remember when the venue was last asked to cancel."""
    await connection.execute(f"UPDATE orders SET cancel_sent_at = now() WHERE id = $1 AND {_AT}", order_id)


async def mark_checked(connection: Connection, order_id: OrderId) -> None:
    """Remember when the venue was last asked about it."""
    await connection.execute(f"UPDATE orders SET checked_at = now() WHERE id = $1 AND {_AT}", order_id)


async def settle_fill(connection: Connection, order_id: OrderId, fill: VenueFill) -> str:
    """Book one execution: settled, duplicate, unknown_order or overfilled."""
    outcome = await connection.fetchval(
        "SELECT settle_fill($1, $2, $3, $4, $5, $6)",
        new_id(),
        order_id,
        fill.execution_id,
        fill.quantity,
        fill.price,
        fill.filled_at,
    )
    return str(outcome)


async def settle_fills(connection: Connection, fills: Sequence[tuple[OrderId, VenueFill]]) -> list[str]:
    """Book executions in one commit, each with its own outcome, in this order."""
    outcomes = await connection.fetchval(
        "SELECT settle_fills($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[], $6::timestamptz[])",
        [new_id() for _ in fills],
        [order_id for order_id, _ in fills],
        [fill.execution_id for _, fill in fills],
        [fill.quantity for _, fill in fills],
        [fill.price for _, fill in fills],
        [fill.filled_at for _, fill in fills],
    )
    return [str(outcome) for outcome in outcomes]


async def finish_order(connection: Connection, order_id: OrderId, ended: VenueOrder) -> str:
    """End an order as the venue says: finished, already, waiting (for fills) or unknown_order."""
    assert ended.state is not None
    return await _finish(connection, order_id, ended.state, ended.filled_quantity, ended.reason)


async def reject_order(connection: Connection, order_id: OrderId, reason: str) -> str:
    """End an order that the venue refused or never received."""
    return await _finish(connection, order_id, "rejected", None, reason)


async def _finish(connection: Connection, order_id: OrderId, state: str, filled: Any, reason: str | None) -> str:
    return str(await connection.fetchval("SELECT finish_order($1, $2, $3, $4)", order_id, state, filled, reason))


async def list_unknown(connection: Connection, limit: int = 100) -> list[Order]:
    """Orders whose fate only the venue knows, the longest unchecked first."""
    return await _list(
        connection, "finished_at IS NULL AND state = 'unknown' ORDER BY checked_at NULLS FIRST, id LIMIT $1", limit
    )


async def list_cancels_to_send(connection: Connection, *, again_after_seconds: int, limit: int = 100) -> list[Order]:
    """Orders at the venue that somebody wants canceled and that were not asked for lately."""
    return await _list(
        connection,
        "cancel_requested_at IS NOT NULL AND finished_at IS NULL AND closing_state IS NULL "
        "AND state IN ('submitted', 'partially_filled') "
        "AND (cancel_sent_at IS NULL OR cancel_sent_at < now() - make_interval(secs => $2)) "
        "ORDER BY cancel_requested_at LIMIT $1",
        limit,
        again_after_seconds,
    )


async def list_at_venue(connection: Connection, *, older_than_seconds: int, limit: int = 500) -> list[Order]:
    """Orders that we believe are at the venue and have not heard of for a while, the longest unchecked first."""
    return await _list(
        connection,
        "finished_at IS NULL AND state IN ('submitted', 'partially_filled') "
        "AND updated_at < now() - make_interval(secs => $2) ORDER BY checked_at NULLS FIRST, id LIMIT $1",
        limit,
        older_than_seconds,
    )


async def _list(connection: Connection, where: str, *arguments: int) -> list[Order]:
    # `where` is one of this module's own texts.
    # nosemgrep: formatted-sql  one of this module's own texts
    rows = await connection.fetch(f"SELECT id FROM orders WHERE {where}", *arguments)
    found = await repository.read_orders(connection, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows]


async def find_by_venue_order_id(connection: Connection, venue_order_id: str) -> OrderId | None:
    """Our order that the venue knows by this id, among the open ones and those of the last days."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM orders WHERE venue_order_id = $1 AND created_at > now() - interval '40 days' LIMIT 1",
        venue_order_id,
    )
    return OrderId(found) if found else None


async def store_update(connection: Connection, source: str, update: VenueUpdate) -> bool:
    """Store a message once; False when it was stored before. To be applied in the same transaction."""
    stored = await connection.fetchval(
        "INSERT INTO venue_events (source, event_id, kind, payload) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING RETURNING true",
        source,
        update.event_id,
        update.event,
        update.payload,
    )
    return bool(stored)


async def mark_update(connection: Connection, source: str, event_id: str, outcome: str) -> None:
    """What became of a stored message: applied, seen (nothing to do) or flagged (for a person to look at)."""
    await connection.execute(
        "UPDATE venue_events SET outcome = $3, applied_at = now() WHERE source = $1 AND event_id = $2",
        source,
        event_id,
        outcome,
    )


async def read_cursor(connection: Connection, name: str) -> str | None:
    """Where a poll of the venue stopped last time."""
    value: str | None = await connection.fetchval("SELECT value FROM venue_cursors WHERE name = $1", name)
    return value


async def write_cursor(connection: Connection, name: str, value: str) -> None:
    """Where a poll of the venue stopped now; commit it with what was read."""
    await connection.execute(
        "INSERT INTO venue_cursors (name, value) VALUES ($1, $2) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()",
        name,
        value,
    )
