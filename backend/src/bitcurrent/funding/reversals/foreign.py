"""Refunds that somebody made at the processor itself: booked when they are found, undone when the card refuses them."""

from dataclasses import replace
from decimal import Decimal

from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import Lot
from bitcurrent.funding.reversals.model import ZERO, Cover, Refund, level
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import post, read_balance


async def book(connection: Connection, refund: Refund) -> Decimal:
    """Take it from what is available; what is not there any more is owed. How much that is."""
    user_id, currency = UserId(refund.user_id), refund.currency
    lot = await provenance.lot_of(connection, refund.lot_id)
    assert lot is not None  # its row refers to it
    elsewhere = EXACT.add(lot.refunded_elsewhere, refund.amount)
    await provenance.change_lot(connection, replace(lot, refunded_elsewhere=elsewhere))
    await provenance.lock_money(connection, user_id)
    there = (await read_balance(connection, user_id, currency)).available
    got = min(there, refund.amount)
    shortfall = EXACT.subtract(refund.amount, got)
    outside = house("processor", currency)
    moves = [
        Move(source=source, target=outside, amount=amount)
        for source, amount in ((available(user_id, currency), got), (house("disputes", currency), shortfall))
        if amount > 0
    ]
    await post(connection, Journal(kind="refund_elsewhere", reference=f"refund:{refund.id}", moves=tuple(moves)))
    await provenance.set_debt(
        connection,
        user_id=user_id,
        currency=currency,
        cause="refund",
        cause_id=refund.id,
        amount=shortfall,
        collected=ZERO,
        written_off=ZERO,
    )
    return shortfall


async def undo(connection: Connection, lot: Lot, refund: Refund) -> None:
    """Give back what was taken for it, and forget what was owed."""
    user_id, currency = UserId(refund.user_id), refund.currency
    await provenance.change_lot(
        connection, replace(lot, refunded_elsewhere=EXACT.subtract(lot.refunded_elsewhere, refund.amount))
    )
    await provenance.lock_money(connection, user_id)
    debt = await provenance.debt_of(connection, "refund", refund.id)
    owed = (debt.amount, debt.collected, debt.written_off) if debt else (ZERO, ZERO, ZERO)
    steps = level(Cover(debt=owed[0], collected=owed[1], written_off=owed[2]), claim=ZERO, there=ZERO, final=False)
    disputes, outside = house("disputes", currency), house("processor", currency)
    own = available(user_id, currency)
    wanted = (
        (outside, own, EXACT.subtract(refund.amount, refund.shortfall)),
        (outside, disputes, refund.shortfall),
        (disputes, own, steps.give_back),
        (disputes, house("losses", currency), steps.regain),
    )
    moves = tuple(Move(source=a, target=b, amount=amount) for a, b, amount in wanted if amount > 0)
    await post(connection, Journal(kind="refund_failed", reference=f"refund_failed:{refund.id}", moves=moves))
    await provenance.set_debt(
        connection,
        user_id=user_id,
        currency=currency,
        cause="refund",
        cause_id=refund.id,
        amount=steps.cover.debt,
        collected=steps.cover.collected,
        written_off=steps.cover.written_off,
    )
