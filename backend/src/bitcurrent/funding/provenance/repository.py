"""All the SQL of lots and debts."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.funding.provenance.model import Cause, Debt, Lot, Receipt
from bitcurrent.kernel.database import Connection
from bitcurrent.ledger.model import Balance

# Column lists are made of field names of our own classes, never of somebody's input.
_LOT = ", ".join(field.name for field in fields(Lot))
_DEBT = ", ".join(field.name for field in fields(Debt))
_SELECT_LOT = f"SELECT {_LOT} FROM lots"
_SELECT_DEBT = f"SELECT {_DEBT} FROM debts"
LOTS_MAX = 10_000
"""More card deposits that could still be taken back nobody has."""


async def lock_balances(connection: Connection, user_id: UUID) -> list[Balance]:
    """Lock every balance of a customer, in the order in which journals lock them."""
    rows = await connection.fetch("SELECT currency, available, held FROM lock_balances($1)", user_id)
    return [Balance(**dict(row)) for row in rows]


async def insert_lot(
    connection: Connection,
    *,
    lot_id: UUID,
    user_id: UUID,
    currency: str,
    amount: Decimal,
    fee: Decimal,
    payment_intent: str | None,
    release_at: datetime,
) -> bool:
    """Whether it was written now."""
    result = await connection.execute(
        """
        INSERT INTO lots (id, user_id, currency, amount, fee, payment_intent, release_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING
        """,
        lot_id,
        user_id,
        currency,
        amount,
        fee,
        payment_intent,
        release_at,
    )
    return result == "INSERT 0 1"


async def insert_lots(connection: Connection, receipts: Sequence[Receipt]) -> set[UUID]:
    """Write many at once; which were written now."""
    rows = await connection.fetch(
        """
        INSERT INTO lots (id, user_id, currency, amount, fee, payment_intent, release_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::numeric[], $6::text[],
            $7::timestamptz[])
        ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        [each.deposit_id for each in receipts],
        [each.user_id for each in receipts],
        [each.currency for each in receipts],
        [each.amount for each in receipts],
        [each.fee for each in receipts],
        [each.payment_intent for each in receipts],
        [each.release_at for each in receipts],
    )
    return {row["id"] for row in rows}


async def find_debtors(connection: Connection, user_ids: Sequence[UUID]) -> set[UUID]:
    """Of these customers those who owe anything."""
    rows = await connection.fetch(
        "SELECT DISTINCT user_id FROM debts WHERE user_id = ANY ($1) AND collected + written_off < amount",
        list(user_ids),
    )
    return {row["user_id"] for row in rows}


async def release_earlier(connection: Connection, lot_id: UUID, release_at: datetime) -> None:
    """A lot is released sooner than was thought; never later."""
    await connection.execute("UPDATE lots SET release_at = $2 WHERE id = $1 AND release_at > $2", lot_id, release_at)


async def find_lot(connection: Connection, lot_id: UUID) -> Lot | None:
    """A lot by its deposit's id, locked."""
    row = await connection.fetchrow(f"{_SELECT_LOT} WHERE id = $1 FOR UPDATE", lot_id)
    return Lot(**dict(row)) if row else None


async def find_lot_of_payment(connection: Connection, payment_intent: str) -> Lot | None:
    """A lot by the processor's payment, locked."""
    row = await connection.fetchrow(f"{_SELECT_LOT} WHERE payment_intent = $1 FOR UPDATE", payment_intent)
    return Lot(**dict(row)) if row else None


async def list_lots(connection: Connection, user_id: UUID, *, currency: str | None = None) -> list[Lot]:
    """A customer's card deposits of which something could still be taken back, newest first."""
    rows = await connection.fetch(
        f"""
        {_SELECT_LOT} WHERE user_id = $1 AND ($2::text IS NULL OR currency = $2)
            AND refunded + refunded_elsewhere + disputed < amount
        ORDER BY created_at DESC, id DESC LIMIT {LOTS_MAX}
        """,
        user_id,
        currency,
    )
    return [Lot(**dict(row)) for row in rows]


async def change_lot(connection: Connection, lot: Lot) -> None:
    """Write down what became of a lot."""
    await connection.execute(
        "UPDATE lots SET refunded = $2, refunded_elsewhere = $3, disputed = $4, blocked = $5 WHERE id = $1",
        lot.id,
        lot.refunded,
        lot.refunded_elsewhere,
        lot.disputed,
        lot.blocked,
    )


async def list_open_debts(
    connection: Connection, user_id: UUID, *, currency: str | None = None, lock: bool = False
) -> list[Debt]:
    """What a customer owes, oldest first."""
    rows = await connection.fetch(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        {_SELECT_DEBT} WHERE user_id = $1 AND ($2::text IS NULL OR currency = $2) AND collected + written_off < amount
        ORDER BY created_at, id{" FOR UPDATE" if lock else ""}
        """,
        user_id,
        currency,
    )
    return [Debt(**dict(row)) for row in rows]


async def list_debts(
    connection: Connection, user_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Debt]:
    """Every debt that a customer ever had, newest first."""
    rows = await connection.fetch(
        f"""
        {_SELECT_DEBT} WHERE user_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
        ORDER BY created_at DESC, id DESC LIMIT $4
        """,
        user_id,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [Debt(**dict(row)) for row in rows]


async def find_debt(connection: Connection, debt_id: UUID) -> Debt | None:
    """One debt, locked."""
    row = await connection.fetchrow(f"{_SELECT_DEBT} WHERE id = $1 FOR UPDATE", debt_id)
    return Debt(**dict(row)) if row else None


async def find_debt_of(connection: Connection, cause: Cause, cause_id: UUID) -> Debt | None:
    """The debt that came from something, locked."""
    row = await connection.fetchrow(f"{_SELECT_DEBT} WHERE cause = $1 AND cause_id = $2 FOR UPDATE", cause, cause_id)
    return Debt(**dict(row)) if row else None


async def insert_debt(
    connection: Connection,
    *,
    debt_id: UUID,
    user_id: UUID,
    currency: str,
    cause: Cause,
    cause_id: UUID,
    amount: Decimal,
) -> None:
    """A new debt."""
    await connection.execute(
        "INSERT INTO debts (id, user_id, currency, cause, cause_id, amount) VALUES ($1, $2, $3, $4, $5, $6)",
        debt_id,
        user_id,
        currency,
        cause,
        cause_id,
        amount,
    )


async def change_debt(
    connection: Connection, debt_id: UUID, *, amount: Decimal, collected: Decimal, written_off: Decimal
) -> int:
    """Write down what became of a debt; the number of this change."""
    steps: int = await connection.fetchval(
        """
        UPDATE debts SET amount = $2, collected = $3, written_off = $4, steps = steps + 1, updated_at = now()
        WHERE id = $1 RETURNING steps
        """,
        debt_id,
        amount,
        collected,
        written_off,
    )
    return steps


async def customers_who_can_pay(connection: Connection, *, limit: int) -> list[tuple[UUID, str]]:
    """Customers with an open debt and money of its currency, for the chore that collects."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT d.user_id, d.currency FROM debts d JOIN balances b USING (user_id, currency)
        WHERE d.collected + d.written_off < d.amount AND b.available > 0 LIMIT $1
        """,
        limit,
    )
    return [(row["user_id"], row["currency"]) for row in rows]
