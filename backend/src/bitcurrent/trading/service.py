"""Trading's verbs for customers: place, replace, cancel, look up, and what it will cost.

Every rule is checked before money is held; what is answered is committed.
"""

import asyncio
import time
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bitcurrent.compliance.limits.model import LimitExceeded
from bitcurrent.compliance.restrictions.service import require_free
from bitcurrent.compliance.stops.board import StopBoard
from bitcurrent.compliance.stops.service import require_orders
from bitcurrent.identity.key_limits import KeyDailyCap, KeyLimits
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.events import WAKE_CHANNEL
from bitcurrent.kernel.ids import OrderId, UserId, new_id
from bitcurrent.kernel.money import EXACT, multiply, plain
from bitcurrent.ledger.service import InsufficientFunds
from bitcurrent.market_data.service import MarketData
from bitcurrent.trading import repository
from bitcurrent.trading.model import (
    ClientOrderIdTaken,
    FeeRate,
    Fill,
    IdempotencyKeyReused,
    Order,
    OrderBusy,
    OrderEnded,
    OrderNotFound,
    OrderState,
    OrderType,
    OrderWish,
    Side,
    Terms,
    placed_again,
)
from bitcurrent.trading.placing import PlacingQueue, as_placed
from bitcurrent.trading.repository import NewOrder, OrderFilter, PlaceOutcome, Replacement
from bitcurrent.trading.rules import Conditions, PriceStale, RuleBroken, set_replacement_terms, set_terms
from bitcurrent.trading.weighing import OrderLimits

ORDERS_CHANNEL = "bitcurrent:orders"
"""Redis channel on which placing says "there is an order to send". A hint only: the worker also polls."""

RATE_SECONDS = 30
RATES_KEPT = 10_000
log = structlog.get_logger(__name__)


class Trading:
    """Places, changes and finds customers' orders."""

    def __init__(
        self, database: Database, redis: Redis, market_data: MarketData, *, stops: StopBoard, limits: OrderLimits
    ) -> None:
        self._database = database
        self._stops = stops
        self._limits = limits
        self._redis = redis
        self._market_data = market_data
        self._queue = PlacingQueue(database, self.wake)
        self._rates: dict[UserId, tuple[float, FeeRate]] = {}
        self._hints: set[asyncio.Task[None]] = set()

    async def preview_order(self, user_id: UserId, wish: OrderWish) -> tuple[str, Terms]:
        """The market's symbol and the terms that this order would get now, fee included; holds nothing."""
        conditions = await self._conditions(user_id, wish)
        return conditions.market.symbol, set_terms(wish, conditions)

    async def place_order(
        self,
        user_id: UserId,
        wish: OrderWish,
        *,
        source: str,
        request_hash: bytes,
        idempotency_key: str | None = None,
        limits: KeyLimits | None = None,
    ) -> tuple[Order, bool]:
        """Hold the money and accept the order; the order, and whether it was placed by an earlier equal request.

        `limits` are those of the API key that it comes with. Raises refusals naming the rule, `InsufficientFunds`,
        `ClientOrderIdTaken`, `IdempotencyKeyReused`, `SymbolNotAllowed`, `KeyDailyCap`, `LimitExceeded`, `Stopped`,
        `Restricted`.
        """
        try:
            conditions = await self._conditions(user_id, wish)
            if limits is not None:
                limits.check_symbol(conditions.market.symbol)
            terms = set_terms(wish, conditions)
        except (Conflict, Invalid):
            # A repeat of a request that was accepted gets its answer, whatever the market is by now.
            known = await self._find_repeat(user_id, wish.client_order_id, idempotency_key, request_hash)
            if known is None:
                raise
            return placed_again(known), True
        new = NewOrder(
            id=OrderId(new_id()),
            user_id=user_id,
            client_order_id=wish.client_order_id,
            idempotency_key=idempotency_key,
            request_hash=request_hash,
            source=source,
            market=conditions.market.symbol,
            side=wish.side,
            type=wish.type,
            time_in_force=wish.time_in_force,
            terms=terms,
        )
        try:
            outcome = await self._put(new, limits)
        except (KeyDailyCap, LimitExceeded, PriceStale):
            known = await self._find_repeat(user_id, wish.client_order_id, idempotency_key, request_hash)
            if known is None:
                raise
            return placed_again(known), True
        if outcome.outcome == "accepted":
            return as_placed(new), False
        return await self._answer_for(user_id, outcome, terms, new.market, new.side, new.type), True

    async def _put(self, new: NewOrder, key: KeyLimits | None) -> PlaceOutcome:
        capped = key is not None and key.daily_notional is not None
        if not capped and not await self._limits.exist():
            return await self._queue.place(new)
        terms = new.terms
        outcome = await self._limits.place(
            new.user_id,
            lambda tx: repository.place_one(tx, new),
            market=new.market,
            side=new.side,
            amount=EXACT.add(terms.expected_net, terms.expected_fee) if terms.quantity is None else terms.quantity,
            cost=terms.expected_cost,
            key=key,
        )
        self.wake()
        return outcome

    async def replace_order(
        self,
        user_id: UserId,
        order_id: OrderId,
        *,
        quantity: Decimal | None,
        limit_price: Decimal | None,
        stop_price: Decimal | None,
        source: str,
        request_hash: bytes,
        client_order_id: str | None = None,
        idempotency_key: str | None = None,
        limits: KeyLimits | None = None,
    ) -> tuple[Order, bool]:
        """Ask for other terms: a new order that takes the old one's place when the venue agrees.

        What is left out stays; `quantity` is what the new order trades from then on (left out: what remains). Toward
        the cap of an API key (`limits`) counts what the new order is worth more than what remains of the old one.
        """
        old = await self.read_order(user_id, order_id)
        if limits is not None:
            limits.check_symbol(old.market)
        known = await self._find_repeat(user_id, client_order_id, idempotency_key, request_hash)
        if known is not None:
            return placed_again(known), True
        if old.state.ended:
            raise OrderEnded(f"The order is {old.state} and cannot be replaced.")
        if old.type is OrderType.MARKET or old.quantity is None:
            raise Conflict("A market order cannot be replaced; it fills or ends at once.")
        wish = OrderWish(
            market=old.market,
            side=old.side,
            type=old.type,
            time_in_force=old.time_in_force,
            quantity=quantity if quantity is not None else old.quantity - old.filled_quantity,
            limit_price=limit_price if limit_price is not None else old.limit_price,
            stop_price=stop_price if stop_price is not None else old.stop_price,
        )
        terms = set_replacement_terms(wish, await self._conditions(user_id, wish))
        new = Replacement(
            id=OrderId(new_id()),
            user_id=user_id,
            old_id=order_id,
            client_order_id=client_order_id,
            idempotency_key=idempotency_key,
            request_hash=request_hash,
            source=source,
            terms=terms,
        )
        capped = limits is not None and limits.daily_notional is not None
        if not capped and not await self._limits.exist():
            outcome = await self._database.in_transaction(lambda tx: repository.request_replace(tx, new))
        else:
            remaining = EXACT.subtract(old.quantity, old.filled_quantity)
            more = EXACT.subtract(terms.expected_cost, multiply(remaining, old.limit_price or Decimal(0)))
            outcome = await self._limits.place(
                user_id,
                lambda tx: repository.request_replace(tx, new),
                market=old.market,
                side=old.side,
                amount=max(EXACT.subtract(wish.quantity or Decimal(0), remaining), Decimal(0)),
                cost=max(more, Decimal(0)),
                key=limits,
            )
        crash_point("after_replace_commit")
        if outcome.outcome == "accepted":
            self.wake()
            return await self.read_order(user_id, new.id), False
        if outcome.outcome == "pending":
            raise OrderBusy("The order is being sent, canceled or replaced already. Try again in a moment.")
        if outcome.outcome == "ended":
            raise OrderEnded("The order has ended and cannot be replaced.")
        return await self._answer_for(user_id, outcome, terms, old.market, old.side, old.type), True

    async def cancel_order(self, user_id: UserId, order_id: OrderId, *, limits: KeyLimits | None = None) -> Order:
        """Ask for a cancel and commit it; see `cancel_in`."""
        order = await self._database.in_transaction(lambda tx: self.cancel_in(tx, user_id, order_id, limits=limits))
        self.wake()
        return order

    async def cancel_in(
        self, connection: Connection, user_id: UserId, order_id: OrderId, *, limits: KeyLimits | None = None
    ) -> Order:
        """Ask for a cancel in the open transaction; the order as it is then.

        Canceled at once when it had not been sent, else pending until the venue confirms. A canceled order stays as
        it is; `OrderEnded` when it ended otherwise. Call `wake` after the commit.
        """
        if limits is not None:
            known = await repository.read_order(connection, order_id, user_id=user_id)
            if known is None:
                raise OrderNotFound
            limits.check_symbol(known.market)
        outcome = await repository.request_cancel(connection, user_id, order_id)
        order = await repository.read_order(connection, order_id, user_id=user_id)
        if order is None:
            raise OrderNotFound
        if outcome == "already" and order.state is not OrderState.CANCELED:
            raise OrderEnded(f"The order is {order.state} and cannot be canceled.")
        return order

    async def cancel_all(
        self, user_id: UserId, market: str | None = None, *, limits: KeyLimits | None = None
    ) -> list[Order]:
        """Ask for a cancel of every open order (of one market) and commit it; see `cancel_all_in`."""
        orders = await self._database.in_transaction(lambda tx: self.cancel_all_in(tx, user_id, market, limits=limits))
        self.wake()
        return orders

    async def cancel_all_in(
        self, connection: Connection, user_id: UserId, market: str | None, *, limits: KeyLimits | None = None
    ) -> list[Order]:
        """Ask for a cancel of every open order in the open transaction; those orders, oldest first.

        A key that is bound to some markets cancels in those only.
        """
        symbol = await self._symbol(market)
        if limits is not None and symbol is not None:
            limits.check_symbol(symbol)
        allowed = sorted(limits.symbols) if limits is not None and limits.symbols is not None else None
        open_ids = await repository.lock_open_orders(connection, user_id, [symbol] if symbol else allowed)
        for order_id in open_ids:
            await repository.request_cancel(connection, user_id, order_id)
        found = await repository.read_orders(connection, open_ids)
        return [found[order_id] for order_id in open_ids]

    async def read_order(self, user_id: UserId, order_id: OrderId) -> Order:
        """One of the customer's orders; `OrderNotFound` for everybody else's."""
        async with self._database.read() as connection:
            order = await repository.read_order(connection, order_id, user_id=user_id)
        if order is None:
            raise OrderNotFound
        return order

    async def find_by_client_order_id(self, user_id: UserId, client_order_id: str) -> Order:
        """The customer's order by their own id for it."""
        async with self._database.read() as connection:
            order = await repository.find_by_client_order_id(connection, user_id, client_order_id)
        if order is None:
            raise OrderNotFound
        return order

    async def list_orders(self, user_id: UserId, which: OrderFilter) -> list[Order]:
        """The customer's orders, newest first; the market in any spelling."""
        which = replace(which, market=await self._symbol(which.market))
        async with self._database.read() as connection:
            return await repository.list_orders(connection, user_id, which)

    async def list_fills(
        self,
        user_id: UserId,
        *,
        order_id: OrderId | None = None,
        market: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> list[Fill]:
        """The customer's fills, newest first; the market in any spelling."""
        symbol = await self._symbol(market)
        async with self._database.read() as connection:
            return await repository.list_fills(
                connection,
                user_id,
                order_id=order_id,
                market=symbol,
                before=before,
                limit=limit,
            )

    async def read_fees(self, user_id: UserId) -> tuple[list[FeeRate], Decimal, FeeRate]:
        """The schedule, the customer's 30-day volume in USD, and the rate that they have now."""
        async with self._database.read() as connection:
            tiers = await repository.read_fee_tiers(connection)
            volume = await repository.read_volume(connection, user_id)
        return tiers, volume, _tier(tiers, volume)

    async def _symbol(self, market: str | None) -> str | None:
        return None if market is None else (await self._market_data.market(market)).symbol

    async def _conditions(self, user_id: UserId, wish: OrderWish) -> Conditions:
        try:
            market = await self._market_data.market(wish.market)
        except NotFound as error:
            # In an order the symbol is a field like others, not the address of something.
            raise RuleBroken("unknown_market", error.message, field="symbol") from error
        self._stops.require_order(market=market.symbol, side=wish.side, order_type=wish.type)
        quote = await self._market_data.fresh_quote(market.symbol)
        return Conditions(market=market, quote=quote, rate=await self._rate(user_id))

    async def _rate(self, user_id: UserId) -> FeeRate:
        """The customer's tier, at most 30 s old: it moves by 30-day volume."""
        known = self._rates.get(user_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        _, _, rate = await self.read_fees(user_id)
        if len(self._rates) >= RATES_KEPT:
            self._rates.clear()
        self._rates[user_id] = (time.monotonic() + RATE_SECONDS, rate)
        return rate

    async def _find_repeat(
        self, user_id: UserId, client_order_id: str | None, idempotency_key: str | None, request_hash: bytes
    ) -> Order | None:
        async with self._database.read() as connection:
            return await repository.find_repeat(connection, user_id, client_order_id, idempotency_key, request_hash)

    async def _answer_for(
        self, user_id: UserId, outcome: PlaceOutcome, terms: Terms, market: str, side: Side, order_type: OrderType
    ) -> Order:
        match outcome.outcome:
            case "insufficient":
                available = outcome.available or Decimal(0)
                raise InsufficientFunds(needed=terms.hold_amount, available=available, currency=terms.hold_currency)
            case "stopped":
                async with self._database.read() as connection:
                    await require_orders(connection, market=market, side=side, order_type=order_type)
                raise Conflict("Orders like this one were stopped at this moment. Try again.")
            case "restricted":
                async with self._database.read() as connection:
                    await require_free(connection, user_id, "orders")
                raise Conflict("New orders were stopped for your account at this moment. Try again.")
            case "key_reused":
                raise IdempotencyKeyReused(
                    "This Idempotency-Key came with a different request before. Use a new key for a new order.",
                    field="Idempotency-Key",
                )
            case "conflict":
                raise ClientOrderIdTaken(
                    "You have another order with this client_order_id. Use a new one for a new order.",
                    field="client_order_id",
                )
            case "replayed" | "duplicate":
                assert outcome.order_id is not None
                return placed_again(await self.read_order(user_id, outcome.order_id))
            case _:
                raise AssertionError(f"unknown outcome {outcome.outcome}")

    def wake(self) -> None:
        """Tell the worker and the live server; without Redis they find out by polling."""
        task = asyncio.ensure_future(self._hint())
        self._hints.add(task)
        task.add_done_callback(self._hints.discard)

    async def _hint(self) -> None:
        try:
            await self._redis.publish(ORDERS_CHANNEL, "")
            await self._redis.publish(WAKE_CHANNEL, "")
        except RedisError as error:
            log.warning("orders.hint_failed", error=type(error).__name__)


def _tier(tiers: list[FeeRate], volume: Decimal) -> FeeRate:
    reached = [tier for tier in tiers if tier.volume_from <= volume]
    if not reached:
        raise Conflict(f"No fee tier is in force for a volume of {plain(volume)} USD; an operator must set one.")
    return reached[-1]
