"""The rail `bank`: people carry a file to the bank, so nothing is sent by itself and nobody can be asked."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.bank_accounts.model import BankAccountNotFound
from bitcurrent.funding.bank_accounts.service import BankAccounts
from bitcurrent.funding.withdrawals.model import DestinationNotFound, RailName, Withdrawal
from bitcurrent.funding.withdrawals.ports import Destination, Outcome, Quote
from bitcurrent.kernel.ids import UserId


class BankRail:
    """See withdrawals.ports.Rail."""

    name: RailName = "bank"
    automatic = False

    def __init__(self, bank_accounts: BankAccounts) -> None:
        self._bank_accounts = bank_accounts

    async def find_destination(
        self, connection: Any, *, user_id: UserId, asset: str, destination: UUID | None, amount: Decimal
    ) -> Destination:
        """The customer's saved account of this currency. Raises DestinationNotFound."""
        if destination is None:
            raise DestinationNotFound
        try:
            account = await self._bank_accounts.find(connection, user_id, destination)
        except BankAccountNotFound:
            raise DestinationNotFound from None
        if account.currency != asset:
            raise DestinationNotFound
        return Destination(
            id=account.id,
            label=account.label,
            usable_at=account.usable_at,
            mark=account.fingerprint.hex(),
            since=account.created_at,
        )

    async def quote(self, *, user_id: UserId, asset: str, destination: UUID | None, amount: Decimal) -> Quote:
        """Our own fee covers the bank's."""
        return Quote()

    async def send(self, withdrawal: Withdrawal) -> Outcome:
        """Never by itself: it goes with the next batch."""
        return Outcome(kind="unknown")

    async def ask(self, withdrawal: Withdrawal) -> Outcome:
        """Only the bank's files tell."""
        return Outcome(kind="unknown")
