"""Flows of docs/money that reconciliation books: the processor's fee, its payouts, and differences by four eyes."""

from decimal import Decimal
from typing import Protocol

from bitcurrent.funding.ports import BalanceLine
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import new_id
from bitcurrent.ledger.service import post
from bitcurrent.reconciliation.binding import fee_journal, payout_journal
from bitcurrent.reconciliation.breaks import resolving_journal


class Booked(Protocol):
    """Whoever has books."""

    connection: Connection


def line(kind: str, amount: str, fee: str, source: str) -> BalanceLine:
    """A line of the processor."""
    return BalanceLine(
        id=f"txn_{new_id().hex}",
        kind=kind,
        amount=Decimal(amount),
        fee=Decimal(fee),
        net=Decimal(amount) - Decimal(fee),
        currency="USD",
        source=source,
        created_at=now(),
        available_at=now(),
    )


async def processor_fee(ann: Booked) -> list[str]:
    """The fee of a payment."""
    journal = fee_journal(line("charge", "100", "3.20", "ch_1"))
    assert journal is not None
    assert await post(ann.connection, journal)
    return ["processor_fee"]


async def payout(ann: Booked) -> list[str]:
    """Money on its way to the bank."""
    assert await post(ann.connection, payout_journal(line("payout", "-480", "0", f"po_{new_id().hex}")))
    return ["payout"]


async def adjustment(ann: Booked) -> list[str]:
    """A difference that two people have booked."""
    assert await post(ann.connection, resolving_journal(new_id(), "venue", "adjustments", "USD", Decimal("12.50")))
    return ["adjustment"]
