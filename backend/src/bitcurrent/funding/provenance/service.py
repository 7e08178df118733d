"""Provenance's verbs, in the caller's transaction: receive card money, say what may leave, owe and collect.

Whoever lets money out calls `lock_money` first: from then on no deposit, dispute, order or other withdrawal of this
customer moves a balance until the transaction ends, so what was read is still true when it is acted on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.funding.provenance import repository
from bitcurrent.funding.provenance.model import (
    Cause,
    Debt,
    InDebt,
    Lot,
    NotReleased,
    Receipt,
    Worth,
    locked_by_currency,
    owed_by_currency,
)
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.ledger.model import Balance, Journal, Move, available, house
from bitcurrent.ledger.service import post

NOTHING: Mapping[str, Decimal] = {}


async def receive(
    connection: Connection,
    letters: Letters,
    *,
    user_id: UserId,
    currency: str,
    amount: Decimal,
    deposit_id: UUID,
    release_at: datetime,
    fee: Decimal = Decimal(0),
    payment_intent: str | None = None,
) -> Decimal:
    """Card money has been credited (call it after that journal): keep where it came from, and pay debts with it first.

    `amount` is what the card paid, of which `fee` is ours: the rest was credited. `payment_intent` is the processor's
    name of the payment; refunds and disputes find the deposit by it. Returns what went to debts. Again is no error.
    """
    written = await repository.insert_lot(
        connection,
        lot_id=deposit_id,
        user_id=user_id,
        currency=currency,
        amount=amount,
        fee=fee,
        payment_intent=payment_intent,
        release_at=release_at,
    )
    if not written:
        return Decimal(0)
    crash_point("provenance.received")
    return await collect(connection, letters, user_id, currency)


async def receive_many(connection: Connection, letters: Letters, receipts: Sequence[Receipt]) -> None:
    """The same for deposits that were credited together: two statements for all who owe nothing."""
    written = await repository.insert_lots(connection, receipts)
    crash_point("provenance.received")
    fresh = [each for each in receipts if each.deposit_id in written]
    if fresh:
        debtors = await repository.find_debtors(connection, [each.user_id for each in fresh])
        for user_id, currency in sorted({(each.user_id, each.currency) for each in fresh if each.user_id in debtors}):
            await collect(connection, letters, user_id, currency)


async def release_earlier(connection: Connection, deposit_id: UUID, release_at: datetime) -> None:
    """More is known of the card now: its money is released sooner. A later date changes nothing."""
    await repository.release_earlier(connection, deposit_id, release_at)


async def collect(connection: Connection, letters: Letters, user_id: UserId, currency: str) -> Decimal:
    """Pay what the customer owes in a currency, oldest debt first, from what is available; how much was paid.

    Who owes nothing more after it is written to.
    """
    if not await repository.list_open_debts(connection, user_id, currency=currency):
        return Decimal(0)
    there = next((b.available for b in await lock_money(connection, user_id) if b.currency == currency), Decimal(0))
    paid = Decimal(0)
    for debt in await repository.list_open_debts(connection, user_id, currency=currency, lock=True):
        amount = min(debt.open, EXACT.subtract(there, paid))
        if amount <= 0:
            break
        await _pay(connection, debt, amount)
        paid = EXACT.add(paid, amount)
    if paid and not await repository.list_open_debts(connection, user_id):
        values = {"amount": plain(paid), "asset": currency}
        await letters.queue(connection, user_id=user_id, template="debt_paid", values=values)
    return paid


async def _pay(connection: Connection, debt: Debt, amount: Decimal) -> None:
    step = await repository.change_debt(
        connection,
        debt.id,
        amount=debt.amount,
        collected=EXACT.add(debt.collected, amount),
        written_off=debt.written_off,
    )
    user_id = UserId(debt.user_id)
    move = Move(source=available(user_id, debt.currency), target=house("disputes", debt.currency), amount=amount)
    await post(connection, Journal(kind="debt_payment", reference=f"debt_payment:{debt.id}:{step}", moves=(move,)))
    await append_event(
        connection,
        user_id=user_id,
        kind="debt_paid",
        subject=debt.id,
        payload={
            "currency": debt.currency,
            "amount": plain(amount),
            "open": plain(EXACT.subtract(debt.open, amount)),
        },
    )
    crash_point("provenance.debt_paid")


async def lock_money(connection: Connection, user_id: UserId) -> list[Balance]:
    """Lock every balance of a customer until the transaction ends, in the order in which journals lock them."""
    return await repository.lock_balances(connection, user_id)


async def require_no_debt(connection: Connection, user_id: UserId) -> None:
    """Raise InDebt while the customer owes anything. Call it after `lock_money`."""
    if owed := owed_by_currency(await repository.list_open_debts(connection, user_id)):
        raise InDebt(owed)


async def worth_of(
    connection: Connection,
    user_id: UserId,
    balances: list[Balance],
    *,
    prices: Mapping[str, Decimal],
    in_orders: Mapping[str, Decimal] = NOTHING,
) -> Worth:
    """What counts when something is to leave. `prices` in USD, fresh ones; `in_orders` is what open orders hold."""
    assets = {balance.currency: balance.available for balance in balances}
    for currency, amount in in_orders.items():
        assets[currency] = EXACT.add(assets.get(currency, Decimal(0)), amount)
    return Worth(
        balances=assets,
        locked=locked_by_currency(await repository.list_lots(connection, user_id), now()),
        owed=owed_by_currency(await repository.list_open_debts(connection, user_id)),
        prices={"USD": Decimal(1), **prices},
    )


async def withdrawable(
    connection: Connection,
    user_id: UserId,
    asset: str,
    *,
    prices: Mapping[str, Decimal],
    in_orders: Mapping[str, Decimal] = NOTHING,
) -> Decimal:
    """How much of an asset may leave now; locks the customer's money. Raises NoPrice when that cannot be said."""
    balances = await lock_money(connection, user_id)
    worth = await worth_of(connection, user_id, balances, prices=prices, in_orders=in_orders)
    there = next((balance.available for balance in balances if balance.currency == asset), Decimal(0))
    return worth.free(asset, there)


async def require_withdrawable(
    connection: Connection,
    user_id: UserId,
    asset: str,
    amount: Decimal,
    *,
    prices: Mapping[str, Decimal],
    in_orders: Mapping[str, Decimal] = NOTHING,
) -> None:
    """Raise unless so much of an asset may leave now: InDebt, NoPrice, NotReleased. Locks the customer's money."""
    balances = await lock_money(connection, user_id)
    await require_no_debt(connection, user_id)
    worth = await worth_of(connection, user_id, balances, prices=prices, in_orders=in_orders)
    there = next((balance.available for balance in balances if balance.currency == asset), Decimal(0))
    free = worth.free(asset, there)
    # More than is available is the ledger's to refuse: there it is a matter of money, here of time.
    if min(amount, there) > free:
        lots = await repository.list_lots(connection, user_id)
        raise NotReleased(asset=asset, wanted=amount, limit=free, released_at=next_release(lots))


def next_release(lots: list[Lot]) -> datetime | None:
    """When the next of what is locked is released; None when nothing waits for a date."""
    moment = now()
    return min((lot.release_at for lot in lots if lot.release_at > moment and not lot.blocked), default=None)


async def lot_of(connection: Connection, deposit_id: UUID) -> Lot | None:
    """A card deposit's lot, locked: whoever takes something of it back comes here first."""
    return await repository.find_lot(connection, deposit_id)


async def lot_of_payment(connection: Connection, payment_intent: str) -> Lot | None:
    """The lot of the processor's payment, locked."""
    return await repository.find_lot_of_payment(connection, payment_intent)


async def lots_of(connection: Connection, user_id: UserId, currency: str | None = None) -> list[Lot]:
    """A customer's lots of which something could still be taken back, newest first."""
    return await repository.list_lots(connection, user_id, currency=currency)


async def change_lot(connection: Connection, lot: Lot) -> None:
    """Write down what was taken back of a lot that was locked before."""
    await repository.change_lot(connection, lot)


async def debt_of(connection: Connection, cause: Cause, cause_id: UUID) -> Debt | None:
    """What a dispute or a foreign refund left owed, locked. Lock the customer's money first."""
    return await repository.find_debt_of(connection, cause, cause_id)


async def find_debt(connection: Connection, debt_id: UUID) -> Debt | None:
    """A debt by its id, locked."""
    return await repository.find_debt(connection, debt_id)


async def open_debts(connection: Connection, user_id: UserId) -> list[Debt]:
    """What a customer owes, oldest first."""
    return await repository.list_open_debts(connection, user_id)


async def list_debts(
    connection: Connection, user_id: UserId, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Debt]:
    """Every debt that a customer ever had, newest first."""
    return await repository.list_debts(connection, user_id, before=before, limit=limit)


async def set_debt(
    connection: Connection,
    *,
    user_id: UserId,
    currency: str,
    cause: Cause,
    cause_id: UUID,
    amount: Decimal,
    collected: Decimal,
    written_off: Decimal,
) -> None:
    """What a cause leaves owed is this from now on; one debt for one cause. The caller posts what moved."""
    found = await repository.find_debt_of(connection, cause, cause_id)
    if found is not None:
        if (found.amount, found.collected, found.written_off) != (amount, collected, written_off):
            await repository.change_debt(
                connection, found.id, amount=amount, collected=collected, written_off=written_off
            )
    elif amount > 0:
        await repository.insert_debt(
            connection,
            debt_id=new_id(),
            user_id=user_id,
            currency=currency,
            cause=cause,
            cause_id=cause_id,
            amount=amount,
        )


async def write_off(connection: Connection, debt: Debt) -> Decimal:
    """Nobody waits for what is still owed: it is the house's loss. How much it was; `debt` was locked before."""
    amount = debt.open
    if amount <= 0:
        return Decimal(0)
    step = await repository.change_debt(
        connection,
        debt.id,
        amount=debt.amount,
        collected=debt.collected,
        written_off=EXACT.add(debt.written_off, amount),
    )
    move = Move(source=house("losses", debt.currency), target=house("disputes", debt.currency), amount=amount)
    await post(connection, Journal(kind="debt_write_off", reference=f"debt_write_off:{debt.id}:{step}", moves=(move,)))
    return amount


async def collect_due(connection: Connection, letters: Letters, *, limit: int) -> int:
    """Collect from customers who owe and have money of that currency again (a sale, a conversion); how many paid."""
    paid = 0
    for user_id, currency in await repository.customers_who_can_pay(connection, limit=limit):
        collected = await collect(connection, letters, UserId(user_id), currency)
        paid += bool(collected)
    return paid
