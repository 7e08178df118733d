"""What the stream missed: our open orders against the venue's, its fills and its fees against our books.

Healing books nothing by its own arithmetic: it finds which orders differ, reads the venue's fills of each, and settles
the missing ones through the same door as the stream does. The rule that keeps a fill from being booked twice, though
stream and activities give it different ids, is in `answers.missing_fills` (healing after the stream) and in
`inbox_repository.claim_healed` (the stream after healing).
"""

import itertools
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import structlog

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import Journal, Move, house
from bitcurrent.trading import inbox_repository as inbox
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Order, OrderState
from bitcurrent.trading.ports import VenueFee, VenueFill, VenueOrder
from bitcurrent.trading.tasks.answers import bring_up_to_date
from bitcurrent.trading.tasks.desk import Desk, pause
from bitcurrent.trading.tasks.sending import not_there

log = structlog.get_logger(__name__)

FILLS, FEES = "fills", "fees"
SWEEP_SECONDS = 3_600.0
SWEEP_DAYS = 3
SWEEP_PAGES_MAX = 200
YOUNG = timedelta(seconds=3)
"""A fill younger than this may still be on its way through the stream."""


class Healer:
    """Compares at every wish (a reconnect, an order in doubt) and every few seconds anyway."""

    def __init__(self) -> None:
        # The first connection of the stream asks for the first whole round; the first sweep comes with it.
        self._whole_round_at = time.monotonic()
        self._swept_at = time.monotonic() - SWEEP_SECONDS
        self._strangers: set[str] = set()

    async def heal(self, desk: Desk) -> None:
        """One round, then wait for the next wish."""
        desk.healing_wanted.clear()
        await self._look_at_suspects(desk)
        eager = desk.reconnected.is_set()
        if eager or time.monotonic() - self._whole_round_at >= desk.pace.heal:
            desk.reconnected.clear()
            try:
                await self._whole_round(desk, eager=eager)
            except BaseException:
                if eager:
                    desk.reconnected.set()
                raise
            self._whole_round_at = time.monotonic()
        await pause(desk, desk.healing_wanted, min(1.0, desk.pace.heal))

    async def _whole_round(self, desk: Desk, *, eager: bool) -> None:
        """Compare everything. After a reconnect eagerly: what happened before it comes by no stream any more."""
        await self._compare_open_orders(desk, eager=eager)
        await self._read_fills(desk, older_than=timedelta(0) if eager else YOUNG)
        await read_fees(desk, FEES)
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS:
            await self._sweep(desk)
            self._swept_at = time.monotonic()
        desk.counts["heal_rounds"] += 1

    async def _look_at_suspects(self, desk: Desk) -> None:
        for order_id, due_at in list(desk.suspects.items()):
            if time.monotonic() < due_at:
                continue
            async with desk.database.read() as connection:
                order = await repository.read_order(connection, order_id)
            if order is not None:
                await ask_about(desk, order)
            desk.suspects.pop(order_id, None)

    async def _compare_open_orders(self, desk: Desk, *, eager: bool) -> None:
        theirs = await desk.venue.open_orders()
        by_id = {view.order_id: view for view in theirs if view.order_id is not None}
        quiet_seconds = 0 if eager else desk.pace.quiet_order
        async with desk.database.read() as connection:
            quiet = await venue_repository.list_at_venue(connection, older_than_seconds=quiet_seconds)
            known = await repository.read_orders(connection, list(by_id))
        for order in quiet:
            view = by_id.get(order.id)
            if view is None:
                changed = await ask_about(desk, order)
            elif view.filled_quantity > order.filled_quantity:
                changed = await bring_up_to_date(desk, order, view)
            else:
                continue
            if changed and not eager:
                # Seconds ago, and the stream, connected all the time, has said nothing of it.
                desk.stream_doubted.set()
        for view in theirs:
            await self._check_theirs(desk, view, known.get(view.order_id) if view.order_id else None)

    async def _check_theirs(self, desk: Desk, view: VenueOrder, order: Order | None) -> None:
        """An order that is open at the venue must be open here too."""
        if order is None:
            if view.venue_order_id not in self._strangers and len(self._strangers) < 10_000:
                self._strangers.add(view.venue_order_id)
                log.error("venue_order_not_ours", venue_order_id=view.venue_order_id)
                async with desk.database.transaction() as connection:
                    await inbox.flag(connection, "healing", view.venue_order_id, "stranger", {"status": view.status})
            return
        if order.finished_at is None or now() - order.finished_at < timedelta(seconds=desk.pace.quiet_order):
            return
        current = await desk.venue.find(order.id, user_id=order.user_id)
        if current is not None and current.state in (OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED):
            # Given up here and alive there: nothing holds money for it, so it must not trade on.
            log.error("ended_order_open_at_venue", order_id=str(order.id), state=order.state)
            desk.counts["zombies_canceled"] += 1
            await desk.venue.cancel(order)

    async def _read_fills(self, desk: Desk, *, older_than: timedelta) -> None:
        """Look for fills that are not in the books among those since the last round."""
        async with desk.database.read() as connection:
            cursor = await venue_repository.read_cursor(connection, FILLS)
        fills, behind = await desk.venue.fills_after(cursor)
        ripe = list(itertools.takewhile(lambda fill: now() - fill.filled_at >= older_than, fills))
        if len(ripe) < len(fills):
            behind = ripe[-1].execution_id if ripe else cursor
        await self._heal_fills(desk, ripe)
        if behind is not None and behind != cursor:
            crash_point("before_fills_cursor")
            async with desk.database.transaction() as connection:
                await venue_repository.write_cursor(connection, FILLS, behind)

    async def _heal_fills(self, desk: Desk, fills: Sequence[VenueFill]) -> None:
        """Heal every order of which a fill seems to be missing."""
        ours = [(fill.order_id, fill.quantity, fill.price) for fill in fills if fill.order_id is not None]
        ids = sorted({order_id for order_id, _, _ in ours})
        if not ids:
            return
        async with desk.database.read() as connection:
            booked = await inbox.read_booked(connection, ids, healed_only=False)
            orders = await repository.read_orders(connection, ids)
        missing = Counter(ours) - Counter((fill.order_id, fill.quantity, fill.price) for fill in booked)
        for order_id in sorted({order_id for order_id, _, _ in missing} & set(orders)):
            await ask_about(desk, orders[order_id])

    async def _sweep(self, desk: Desk) -> None:
        """Read the last days again: the venue dates some activities back, and sorts none within a millisecond."""
        since = f"since:{(now() - timedelta(days=SWEEP_DAYS)).date().isoformat()}"
        cursor: str | None = since
        for _ in range(SWEEP_PAGES_MAX):
            fills, behind = await desk.venue.fills_after(cursor)
            settled = [fill for fill in fills if now() - fill.filled_at >= YOUNG]
            await self._heal_fills(desk, settled)
            if not fills or behind == cursor:
                break
            cursor = behind
        cursor = since
        for _ in range(SWEEP_PAGES_MAX):
            fees, behind = await desk.venue.fees_after(cursor)
            await post_fees(desk, fees)
            if not fees or behind == cursor:
                break
            cursor = behind


async def ask_about(desk: Desk, order: Order) -> bool:
    """Ask the venue about one of our orders and bring it up to date; whether that changed anything."""
    view = await desk.venue.find(order.id, user_id=order.user_id)
    if view is not None:
        return await bring_up_to_date(desk, order, view)
    if order.state in (OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED):
        await not_there(desk, order, "the venue does not know it any more")
    return False


async def read_fees(desk: Desk, cursor_name: str) -> None:
    """Post the fees that the venue has charged since the last time."""
    async with desk.database.read() as connection:
        cursor = await venue_repository.read_cursor(connection, cursor_name)
    fees, behind = await desk.venue.fees_after(cursor)
    await post_fees(desk, fees)
    if behind is not None and behind != cursor:
        async with desk.database.transaction() as connection:
            await venue_repository.write_cursor(connection, cursor_name, behind)


async def post_fees(desk: Desk, fees: Sequence[VenueFee]) -> None:
    """One journal for each activity, by its id: posting it twice posts it once."""
    for fee in fees:
        async with desk.database.transaction() as connection:
            await ledger.post(connection, fee_journal(fee))
            crash_point("inside_fee_transaction")
        desk.counts["venue_fees"] += 1


def fee_journal(fee: VenueFee) -> Journal:
    """What the venue took for itself leaves what we have there; what it gave back returns."""
    paid, there = house("venue_fees", fee.currency), house("venue", fee.currency)
    source, target = (paid, there) if fee.amount > Decimal(0) else (there, paid)
    return Journal(
        kind="venue_fee",
        reference=f"venue_fee:{fee.activity_id}",
        moves=(Move(source=source, target=target, amount=abs(fee.amount)),),
        memo={"charged_at": fee.charged_at.isoformat()},
    )
