"""What the bank's statements say to whoever compares them with the books."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from bitcurrent.funding.payouts import evidence_repository as repository
from bitcurrent.funding.payouts.model import ClosingBalance
from bitcurrent.kernel.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLine:
    """A line of a statement: positive came in, negative went out. `withdrawal_id` is what it pays or sends back."""

    bank_reference: str
    booked_on: date
    currency: str
    amount: Decimal
    withdrawal_id: UUID | None


async def closing_balances(connection: Connection, limit: int) -> Sequence[ClosingBalance]:
    """What our accounts closed with, by currency and day: of one day the newest file's word; the newest days."""
    return [ClosingBalance(**row) for row in await repository.closing_balances(connection, limit)]


async def newest_lines(connection: Connection, limit: int) -> Sequence[BankLine]:
    """The newest lines of the statements that were read in."""
    return [BankLine(**row) for row in await repository.newest_lines(connection, limit)]
