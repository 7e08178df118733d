"""The venue's executions against our fills, order by order.

Its activities carry other ids than its stream, so single executions cannot be told apart by name: what is compared is
how often each quantity and price was executed for an order.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.reconciliation.memory import Memory
from bitcurrent.reconciliation.model import NOTHING, BreakKind, Finding, Pace, Party
from bitcurrent.reconciliation.ports import VenueBooks
from bitcurrent.reconciliation.repository import Doubt
from bitcurrent.trading import evidence
from bitcurrent.trading.evidence import Executions
from bitcurrent.trading.ports import VenueFill

CURSOR: Final = "venue_fills"
DAYS: Final = 3
PAGES_MAX: Final = 4
PAGES_MAX_WHOLLY: Final = 200
ORDERS_MAX: Final = 20
"""So many orders are asked about one by one in a look; the others wait for the next."""
FILLED_MAX: Final = 100_000


async def read_new(
    books: VenueBooks, cursors: Mapping[str, str], memory: Memory, pace: Pace, *, wholly: bool
) -> list[VenueFill]:
    """Executions since the last look (or of the last days), without those so young that ours may be on its way."""
    first = f"since:{(now() - timedelta(days=DAYS)).date().isoformat()}"
    cursor: str | None = first if wholly else cursors.get(CURSOR, first)
    found: list[VenueFill] = []
    for _ in range(PAGES_MAX_WHOLLY if wholly else PAGES_MAX):
        fills, behind = await books.executions_after(cursor)
        ripe = list(itertools.takewhile(lambda fill: now() - fill.filled_at >= timedelta(seconds=pace.young), fills))
        found += ripe
        if len(ripe) < len(fills):
            behind = ripe[-1].execution_id if ripe else cursor
        if behind is None or behind == cursor:
            break
        cursor = memory.cursors[CURSOR] = behind
        if len(ripe) < len(fills):
            break
    return found


async def compare(
    database: Database,
    books: VenueBooks,
    fills: Sequence[VenueFill],
    doubts: Sequence[Doubt],
    memory: Memory,
    pace: Pace,
    *,
    wholly: bool,
) -> list[Finding]:
    """What differs in the orders of these executions and in those doubted before; only they are asked about."""
    theirs = _by_order(fills)
    seen = {doubt.id: doubt for doubt in doubts}
    async with database.read() as connection:
        ours = await evidence.executions_of(connection, list(theirs))
        filled: Sequence[str] = ()
        if wholly:
            # From the second day on: an order of the first may have begun before.
            since, until = now() - timedelta(days=DAYS - 1), now() - timedelta(seconds=pace.grace)
            filled = await evidence.filled_between(connection, since, until, limit=FILLED_MAX)
    doubtful = [each for each in theirs if each not in ours or theirs[each] - ours[each][1]]
    if wholly:
        doubtful += [each for each in theirs if each in ours and ours[each][1] - theirs[each]]
        doubtful += [each for each in filled if each not in theirs]
    fresh = [each for each in dict.fromkeys(doubtful) if each not in seen]
    memory.doubts += [("order", each, {}) for each in fresh]
    findings = []
    for order in list(itertools.chain(seen, fresh))[:ORDERS_MAX]:
        finding = await _compare_order(database, books, order)
        if finding is None:
            memory.dropped.append(("order", order))
        elif order in seen and now() - seen[order].first_seen >= timedelta(seconds=pace.grace):
            findings.append(finding)
    return findings


async def _compare_order(database: Database, books: VenueBooks, venue_order_id: str) -> Finding | None:
    """One order wholly: theirs first, so that ours cannot lack what was booked in between."""
    fills = await books.fills_of(venue_order_id)
    theirs = _by_order(fills).get(venue_order_id, Counter())
    async with database.read() as connection:
        ours = await evidence.executions_of(connection, [venue_order_id])
    market, booked = ours.get(venue_order_id, (None, Counter()))
    if booked == theirs:
        return None
    asset = next((each for each in (market, *(fill.market for fill in fills)) if each), "USD").partition("/")[0]
    expected, found = _quantity(theirs.items()), _quantity(booked.items())
    if market is None:
        text = f"The venue executed {plain(expected)} for the order {venue_order_id}, which is none of ours."
        kind = BreakKind.FOREIGN_ORDER
    else:
        text = f"Of the order {venue_order_id} the venue executed {plain(expected)}, and we booked {plain(found)}."
        kind = BreakKind.FILLS
    return Finding(
        kind=kind,
        subject=f"venue-order:{venue_order_id}",
        party=Party.VENUE,
        asset=asset,
        account="venue",
        expected=expected,
        found=found,
        text=text,
    )


def _by_order(fills: Iterable[VenueFill]) -> dict[str, Executions]:
    found: dict[str, Executions] = {}
    for fill in fills:
        found.setdefault(fill.venue_order_id, Counter())[fill.quantity, fill.price] += 1
    return found


def _quantity(executions: Iterable[tuple[tuple[Decimal, Decimal], int]]) -> Decimal:
    total = NOTHING
    for (quantity, _), count in executions:
        total = EXACT.add(total, EXACT.multiply(quantity, Decimal(count)))
    return total
