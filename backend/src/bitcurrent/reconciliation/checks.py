"""The checks of one installation: its venue, its card processor, its bank."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from bitcurrent.funding.payouts import evidence as payouts
from bitcurrent.funding.ports import Processor
from bitcurrent.funding.withdrawals import evidence as withdrawals
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.reconciliation.bank import BankCheck, Closing, StatementLine
from bitcurrent.reconciliation.model import Pace
from bitcurrent.reconciliation.ports import VenueBooks, VenueMovement
from bitcurrent.reconciliation.processor import ProcessorCheck
from bitcurrent.reconciliation.reconciling import Check
from bitcurrent.reconciliation.venue import VenueCheck


def checks_of(
    database: Database,
    venue: VenueBooks,
    processor: Processor,
    pace: Pace,
    *,
    books_payouts: bool,
    processor_since: datetime | None = None,
) -> Sequence[Check]:
    """Everything that our books are compared with."""
    return (
        VenueCheck(database, venue, pace, recognise=wallet_transfer, under_way=coins_under_way),
        ProcessorCheck(database, processor, pace, books_payouts=books_payouts, since=processor_since),
        BankCheck(database, statement_lines, closing_balances),
    )


async def wallet_transfer(connection: Connection, movement: VenueMovement) -> str | None:
    """The journal of the withdrawal that a wallet's transfer pays."""
    if movement.transfer_id is None:
        return None
    return await withdrawals.journal_of(connection, "wallet", movement.transfer_id)


async def coins_under_way(connection: Connection) -> Mapping[str, Decimal]:
    """Coins that the venue may have sent already while our books still hold them."""
    return await withdrawals.under_way(connection, "wallet")


async def closing_balances(connection: Connection, limit: int) -> Sequence[Closing]:
    """What the bank's statements say that our accounts closed with."""
    found = await payouts.closing_balances(connection, limit)
    return [Closing(currency=each.currency, closed_on=each.closed_on, amount=each.amount) for each in found]


async def statement_lines(connection: Connection, limit: int) -> Sequence[StatementLine]:
    """The newest lines of the bank's statements, with the journals that they may stand for."""
    return [
        StatementLine(
            id=line.bank_reference,
            booked_on=line.booked_on,
            currency=line.currency,
            amount=line.amount,
            references=()
            if line.withdrawal_id is None
            else (f"{'withdrawal' if line.amount < 0 else 'withdrawal_return'}:{line.withdrawal_id}",),
        )
        for line in await payouts.newest_lines(connection, limit)
    ]
