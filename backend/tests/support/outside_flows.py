"""Flows of docs/money that reconciliation books: the processor's fee, its payouts, and differences by four eyes."""

from decimal import Decimal
from typing import Protocol
from uuid import UUID

from bitcurrent.backoffice.adjustments.model import journal_of
from bitcurrent.funding.ports import BalanceLine
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.ledger.service import post
from bitcurrent.reconciliation.binding import fee_journal, payout_journal
from bitcurrent.reconciliation.breaks import resolving_journal


class Booked(Protocol):
    """Whoever has books."""

    connection: Connection


class Owner(Booked, Protocol):
    """Somebody who has a balance."""

    id: UserId


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
    break_id = new_id()
    payload = {"account": "venue", "counterpart": "adjustments", "asset": "USD", "amount": "12.50"}
    await granted(ann.connection, "break_resolution", f"break:{break_id}", payload, "Nobody found out why")
    assert await post(ann.connection, resolving_journal(break_id, "venue", "adjustments", "USD", Decimal("12.50")))
    return ["adjustment"]


async def granted(
    connection: Connection, kind: str, subject: str, payload: dict[str, str], reason: str
) -> tuple[UUID, UUID, UUID]:
    """An approval of two operators: its id, who asked, who granted."""
    approval_id, asker, granter = new_id(), new_id(), new_id()
    await connection.execute(
        "INSERT INTO users (id, password_hash, role) SELECT unnest($1::uuid[]), '-', 'finance'", [asker, granter]
    )
    await connection.execute(
        "INSERT INTO approvals (id, kind, subject, payload, reason, asked_by, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, now() + interval '1 day')",
        approval_id,
        kind,
        subject,
        payload,
        reason,
        asker,
    )
    await connection.execute(
        "UPDATE approvals SET granted_by = $2, granted_at = now() WHERE id = $1", approval_id, granter
    )
    return approval_id, asker, granter


async def adjustment_customer(ann: Owner) -> list[str]:
    """What two operators give a customer."""
    adjustment_id, amount = new_id(), Decimal(25)
    await ann.connection.execute(
        "INSERT INTO users (id, password_hash) VALUES ($1, '-') ON CONFLICT DO NOTHING", ann.id
    )
    payload = {"user_id": str(ann.id), "currency": "USD", "amount": "25", "evidence": "case 7"}
    approval_id, asker, granter = await granted(
        ann.connection, "adjustment", f"user:{ann.id}", payload, "A fee was taken twice"
    )
    await ann.connection.execute(
        "INSERT INTO adjustments (id, user_id, currency, amount, reason, evidence, approval_id, asked_by, granted_by) "
        "VALUES ($1, $2, 'USD', $3, 'A fee was taken twice', 'case 7', $4, $5, $6)",
        adjustment_id,
        ann.id,
        amount,
        approval_id,
        asker,
        granter,
    )
    assert await post(ann.connection, journal_of(adjustment_id, ann.id, "USD", amount))
    return ["adjustment"]
