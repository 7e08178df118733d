"""Natural group commit: orders that arrive while a statement is in flight go together in the next one.

No timer, so an idle system adds no latency: a single order goes alone at once. One failed batch fails nobody else's
order: its members are placed one by one.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from decimal import Decimal

import asyncpg
import structlog

from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import RETRYABLE, Database, StatementNotCommitted
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.kernel.ids import id_time
from bitcurrent.trading import repository
from bitcurrent.trading.model import Order, OrderState
from bitcurrent.trading.repository import NewOrder, PlaceOutcome

BATCH_MAX = 64
IN_FLIGHT_MAX = 2
WAITING_MAX = 10_000

log = structlog.get_logger(__name__)
Waiting = tuple[NewOrder, "asyncio.Future[PlaceOutcome]"]


class PlacingQueue:
    """Places orders, as many as wait in one statement, at most two statements at a time."""

    def __init__(self, database: Database, committed: Callable[[], None]) -> None:
        self._database = database
        self._committed = committed
        self._waiting: deque[Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def place(self, order: NewOrder) -> PlaceOutcome:
        """Place an order; returns when its outcome is committed. Raises `Unavailable` when too many wait."""
        if len(self._waiting) >= WAITING_MAX:
            raise Unavailable("Too many orders are waiting to be placed. Nothing was placed; try again in a second.")
        future: asyncio.Future[PlaceOutcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((order, future))
        self._start()
        # A caller that goes away does not undo what may be committed already.
        return await asyncio.shield(future)

    def _start(self) -> None:
        while self._waiting and len(self._running) < IN_FLIGHT_MAX:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
            task = asyncio.ensure_future(self._commit(batch))
            self._running.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._start()

    async def _commit(self, batch: list[Waiting], *, again: bool = False) -> None:
        try:
            outcomes = await self._place([order for order, _ in batch], again=again)
        except Exception as error:  # noqa: BLE001  every waiting caller must learn of it
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            log.warning("orders.batch_failed", size=len(batch), error=type(error).__name__)
            for member in batch:
                await self._commit([member], again=True)
            return
        crash_point("after_place_commit")
        self._committed()
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _place(self, orders: list[NewOrder], *, again: bool) -> list[PlaceOutcome]:
        crash_point("before_place_commit")
        # A statement outside a transaction block is its own transaction: one round trip.
        for attempt in range(5):
            try:
                async with self._database.statement() as connection:
                    if len(orders) > 1:
                        return await repository.place_many(connection, orders)
                    # Tried before: it may be committed already, although nobody was told.
                    if (again or attempt) and await repository.is_placed(connection, orders[0]):
                        return [PlaceOutcome("accepted", orders[0].id, None)]
                    return [await repository.place_one(connection, orders[0])]
            except (*RETRYABLE, asyncpg.UniqueViolationError, StatementNotCommitted):
                # Another placing with the same key came first: the next try finds it.
                if attempt == 4:
                    raise
        raise AssertionError("unreachable")


def _fail(future: "asyncio.Future[PlaceOutcome]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def as_placed(new: NewOrder) -> Order:
    """The stored order without reading it back: everything in it is known."""
    terms = new.terms
    at = id_time(new.id)
    return Order(
        id=new.id,
        created_at=at,
        updated_at=at,
        user_id=new.user_id,
        client_order_id=new.client_order_id,
        source=new.source,
        market=new.market,
        side=new.side,
        type=new.type,
        time_in_force=new.time_in_force,
        quantity=terms.quantity,
        notional=terms.notional,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        collar_price=terms.collar_price,
        fee_bps=terms.fee_bps,
        liquidity=terms.liquidity,
        state=OrderState.ACCEPTED,
        reason=None,
        hold_currency=terms.hold_currency,
        hold_amount=terms.hold_amount,
        held=terms.hold_amount,
        filled_quantity=Decimal(0),
        filled_cost=Decimal(0),
        fee=Decimal(0),
        fee_currency=terms.fee_currency,
        venue_order_id=None,
        replaces=None,
        replaced_by=None,
        closing_state=None,
        closing_filled=None,
        cancel_requested_at=None,
        cancel_sent_at=None,
        claimed_at=None,
        unknown_since=None,
        checked_at=None,
        submitted_at=None,
        finished_at=None,
    )
