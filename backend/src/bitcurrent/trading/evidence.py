"""What our fills and orders say, for whoever compares the books with the venue; read in the connection it brings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.trading import evidence_repository as repository
from bitcurrent.trading.model import FillEvidence

Executions = Counter[tuple[Decimal, Decimal]]
"""How often each (quantity, price) was executed."""


async def fills_since(connection: Connection, moment: datetime) -> Sequence[FillEvidence]:
    """Fills that the venue made after a moment (by its clock), oldest first."""
    return await repository.fills_since(connection, moment)


async def received_since(
    connection: Connection, moments: Mapping[str, datetime], *, usual: datetime
) -> Mapping[str, Decimal]:
    """What fills have brought in of each asset since its own moment, or since `usual`; before fees."""
    return await repository.received_since(connection, moments, usual)


async def executions_of(connection: Connection, venue_order_ids: Sequence[str]) -> Mapping[str, tuple[str, Executions]]:
    """Market and booked executions of those of these orders (the venue's ids) that are ours."""
    markets = await repository.orders_at_venue(connection, venue_order_ids)
    found: dict[str, tuple[str, Executions]] = {each: (market, Counter()) for each, market in markets.items()}
    for venue_order_id, _, quantity, price in await repository.booked_fills(connection, list(markets)):
        found[venue_order_id][1][quantity, price] += 1
    return found


async def known_orders(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these ids that are orders of ours."""
    return await repository.known_orders(connection, ids) if ids else set()


async def filled_between(connection: Connection, since: datetime, until: datetime, *, limit: int) -> Sequence[str]:
    """The venue's ids of orders of ours that were filled, or in part, in a stretch of time."""
    return await repository.filled_between(connection, since, until, limit=limit)
