"""The SQL of stops."""

from dataclasses import fields
from uuid import UUID

from bitcurrent.compliance.products import Product
from bitcurrent.compliance.stops.model import Stop
from bitcurrent.kernel.database import Connection

# Names of our own fields, never somebody's input.
_STOP = ", ".join(field.name for field in fields(Stop))


async def find_standing(connection: Connection, *, product: Product, asset: str | None) -> Stop | None:
    """The oldest stop that holds up a product (with an asset), or None."""
    row = await connection.fetchrow(
        f"""
        SELECT {_STOP} FROM stops
        WHERE ended_at IS NULL AND (product IS NULL OR product = $1) AND (asset IS NULL OR asset = $2)
        ORDER BY started_at, id LIMIT 1
        """,
        product,
        asset,
    )
    return Stop(**dict(row)) if row else None


async def find_stop_of_order(connection: Connection, *, market: str, side: str, order_type: str) -> Stop | None:
    """The oldest stop that forbids such an order, or None."""
    row = await connection.fetchrow(
        f"SELECT {_STOP} FROM stops WHERE id = stop_of_order($1, $2, $3)", market, side, order_type
    )
    return Stop(**dict(row)) if row else None


async def insert_stop(
    connection: Connection,
    *,
    stop_id: UUID,
    product: Product | None,
    asset: str | None,
    cause: str,
    reason: str,
    words: str,
    started_by: UUID | None,
) -> tuple[Stop, bool]:
    """A new stop and True; or the one that stands for the same cause already, and False."""
    while True:
        row = await connection.fetchrow(
            f"""
            INSERT INTO stops (id, product, asset, cause, reason, words, started_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (product, asset, cause) WHERE ended_at IS NULL DO NOTHING RETURNING {_STOP}
            """,
            stop_id,
            product,
            asset,
            cause,
            reason,
            words,
            started_by,
        )
        if row is not None:
            return Stop(**dict(row)), True
        row = await connection.fetchrow(
            f"""
            SELECT {_STOP} FROM stops WHERE ended_at IS NULL AND product IS NOT DISTINCT FROM $1
              AND asset IS NOT DISTINCT FROM $2 AND cause = $3
            """,
            product,
            asset,
            cause,
        )
        if row is not None:  # else it ended between the two statements: the next round makes a new one
            return Stop(**dict(row)), False


async def read_stop(connection: Connection, stop_id: UUID, *, lock: bool = False) -> Stop | None:
    """One stop, locked if asked for."""
    ending = "FOR UPDATE" if lock else ""
    # nosemgrep: formatted-sql  words of this module, nobody's input
    row = await connection.fetchrow(f"SELECT {_STOP} FROM stops WHERE id = $1 {ending}", stop_id)
    return Stop(**dict(row)) if row else None


async def end_stop(connection: Connection, stop_id: UUID, *, ended_by: UUID | None, reason: str) -> Stop:
    """Write down that a stop has ended."""
    row = await connection.fetchrow(
        f"""
        UPDATE stops SET ended_at = now(), ended_by = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL
        RETURNING {_STOP}
        """,
        stop_id,
        ended_by,
        reason,
    )
    assert row is not None  # the caller has locked it and seen that it stands
    return Stop(**dict(row))


async def list_stops(
    connection: Connection, *, standing: bool | None, before: UUID | None = None, limit: int
) -> list[Stop]:
    """Stops, newest first: all, those that stand, or those that ended."""
    rows = await connection.fetch(
        f"""
        SELECT {_STOP} FROM stops
        WHERE ($1::boolean IS NULL OR (ended_at IS NULL) = $1) AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC LIMIT $3
        """,
        standing,
        before,
        limit,
    )
    return [Stop(**dict(row)) for row in rows]
