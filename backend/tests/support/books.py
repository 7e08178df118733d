"""Words for tests of the books: customers with money, orders and fills, straight through the real SQL."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from bitcurrent.kernel.database import Connection, _prepare_connection
from bitcurrent.kernel.ids import OrderId, UserId, new_id
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import post
from bitcurrent.reconciliation.service import verify
from bitcurrent.trading.model import Liquidity, OrderType, Side, Terms, TimeInForce
from bitcurrent.trading.ports import VenueFill
from bitcurrent.trading.repository import NewOrder, Replacement

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection as the application prepares it."""
    connection = await asyncpg.connect(url)
    await _prepare_connection(connection)
    return connection


async def customer(connection: Connection, **money: str | Decimal) -> UserId:
    """A new customer with so much of each currency: `customer(c, USD="100")`."""
    user_id = UserId(new_id())
    for currency, amount in money.items():
        await credit(connection, user_id, currency, Decimal(amount))
    return user_id


async def credit(
    connection: Connection, user_id: UserId, currency: str, amount: Decimal, reference: str | None = None
) -> bool:
    """Give a customer money out of the bank; whether it was given now."""
    move = Move(source=house("bank", currency), target=available(user_id, currency), amount=amount)
    return await post(connection, Journal(kind="demo_credit", reference=reference or f"test:{new_id()}", moves=(move,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order in a few words; the hold is what `trading.rules` would compute for a limit order."""

    side: Side = Side.BUY
    quantity: Decimal = Decimal(1)
    price: Decimal = Decimal(10)
    market: str = "BTC/USD"
    fee_bps: Decimal = Decimal(25)
    client_order_id: str | None = None
    idempotency_key: str | None = None
    source: str = "test"

    @property
    def base(self) -> str:
        """What is bought or sold."""
        return self.market.partition("/")[0]

    @property
    def pay(self) -> str:
        """The currency that is held."""
        return self.market.partition("/")[2] if self.side is Side.BUY else self.base

    @property
    def hold(self) -> Decimal:
        """What it holds."""
        return self.quantity * self.price if self.side is Side.BUY else self.quantity

    @property
    def request_hash(self) -> bytes:
        """Equal for equal requests."""
        text = f"{self.side} {self.quantity} {self.price} {self.market} {self.client_order_id}"
        return hashlib.sha256(text.encode()).digest()

    def terms(self) -> Terms:
        """The terms that the books see."""
        gross = self.quantity if self.side is Side.BUY else self.quantity * self.price
        return Terms(
            quantity=self.quantity,
            notional=None,
            limit_price=self.price,
            stop_price=None,
            collar_price=None,
            liquidity=Liquidity.MAKER,
            fee_bps=self.fee_bps,
            fee_currency=self.base if self.side is Side.BUY else self.market.partition("/")[2],
            hold_currency=self.pay,
            hold_amount=self.hold,
            expected_price=self.price,
            expected_cost=self.quantity * self.price,
            expected_fee=Decimal(0),
            expected_net=gross,
        )

    def order(self, user_id: UserId, order_id: UUID | None = None) -> NewOrder:
        """The order to place."""
        return NewOrder(
            id=OrderId(order_id or new_id()),
            user_id=user_id,
            client_order_id=self.client_order_id,
            idempotency_key=self.idempotency_key,
            request_hash=self.request_hash,
            source=self.source,
            market=self.market,
            side=self.side,
            type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            terms=self.terms(),
        )

    def replacement(self, user_id: UserId, old_id: OrderId) -> Replacement:
        """The same ticket as a replacement of an order."""
        return Replacement(
            id=OrderId(new_id()),
            user_id=user_id,
            old_id=old_id,
            client_order_id=self.client_order_id,
            idempotency_key=self.idempotency_key,
            request_hash=self.request_hash,
            source=self.source,
            terms=self.terms(),
        )


def execution(name: str, quantity: Decimal, price: Decimal) -> VenueFill:
    """One execution as the venue tells it."""
    return VenueFill(
        execution_id=name, venue_order_id="", order_id=None, quantity=quantity, price=price, filled_at=NOON
    )


async def finish(
    connection: Connection, order_id: OrderId, state: str, filled: Decimal | None = None, reason: str | None = None
) -> str:
    """The venue ends an order, saying how much of it was filled."""
    return str(await connection.fetchval("SELECT finish_order($1, $2, $3, $4)", order_id, state, filled, reason))


async def balance(connection: Connection, user_id: UserId, currency: str) -> tuple[Decimal, Decimal]:
    """Available and held."""
    row = await connection.fetchrow(
        "SELECT available, held FROM balances WHERE user_id = $1 AND currency = $2", user_id, currency
    )
    return (row["available"], row["held"]) if row else (Decimal(0), Decimal(0))


async def order_row(connection: Connection, order_id: OrderId) -> dict[str, Any]:
    """An order's row."""
    row = await connection.fetchrow("SELECT * FROM orders WHERE id = $1", order_id)
    assert row is not None
    return dict(row)


async def broken_laws(connection: Connection) -> list[str]:
    """What is wrong with the books; empty when every law is kept."""
    report = await verify(connection)
    return [text for finding in report.broken for text in (finding.law.title, *finding.breaks)]


async def sequence_gaps(connection: Connection) -> list[Any]:
    """Customers whose events are not numbered 1, 2, 3 … up to their last sequence."""
    return await connection.fetch(
        """
        SELECT user_id, count(e.sequence), max(e.sequence), last_sequence
        FROM customer_sequences s LEFT JOIN events e USING (user_id) GROUP BY user_id, last_sequence
        HAVING count(e.sequence) <> last_sequence OR count(DISTINCT e.sequence) <> last_sequence
            OR coalesce(max(e.sequence), 0) <> last_sequence
        """
    )
